import { dump, type DType as NpyjsType } from "npyjs";
import { type AnyTensor, type DType, sizeOf } from "../../tensor/tensor.js";

/** NumPy's name of each dtype, as npyjs spells it. */
const NPY_TYPES: Readonly<Record<DType, NpyjsType>> = {
  float32: "f4",
  float64: "f8",
  int32: "i4",
  int64: "i8",
  uint8: "u1",
  bool: "b1",
};

/**
 * Where the data of a written file begins is a multiple of this many bytes, as in NumPy's own files
 * (`ARRAY_ALIGN`): they can be memory-mapped and read without a copy.
 */
const DATA_ALIGNMENT = 64;

/**
 * An `.npy` file (version 1.0, C order, this machine's byte order) of a tensor.
 *
 * @throws {RangeError} when the number of values is not the product of the shape, or the typed array
 *   is not the one of the dtype
 */
export function writeNpy(tensor: AnyTensor): Uint8Array {
  const { shape, data } = tensor;
  if (data.length !== sizeOf(shape)) {
    throw new RangeError(`shape [${shape}] needs ${sizeOf(shape)} values, got ${data.length}`);
  }
  const code = NPY_TYPES[tensor.dtype];
  if (data.BYTES_PER_ELEMENT !== Number(code.slice(1))) {
    throw new RangeError(`${tensor.dtype} data in ${data.BYTES_PER_ELEMENT} bytes an element`);
  }
  const header = alignedHeader(dictOf(shape, code));
  const file = new Uint8Array(header.length + data.byteLength);
  file.set(header);
  file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), header.length);
  return file;
}

/**
 * The header text by npyjs, for an array without data: its `dump` writes the dictionary right, but
 * checks no sizes and aligns the data to 8 bytes only, so both are done here.
 */
function dictOf(shape: readonly number[], code: NpyjsType): string {
  const file = new Uint8Array(dump(new Uint8Array(0), [...shape], { dtype: code }));
  return new TextDecoder("latin1").decode(file.subarray(10)).trim();
}

/** Magic, version, length and the dictionary, padded with spaces and ended by a line feed. */
function alignedHeader(dict: string): Uint8Array {
  const length = Math.ceil((10 + dict.length + 1) / DATA_ALIGNMENT) * DATA_ALIGNMENT;
  const header = new Uint8Array(length).fill(0x20);
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(header.buffer).setUint16(8, length - 10, true);
  header.set(new TextEncoder().encode(dict), 10);
  header[length - 1] = 0x0a;
  return header;
}
