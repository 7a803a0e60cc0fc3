import {
  type AttributeProto,
  encodeModel,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  ONNX_ATTRIBUTE,
  ONNX_TYPE,
  type TensorProto,
  type ValueInfoProto,
} from "../../../src/formats/onnx/schema.js";
import { syntheticInput } from "../../../src/weights/synthetic.js";

type Attribute = number | string | readonly number[] | { readonly float: number };

/** One node; whole numbers become ints, `{ float }` a float. */
export function node(
  op_type: string,
  input: readonly string[],
  output: string | readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): NodeProto {
  const names = typeof output === "string" ? [output] : [...output];
  const attribute = Object.entries(attributes).map(([name, value]) => attributeOf(name, value));
  return { op_type, input: [...input], output: names, name: `${op_type}:${names[0]}`, attribute };
}

function attributeOf(name: string, value: Attribute): AttributeProto {
  if (typeof value === "number") return { name, type: ONNX_ATTRIBUTE.int, i: value };
  if (typeof value === "string") {
    return { name, type: ONNX_ATTRIBUTE.string, s: new TextEncoder().encode(value) };
  }
  if ("float" in value) return { name, type: ONNX_ATTRIBUTE.float, f: value.float };
  return { name, type: ONNX_ATTRIBUTE.ints, ints: [...value] };
}

/** A stored float32 tensor of made-up values from −1 to 1, or of those given. */
export function floats(
  name: string,
  dims: readonly number[],
  values:
    | readonly number[]
    | { readonly seed: number; readonly from?: number; readonly to?: number },
): TensorProto {
  const data = "seed" in values ? madeUp(dims, values) : Float32Array.from(values);
  return {
    name,
    data_type: ONNX_TYPE.float,
    dims: [...dims],
    raw_data: new Uint8Array(data.buffer),
  };
}

function madeUp(
  dims: readonly number[],
  {
    seed,
    from = -1,
    to = 1,
  }: { readonly seed: number; readonly from?: number; readonly to?: number },
): Float32Array {
  return syntheticInput(dims, seed).data.map((unit) => from + (to - from) * unit);
}

/** A stored tensor of int64. */
export function wholes(
  name: string,
  values: readonly number[],
  dims?: readonly number[],
): TensorProto {
  const data = BigInt64Array.from(values.map(BigInt));
  return {
    name,
    data_type: ONNX_TYPE.int64,
    dims: [...(dims ?? [values.length])],
    raw_data: new Uint8Array(data.buffer),
  };
}

/** An input or output: sizes, or names of open ones. */
export function value(
  name: string,
  dims: readonly (number | string)[],
  elem_type: number = ONNX_TYPE.float,
): ValueInfoProto {
  const dim = dims.map((size) =>
    typeof size === "number" ? { dim_value: size } : { dim_param: size },
  );
  return { name, type: { tensor_type: { elem_type, shape: { dim } } } };
}

/** The bytes of a model of operator set 18. */
export function onnxBytes(graph: GraphProto, more: Partial<ModelProto> = {}): Uint8Array {
  return encodeModel({
    ir_version: 9,
    producer_name: "test",
    opset_import: [{ domain: "", version: 18 }],
    graph: { name: "g", ...graph },
    ...more,
  });
}
