import { InputError } from "../../errors.js";
import { type AnyTensor, sizeOf } from "../../tensor/tensor.js";
import { float32FromHalf } from "../small-floats.js";
import { type NpyHeader, readNpyHeader } from "./npy-header.js";

type Elements =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

type ElementsOver = (buffer: ArrayBufferLike, offset: number, count: number) => Elements;

/** How the elements of each NumPy type lie in memory; `f2` is seen through its bits. */
const VIEWS: Readonly<Record<string, ElementsOver>> = {
  f2: (buffer, offset, count) => new Uint16Array(buffer, offset, count),
  f4: (buffer, offset, count) => new Float32Array(buffer, offset, count),
  f8: (buffer, offset, count) => new Float64Array(buffer, offset, count),
  i1: (buffer, offset, count) => new Int8Array(buffer, offset, count),
  i2: (buffer, offset, count) => new Int16Array(buffer, offset, count),
  i4: (buffer, offset, count) => new Int32Array(buffer, offset, count),
  i8: (buffer, offset, count) => new BigInt64Array(buffer, offset, count),
  u1: (buffer, offset, count) => new Uint8Array(buffer, offset, count),
  u2: (buffer, offset, count) => new Uint16Array(buffer, offset, count),
  u4: (buffer, offset, count) => new Uint32Array(buffer, offset, count),
  u8: (buffer, offset, count) => new BigUint64Array(buffer, offset, count),
  b1: (buffer, offset, count) => new Uint8Array(buffer, offset, count),
};

const HOST_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? "little" : "big";

/**
 * Reads an `.npy` file: float16, float32, float64, signed and unsigned integers of 1 to 8 bytes and
 * bool, either byte order, C or Fortran order.
 *
 * The result is row-major. float16 becomes float32; int8, int16 and uint16 become int32; uint32 and
 * uint64 become int64. Where nothing has to be converted the values are a *view* of `bytes`: do not
 * write to either.
 *
 * @param bytes the whole file
 * @param source name of the file for messages
 * @throws {InputError} when the header is not one NumPy writes, the type is not numeric, or the
 *   bytes are fewer or more than the shape needs; nothing is allocated by a shape before that check
 */
export function readNpy(bytes: Uint8Array, source: string): AnyTensor {
  const header = readNpyHeader(bytes, source);
  const raw = elementsOf(bytes, header, source);
  const ordered = header.fortranOrder ? cOrderFromFortran(raw, header.shape) : raw;
  return tensorFrom(ordered, header, source);
}

/** Checks the size of the data and returns the elements in the byte order of this machine. */
function elementsOf(bytes: Uint8Array, header: NpyHeader, source: string): Elements {
  const { code, dataOffset, shape } = header;
  const view = VIEWS[code];
  if (view === undefined) {
    throw new InputError(
      "unsupported",
      `${source}: elements of type '${code}', expected one of ${Object.keys(VIEWS).join(" ")}; ` +
        "convert them with astype('float32') before saving",
    );
  }
  const itemSize = Number(code.slice(1));
  const count = sizeOf(shape);
  const length = count * itemSize;
  const left = bytes.byteLength - dataOffset;
  if (length !== left) {
    throw new InputError(
      length > left ? "truncated" : "trailing-bytes",
      `${source}: data of shape (${shape.join(", ")}) at offset ${dataOffset} needs ${length} bytes, ${left} left`,
    );
  }
  const swap = itemSize > 1 && header.endian !== HOST_ENDIAN;
  const start = bytes.byteOffset + dataOffset;
  if (!swap && start % itemSize === 0) return view(bytes.buffer, start, count);
  // Not `bytes.slice`: on a Buffer that is a view, and the swap would write into the caller's file.
  const copy = Uint8Array.from(bytes.subarray(dataOffset));
  if (swap) reverseEach(copy, itemSize);
  return view(copy.buffer, 0, count);
}

/** Reverses the bytes of each element in place. */
function reverseEach(bytes: Uint8Array, itemSize: number): void {
  for (let at = 0; at < bytes.length; at += itemSize) bytes.subarray(at, at + itemSize).reverse();
}

/** Values stored with the first axis fastest, rearranged so that the last one is. */
function cOrderFromFortran(values: Elements, shape: readonly number[]): Elements {
  if (shape.length < 2) return values;
  const result = values.slice();
  const index = new Array<number>(shape.length).fill(0);
  const strides = shape.map((_, axis) => sizeOf(shape.slice(0, axis)));
  let read = 0;
  for (let write = 0; write < values.length; write++) {
    result[write] = values[read] as never;
    // Advance the multi-index like an odometer, last axis first.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] as number;
      const next = (index[axis] as number) + 1;
      read += stride;
      if (next < (shape[axis] as number)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
      read -= stride * next;
    }
  }
  return result;
}

/** Widens what has no dtype of its own here; never narrows. */
function tensorFrom(values: Elements, { code, shape }: NpyHeader, source: string): AnyTensor {
  if (code === "b1") return { shape, dtype: "bool", data: normalizedBool(values as Uint8Array) };
  if (code === "f2") {
    return { shape, dtype: "float32", data: float32FromHalf(values as Uint16Array) };
  }
  if (values instanceof Float32Array) return { shape, dtype: "float32", data: values };
  if (values instanceof Float64Array) return { shape, dtype: "float64", data: values };
  if (values instanceof Int32Array) return { shape, dtype: "int32", data: values };
  if (values instanceof Uint8Array) return { shape, dtype: "uint8", data: values };
  if (values instanceof BigInt64Array) return { shape, dtype: "int64", data: values };
  if (values instanceof Uint32Array) {
    return { shape, dtype: "int64", data: BigInt64Array.from(values, BigInt) };
  }
  if (values instanceof BigUint64Array) {
    return { shape, dtype: "int64", data: signedFromUnsigned(values, source) };
  }
  return { shape, dtype: "int32", data: Int32Array.from(values) };
}

/** NumPy takes any byte but 0 for true (arrays made with `view(bool)` hold others), so 1 stands for all. */
function normalizedBool(values: Uint8Array): Uint8Array {
  return values.some((value) => value > 1) ? values.map((value) => Math.min(value, 1)) : values;
}

function signedFromUnsigned(values: BigUint64Array, source: string): BigInt64Array {
  const wrong = values.findIndex((value) => value > 0x7fff_ffff_ffff_ffffn);
  if (wrong >= 0) {
    throw new InputError(
      "unsupported",
      `${source}: uint64 element ${wrong} is ${values[wrong]}, expected at most 2^63 - 1`,
    );
  }
  return BigInt64Array.from(values);
}
