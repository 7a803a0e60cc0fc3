import { InputError } from "../../errors.js";
import { type ByteSource, openSource, refuseForeignContent } from "../byte-source.js";
import { noStrings, type StoredTensor, type TensorFile, tensorFile } from "../tensor-file.js";
import { MAX_HEADER_BYTES, type SafetensorsEntry, safetensorsHeader } from "./header.js";

/** An open safetensors file: only its header is in memory. */
export interface SafetensorsFile extends TensorFile {
  /** The header's `__metadata__`, empty if it has none. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** The 8 bytes before the header that hold its length. */
const LENGTH_BYTES = 8;

/**
 * Opens a `.safetensors` file: header read and judged, values on disk until asked for.
 *
 * @throws {InputError} `not-found`, or what {@link safetensorsFrom} throws
 */
export function openSafetensors(path: string): SafetensorsFile {
  const source = openSource(path);
  try {
    return safetensorsFrom(source);
  } catch (error) {
    source.close();
    throw error;
  }
}

/**
 * Reads the header of a safetensors file from any source. The file is refused as a whole when a length
 * lies outside it, the header is not the JSON it should be (a doubled key included: which one holds
 * would be a guess), or the tensors do not tile the data. The source is closed with the result.
 *
 * @throws {InputError} `truncated`, `trailing-bytes`, `limit`, `corrupt`, `shape` or `unsupported`
 */
export function safetensorsFrom(source: ByteSource): SafetensorsFile {
  refuseForeignContent(source, "a safetensors file");
  const headerBytes = headerLength(source);
  const json = source.read(LENGTH_BYTES, headerBytes, "header");
  const dataStart = LENGTH_BYTES + headerBytes;
  const header = safetensorsHeader(json, source.byteLength - dataStart, source.name);
  const tensors = header.entries.map((entry) => storedTensor(source, dataStart, entry));
  const file = tensorFile(source.name, tensors, source.close);
  return { ...file, metadata: header.metadata };
}

function headerLength(source: ByteSource): number {
  const { name, byteLength } = source;
  const prefix = source.read(0, LENGTH_BYTES, "header length");
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  const left = byteLength - LENGTH_BYTES;
  if (length > BigInt(Math.min(left, MAX_HEADER_BYTES))) {
    const beyond = length > BigInt(MAX_HEADER_BYTES);
    throw new InputError(
      beyond ? "limit" : "truncated",
      `${name}: header length is ${length}, ${beyond ? `expected at most ${MAX_HEADER_BYTES}` : `${left} bytes left`}; is it a safetensors file?`,
    );
  }
  return Number(length);
}

function storedTensor(
  source: ByteSource,
  dataStart: number,
  { name, dtype, shape, begin, end }: SafetensorsEntry,
): StoredTensor {
  const byteLength = end - begin;
  return {
    name,
    shape,
    dtype,
    byteLength,
    bytes: () => source.read(dataStart + begin, byteLength, `tensor "${name}"`),
    readInto: (target) => source.readInto(target, dataStart + begin, `tensor "${name}"`),
    strings: noStrings(`${source.name}: tensor "${name}"`),
  };
}
