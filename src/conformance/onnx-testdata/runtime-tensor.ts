import ort from "onnxruntime-node";
import type { StoredDType } from "../../formats/stored-dtype.js";
import type { StoredTensor } from "../../formats/tensor-file.js";

/** ONNX Runtime's name for a stored type; those without one cannot be fed. */
const TYPES: Partial<Record<StoredDType, ort.Tensor.Type>> = {
  float32: "float32",
  float64: "float64",
  float16: "float16",
  int64: "int64",
  int32: "int32",
  int16: "int16",
  int8: "int8",
  uint64: "uint64",
  uint32: "uint32",
  uint16: "uint16",
  uint8: "uint8",
  bool: "bool",
  string: "string",
};

/** What holds the elements of each type. */
const ARRAYS: Partial<
  Record<ort.Tensor.Type, new (buffer: ArrayBufferLike) => ort.Tensor["data"]>
> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array as never,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** A stored tensor as ONNX Runtime takes it, in its own type; undefined when that is not possible. */
export function runtimeTensor(stored: StoredTensor): ort.Tensor | undefined {
  const type = TYPES[stored.dtype];
  if (type === undefined) return undefined;
  if (type === "string") {
    const strings = stored.strings().map((text) => Buffer.from(text).toString());
    return new ort.Tensor("string", strings, [...stored.shape]);
  }
  const array = ARRAYS[type];
  if (array === undefined) return undefined;
  const data = new array(stored.bytes().buffer);
  return new ort.Tensor(type as "float32", data as Float32Array, [...stored.shape]);
}

/** Whether two tensors are the same bit for bit. */
export function sameBits(a: ort.Tensor, b: ort.Tensor): boolean {
  if (a.type !== b.type || `${a.dims}` !== `${b.dims}`) return false;
  if (a.type === "string") return JSON.stringify(a.data) === JSON.stringify(b.data);
  return Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
}

function bytesOf({ data }: ort.Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
