import ort from "onnxruntime-node";
import { float32FromHalf, halfFromFloat32 } from "../../formats/small-floats.js";
import type { FeedSource } from "./protocol.js";

/** How numbers carried as float32 become the elements of each type; others the runtime does not take. */
const ARRAYS: Readonly<Record<string, (data: Float32Array) => ort.Tensor["data"]>> = {
  bool: (data) => Uint8Array.from(data, (x) => (x === 0 ? 0 : 1)),
  float16: halfFromFloat32,
  float32: (data) => data,
  float64: (data) => Float64Array.from(data),
  int16: (data) => Int16Array.from(data),
  int32: (data) => Int32Array.from(data),
  int64: (data) => BigInt64Array.from(data, (x) => BigInt(Math.trunc(x))),
  int8: (data) => Int8Array.from(data),
  uint16: (data) => Uint16Array.from(data),
  uint32: (data) => Uint32Array.from(data),
  uint64: (data) => BigUint64Array.from(data, (x) => BigInt(Math.trunc(x))),
  uint8: (data) => Uint8Array.from(data),
};

/** A value for the runtime, in the type that the graph asks for. */
export function runtimeTensor({
  shape,
  data,
  type = "float32",
}: FeedSource & { readonly kind: "value" }): ort.Tensor {
  const make = ARRAYS[type];
  if (make === undefined) throw new Error(`values of type ${type} cannot be given to a model`);
  return new ort.Tensor(type as "float32", make(data) as Float32Array, [...shape]);
}

/** The numbers of a runtime's value as float32; `undefined` for text. */
export function numbersOf({ type, data }: ort.Tensor): Float32Array | undefined {
  if (type === "float32") return data as Float32Array;
  if (type === "string") return undefined;
  // The binding gives half floats as their bits, or (where the engine has such arrays) as numbers.
  if (type === "float16" && data instanceof Uint16Array) return float32FromHalf(data);
  return Float32Array.from(data as ArrayLike<number | bigint> as ArrayLike<number>, Number);
}
