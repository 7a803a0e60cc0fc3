import { readFileSync } from "node:fs";
import { readNpyHeader } from "../../formats/npy/npy-header.js";
import { readNpy } from "../../formats/npy/npy-reader.js";
import { openZip } from "../../formats/zip/zip-reader.js";
import type { AnyTensor } from "../../tensor/tensor.js";

/** An array as NumPy stored it: for comparisons bit for bit, of types no tensor has too. */
interface RecordedArray {
  /** NumPy's code without byte order: `f4`, `c8`, `b1`. */
  readonly code: string;
  readonly shape: readonly number[];
  /** Little endian, row-major. */
  readonly bytes: Uint8Array;
}

/** The arrays of an `.npz` file of a case. */
export interface Recorded {
  readonly array: (key: string) => RecordedArray;
  readonly tensor: (key: string) => AnyTensor;
}

/**
 * Opens `expected.npz` or `inputs.npz`. Whatever is wrong with them is the suite's fault, never a
 * refusal of the file under test: it is thrown as a plain error.
 */
export function openRecorded(path: string): Recorded {
  const archive = ownFault(path, () => openZip(readFileSync(path), path));
  const file = (key: string) => archive.read(`${key}.npy`);
  return {
    array: (key) =>
      ownFault(path, () => {
        const bytes = file(key);
        const { code, shape, dataOffset, endian, fortranOrder } = readNpyHeader(bytes, path);
        if (endian === "big" || fortranOrder) {
          throw new Error(`${key} is not little endian and row-major`);
        }
        return { code, shape, bytes: bytes.subarray(dataOffset) };
      }),
    tensor: (key) => ownFault(path, () => readNpy(file(key), `${path}/${key}`)),
  };
}

function ownFault<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw recordedFault(path, cause);
  }
}

function recordedFault(path: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Error(`recorded values cannot be read: ${path}: ${reason}`, { cause });
}
