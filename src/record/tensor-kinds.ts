import * as tf from "@tensorflow/tfjs-core";
import type { InputType } from "../architecture/architecture.js";
import { InputError } from "../errors.js";
import type { PlainTensor, PortTensor, TfTensor } from "../port/port.js";
import { sizeOf } from "../tensor/tensor.js";

/** Values that a port handed over. */
export interface PortValues {
  /** Only to be read, and before the port goes on: they lie where the port or its back-end keeps them. */
  readonly data: Float32Array;
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** Whether a value is a TensorFlow.js tensor, of whatever copy of the library. */
export function isTfTensor(value: unknown): value is TfTensor {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as TfTensor).dataSync === "function"
  );
}

/**
 * The values of a port's tensor as float32, looked at where they lie.
 *
 * @param where - what the caller would recognize, for the message
 * @throws {InputError} `port` when it is no tensor, or its data and shape do not fit
 */
export function valuesOf(value: unknown, where: string): PortValues {
  if (isTfTensor(value)) {
    return {
      data: float32Of(heapValues(value) ?? (value.dataSync() as ArrayLike<number>), where),
      shape: [...value.shape],
      dtype: value.dtype,
    };
  }
  const plain = value as Partial<PlainTensor> | null | undefined;
  if (
    plain === null ||
    typeof plain !== "object" ||
    plain.data === undefined ||
    !isShape(plain.shape)
  ) {
    throw new InputError(
      "port",
      `${where}: got ${describe(value)}, expected a TensorFlow.js tensor or { data, shape, dtype }`,
    );
  }
  if (plain.data.length !== sizeOf(plain.shape)) {
    throw new InputError(
      "port",
      `${where}: data has ${plain.data.length} values, shape [${plain.shape}] needs ${sizeOf(plain.shape)}`,
    );
  }
  return {
    data: float32Of(plain.data, where),
    shape: [...plain.shape],
    dtype: plain.dtype ?? "float32",
  };
}

/** A fresh tensor of the same kind and dtype as `model` that holds `data`. */
export function tensorLike(
  model: PortTensor,
  data: Float32Array,
  shape: readonly number[],
): PortTensor {
  const type = TYPES[model.dtype ?? "float32"] ?? "float";
  return tensorFor(isTfTensor(model) ? "tfjs" : "plain", data, shape, type);
}

/** What the numbers of a dtype mean. */
const TYPES: Readonly<Record<string, InputType>> = { int32: "int", bool: "bool" };

/** A fresh tensor of the kind a port's runtime uses: float32, int32 or bool. */
export function tensorFor(
  runtime: "tfjs" | "plain",
  data: Float32Array,
  shape: readonly number[],
  type: InputType = "float",
): PortTensor {
  const { dtype, values } = typed(data, type);
  if (runtime === "plain") return { data: values, shape: [...shape], dtype };
  return tf.tensor(values, [...shape], dtype) as unknown as PortTensor;
}

function typed(data: Float32Array, type: InputType) {
  switch (type) {
    case "float":
      return { dtype: "float32", values: data } as const;
    case "int":
      return { dtype: "int32", values: Int32Array.from(data) } as const;
    case "bool":
      return { dtype: "bool", values: Uint8Array.from(data, (x) => (x === 0 ? 0 : 1)) } as const;
  }
}

function isShape(shape: unknown): shape is readonly number[] {
  return Array.isArray(shape) && shape.every((size) => Number.isInteger(size) && size >= 0);
}

/** What is used of the WebAssembly back-end: its tensors' values where they lie, instead of a copy. */
interface WasmBackend {
  readonly dataIdMap: { readonly has: (id: object) => boolean };
  readonly typedArrayFromHeap: (tensor: tf.Tensor) => Float32Array | Int32Array | Uint8Array;
}

function heapValues(value: TfTensor): ArrayLike<number> | undefined {
  if (!inWasm(value) || value.size === 0 || value.dtype === "string") return undefined;
  return (tf.backend() as unknown as WasmBackend).typedArrayFromHeap(value);
}

/** Whether a tensor lies in the heap of TensorFlow.js' WebAssembly back-end: values are copied into it. */
export function inWasm(value: unknown): value is tf.Tensor {
  if (!(value instanceof tf.Tensor) || tf.getBackend() !== "wasm") return false;
  return (tf.backend() as unknown as WasmBackend).dataIdMap.has(value.dataId);
}

function float32Of(data: ArrayLike<number>, where: string): Float32Array {
  if (data instanceof Float32Array) return data;
  if (!ArrayBuffer.isView(data) && !Array.isArray(data)) {
    throw new InputError("port", `${where}: data is ${describe(data)}, expected numbers`);
  }
  return Float32Array.from(data);
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (value instanceof Promise) return "a promise (await it before the tap)";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object") {
    const keys = Object.keys(value).slice(0, 4);
    return `an object with ${keys.length === 0 ? "no fields" : keys.join(", ")}`;
  }
  return typeof value === "undefined" ? "undefined" : `a ${typeof value}`;
}
