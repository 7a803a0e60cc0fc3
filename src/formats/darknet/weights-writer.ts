import { InputError } from "../../errors.js";
import { sizeOf } from "../../tensor/tensor.js";
import { type ByteSink, writePiecesAtomic } from "../atomic-file.js";
import type { DarknetArchitecture } from "./architecture.js";
import { type DarknetHeader, encodeHeader, HEADER_0_2_5, headerBytes } from "./weights-header.js";

/** Parts of a header that a caller may choose; its length follows from version and dialect. */
export type DarknetVersion = Partial<Pick<DarknetHeader, "major" | "minor" | "revision" | "seen">>;

/**
 * Writes a .weights file, tensor after tensor in the order and the storage of the network's dialect
 * (what the configuration says is not loaded is not written).
 *
 * @param target - a path (whole or not there: a temporary file is renamed) or where the pieces go
 * @param read - the values of a tensor by name, in the network's own layout (kernel [out, in, k, k])
 * @param version - default 0.2.5 with seen 0, as AlexeyAB's library writes
 * @throws {InputError} `shape` when a tensor has another number of values, `option` for an impossible header
 */
export function writeDarknetWeights(
  target: string | ByteSink,
  architecture: DarknetArchitecture,
  read: (name: string) => Float32Array,
  version: DarknetVersion = {},
): void {
  if (typeof target === "function") writePieces(target, architecture, read, version);
  else writePiecesAtomic(target, (sink) => writePieces(sink, architecture, read, version));
}

function writePieces(
  sink: ByteSink,
  architecture: DarknetArchitecture,
  read: (name: string) => Float32Array,
  version: DarknetVersion,
): void {
  const header = headerOf(version, architecture.dialect);
  sink(encodeHeader(header));
  architecture.weights.forEach(({ name, shape }, k) => {
    const record = architecture.records[k];
    if (record?.file === "absent") return;
    const values = read(name);
    if (values.length !== sizeOf(shape)) {
      throw new InputError(
        "shape",
        `${name}: ${values.length} values given, expected ${sizeOf(shape)} for [${shape}]`,
      );
    }
    const transposed =
      record?.transposed === "flipped" || (record?.transposed === "dense" && header.transposed);
    sink(bytesOf(transposed ? transposeMatrix(values, shape[0] ?? 1) : values));
  });
}

function headerOf(version: DarknetVersion, dialect: DarknetArchitecture["dialect"]): DarknetHeader {
  const { major, minor, revision, seen } = { ...HEADER_0_2_5, ...version };
  const transposed = major > 1000 || minor > 1000;
  return { major, minor, revision, seen, transposed, bytes: headerBytes(major, minor, dialect) };
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** [rows, columns] to [columns, rows]. */
function transposeMatrix(values: Float32Array, rows: number): Float32Array {
  const columns = values.length / rows;
  const result = new Float32Array(values.length);
  for (let column = 0, at = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) result[at++] = values[row * columns + column] as number;
  }
  return result;
}
