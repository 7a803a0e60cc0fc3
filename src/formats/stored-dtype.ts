import { InputError } from "../errors.js";
import type { AnyTensor } from "../tensor/tensor.js";
import { float32FromBfloat16, float32FromFloat8, float32FromHalf } from "./small-floats.js";

/** Element types as files store them; what a {@link AnyTensor} holds is the wider one. */
export type StoredDType = keyof typeof BITS;

/** Bits of one element; 0 where elements have no fixed size. */
const BITS = {
  float64: 64,
  float32: 32,
  float16: 16,
  bfloat16: 16,
  float8e4m3: 8,
  float8e4m3fnuz: 8,
  float8e5m2: 8,
  float8e5m2fnuz: 8,
  float8e8m0: 8,
  float6e2m3: 6,
  float6e3m2: 6,
  float4e2m1: 4,
  int64: 64,
  int32: 32,
  int16: 16,
  int8: 8,
  int4: 4,
  uint64: 64,
  uint32: 32,
  uint16: 16,
  uint8: 8,
  uint4: 4,
  bool: 8,
  complex64: 64,
  complex128: 128,
  string: 0,
};

/** Elements of a shape; undefined when a size is not a whole number of at least 0, or the product passes 2^53. */
export function elementsOf(shape: readonly number[]): number | undefined {
  if (shape.some((size) => !Number.isSafeInteger(size) || size < 0)) return undefined;
  if (shape.includes(0)) return 0;
  const count = shape.reduce((product, size) => product * size, 1);
  return Number.isSafeInteger(count) ? count : undefined;
}

/** Bytes that `count` elements take, elements of fewer than 8 bits packed; undefined when they would end inside a byte or pass 2^53. */
export function byteLengthOf(dtype: StoredDType, count: number): number | undefined {
  const bits = count * BITS[dtype];
  return bits % 8 === 0 && Number.isSafeInteger(bits) ? bits / 8 : undefined;
}

/**
 * A tensor from little-endian bytes, widened where {@link AnyTensor} has no such dtype.
 *
 * `bytes` is called only when the dtype can be read; what it returns is used as it is where it is aligned.
 *
 * @throws {InputError} `unsupported` when no tensor can hold the values exactly
 */
export function tensorFromBytes(
  dtype: StoredDType,
  shape: readonly number[],
  bytes: () => Uint8Array,
  where: string,
): AnyTensor {
  switch (dtype) {
    case "float32":
      return { dtype: "float32", shape, data: view(bytes(), Float32Array) };
    case "float64":
      return { dtype: "float64", shape, data: view(bytes(), Float64Array) };
    case "float16":
      return { dtype: "float32", shape, data: float32FromHalf(view(bytes(), Uint16Array)) };
    case "bfloat16":
      return { dtype: "float32", shape, data: float32FromBfloat16(view(bytes(), Uint16Array)) };
    case "float8e4m3":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
    case "float8e8m0":
      return { dtype: "float32", shape, data: float32FromFloat8(bytes(), dtype) };
    case "int32":
      return { dtype: "int32", shape, data: view(bytes(), Int32Array) };
    case "int16":
      return { dtype: "int32", shape, data: Int32Array.from(view(bytes(), Int16Array)) };
    case "int8":
      return { dtype: "int32", shape, data: Int32Array.from(view(bytes(), Int8Array)) };
    case "int4":
    case "uint4":
      return { dtype: "int32", shape, data: int32FromNibbles(bytes(), shape, dtype === "int4") };
    case "uint16":
      return { dtype: "int32", shape, data: Int32Array.from(view(bytes(), Uint16Array)) };
    case "uint8":
      return { dtype: "uint8", shape, data: bytes() };
    case "bool":
      return { dtype: "bool", shape, data: bytes() };
    case "int64":
      return { dtype: "int64", shape, data: view(bytes(), BigInt64Array) };
    case "uint32":
      return { dtype: "int64", shape, data: int64FromUint32(view(bytes(), Uint32Array)) };
    case "uint64":
      return { dtype: "int64", shape, data: int64FromUint64(view(bytes(), BigUint64Array), where) };
    default:
      throw new InputError(
        "unsupported",
        `${where}: values of type ${dtype} cannot be compared; convert the tensor to float32 first`,
      );
  }
}

interface TypedArrayConstructor<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

/** The bytes as typed array, copied only when they are not aligned for it. Node runs on little-endian machines only. */
function view<T>(bytes: Uint8Array, type: TypedArrayConstructor<T>): T {
  const size = type.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % size === 0 ? bytes : Uint8Array.from(bytes);
  return new type(aligned.buffer, aligned.byteOffset, aligned.byteLength / size);
}

/** Two elements a byte, the first in the low half; the last half of an odd number of them is not used. */
function int32FromNibbles(
  bytes: Uint8Array,
  shape: readonly number[],
  signed: boolean,
): Int32Array<ArrayBuffer> {
  return Int32Array.from({ length: elementsOf(shape) ?? 0 }, (_, k) => {
    const nibble = ((bytes[k >> 1] as number) >> (k % 2 === 0 ? 0 : 4)) & 15;
    return signed && nibble > 7 ? nibble - 16 : nibble;
  });
}

function int64FromUint32(values: Uint32Array): BigInt64Array {
  return BigInt64Array.from(values, (value) => BigInt(value));
}

function int64FromUint64(values: BigUint64Array, where: string): BigInt64Array {
  const large = values.findIndex((value) => value >= 1n << 63n);
  if (large >= 0) {
    throw new InputError(
      "unsupported",
      `${where}: uint64 value ${values[large]} at ${large} is beyond int64`,
    );
  }
  return BigInt64Array.from(values);
}
