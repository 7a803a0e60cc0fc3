import { InputError } from "../errors.js";
import type { AnyTensor } from "../tensor/tensor.js";
import { elementsOf, type StoredDType, tensorFromBytes } from "./stored-dtype.js";

/** One tensor of a file, read when asked for. */
export interface StoredTensor {
  readonly name: string;
  /** In the order of the file, outermost axis first; empty for a scalar. */
  readonly shape: readonly number[];
  readonly dtype: StoredDType;
  /** Bytes that the values take in the file. */
  readonly byteLength: number;
  /**
   * The values as the file stores them, little endian, row-major: a fresh copy.
   *
   * @throws {InputError} `unsupported` for strings, and whatever the format checks at reading (a checksum)
   */
  readonly bytes: () => Uint8Array;
  /** The same into memory that is there already, {@link byteLength} of it; absent where the values are not read in one piece. */
  readonly readInto?: (target: Uint8Array) => void;
  /** The elements of a tensor of dtype `string`, as bytes (no encoding is promised by the formats). */
  readonly strings: () => Uint8Array[];
}

/** A file (or several that belong together) of named tensors. */
export interface TensorFile {
  /** What messages call it. */
  readonly name: string;
  /** All tensors, in the order of the file. */
  readonly tensors: readonly StoredTensor[];
  /**
   * The tensor of that name.
   *
   * @throws {InputError} `name` when there is none
   */
  readonly get: (name: string) => StoredTensor;
  /** Closes the file; values can no longer be read. */
  readonly close: () => void;
}

/**
 * The values as a tensor: float16, bfloat16 and float8 widened to float32, int8, int16 and uint16 to
 * int32, uint32 and uint64 to int64. No value changes.
 *
 * @throws {InputError} `unsupported` for complex numbers, strings, 4 and 6 bit floats, and a uint64 beyond int64
 */
export function readTensor(stored: StoredTensor, source: string): AnyTensor {
  const where = `${source}: ${stored.name}`;
  return tensorFromBytes(stored.dtype, stored.shape, () => stored.bytes(), where);
}

/** Collects tensors into a {@link TensorFile}; names must differ. */
export function tensorFile(
  name: string,
  tensors: readonly StoredTensor[],
  close: () => void,
): TensorFile {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return {
    name,
    tensors,
    get: (wanted) => {
      const found = byName.get(wanted);
      if (found !== undefined) return found;
      throw new InputError(
        "name",
        `${name}: no tensor "${wanted}" among its ${tensors.length}${nearest(wanted, byName.keys())}`,
      );
    },
    close,
  };
}

/** Names that end alike are the usual near miss: a prefix added or lost. */
function nearest(wanted: string, names: Iterable<string>): string {
  const last = wanted.split(/[/.]/).at(-1) ?? wanted;
  const alike = [...names].filter((name) => last !== "" && name.endsWith(last)).slice(0, 3);
  return alike.length === 0 ? "" : `; it has ${alike.join(", ")}`;
}

/** Refuses `strings()` of a tensor of numbers. */
export function noStrings(where: string): () => Uint8Array[] {
  return () => {
    throw new InputError("unsupported", `${where}: holds numbers, expected strings`);
  };
}

/** Number of elements of a shape a file claims: refused beyond 2^53, before anything is multiplied wrongly. */
export function checkedElements(shape: readonly number[], where: string): number {
  const count = elementsOf(shape);
  if (count === undefined) {
    throw new InputError(
      "shape",
      `${where}: shape [${shape.join(", ")}] is not a list of sizes whose product a file can hold`,
    );
  }
  return count;
}
