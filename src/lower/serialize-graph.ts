import {
  type AttributeProto,
  encodeModel,
  type NodeProto,
  ONNX_ATTRIBUTE,
  ONNX_EXTERNAL,
  ONNX_TYPE,
  type TensorProto,
  type ValueInfoProto,
} from "../formats/onnx/schema.js";
import type { GraphBuilder, GraphConstant, GraphNode, NodeAttribute } from "../operators/graph.js";
import { sizeOf } from "../tensor/tensor.js";

/** Version of ONNX's operators that the graphs are written in. */
const OPSET = 17;
/** Version of the file format: 8 is the one that came with {@link OPSET}. */
const IR_VERSION = 8;

/** A float32 value with a name: an input or output of a graph. */
export interface GraphValue {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A float32 tensor that is handed to the runtime apart from the graph. */
export interface GraphInitializer extends GraphValue {
  /** Name under which the runtime is given its values. */
  readonly location: string;
}

/** The bytes of an ONNX model: nodes and constants of `graph`, weights by reference. */
export function serializeGraph(
  graph: GraphBuilder,
  inputs: readonly GraphValue[],
  outputs: readonly GraphValue[],
  initializers: readonly GraphInitializer[],
): Uint8Array {
  return encodeModel({
    ir_version: IR_VERSION,
    producer_name: "difftest",
    opset_import: [{ domain: "", version: OPSET }],
    graph: {
      name: "difftest",
      node: graph.nodes.map(nodeProto),
      initializer: [...graph.constants.map(constantProto), ...initializers.map(externalProto)],
      input: inputs.map(valueProto),
      output: outputs.map(valueProto),
    },
  });
}

function nodeProto({ opType, inputs, outputs, attributes }: GraphNode): NodeProto {
  return {
    op_type: opType,
    name: outputs[0] ?? "",
    input: [...inputs],
    output: [...outputs],
    attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
  };
}

function attributeProto(name: string, value: NodeAttribute): AttributeProto {
  if ("int" in value) return { name, type: ONNX_ATTRIBUTE.int, i: value.int };
  if ("float" in value) return { name, type: ONNX_ATTRIBUTE.float, f: value.float };
  if ("ints" in value) return { name, type: ONNX_ATTRIBUTE.ints, ints: [...value.ints] };
  if ("floats" in value) return { name, type: ONNX_ATTRIBUTE.floats, floats: [...value.floats] };
  return { name, type: ONNX_ATTRIBUTE.string, s: new TextEncoder().encode(value.string) };
}

/** Bytes of a constant become truth values: graphs have no other use for them. */
function constantProto({ name, shape, data }: GraphConstant): TensorProto {
  let data_type: number = ONNX_TYPE.bool;
  if (data instanceof Float32Array) data_type = ONNX_TYPE.float;
  else if (data instanceof BigInt64Array) data_type = ONNX_TYPE.int64;
  const raw_data = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dims: [...shape], data_type, raw_data };
}

function externalProto({ name, shape, location }: GraphInitializer): TensorProto {
  return {
    name,
    dims: [...shape],
    data_type: ONNX_TYPE.float,
    data_location: ONNX_EXTERNAL,
    external_data: [
      { key: "location", value: location },
      { key: "offset", value: "0" },
      { key: "length", value: String(4 * sizeOf(shape)) },
    ],
  };
}

function valueProto({ name, shape }: GraphValue): ValueInfoProto {
  const dim = shape.map((dim_value) => ({ dim_value }));
  return { name, type: { tensor_type: { elem_type: ONNX_TYPE.float, shape: { dim } } } };
}
