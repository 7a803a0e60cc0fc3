import { capturedBy } from "./captured.js";
import { dtypeFromOnnx } from "./element-type.js";
import type { OnnxModel } from "./model-reader.js";
import { encodeModel, type NodeProto, ONNX_TYPE, type ValueInfoProto } from "./schema.js";

/** Some nodes of a model as a model of its own. */
export interface Submodel {
  readonly bytes: Uint8Array;
  /** Values that it must be given. */
  readonly inputs: readonly string[];
}

/** Element types of ONNX by the runtime's names of them. */
const TYPES: Readonly<Record<string, number>> = {
  ...ONNX_TYPE,
  float32: ONNX_TYPE.float,
  float64: ONNX_TYPE.double,
};

/**
 * Cuts nodes out of a model's main graph.
 *
 * @param nodes - positions in the graph
 * @param typeOf - element type of a value, as the runtime calls it
 */
export function submodel(
  model: OnnxModel,
  nodes: ReadonlySet<number>,
  output: string,
  typeOf: (name: string) => string,
): Submodel {
  const graph = model.proto.graph ?? {};
  const chosen = (graph.node ?? []).filter((_, position) => nodes.has(position));
  const stored = new Set((graph.initializer ?? []).map(({ name }) => name ?? ""));
  const made = new Set(chosen.flatMap(({ output: outputs }) => outputs ?? []));
  const read = new Set(chosen.flatMap(readBy));
  const inputs = [...read].filter((name) => name !== "" && !made.has(name) && !stored.has(name));
  const bytes = encodeModel({
    ...model.proto,
    graph: {
      name: graph.name ?? "part",
      node: chosen,
      initializer: (graph.initializer ?? []).filter(({ name }) => read.has(name ?? "")),
      input: inputs.map((name) => valueInfo(name, typeOf(name))),
      output: [{ name: output }],
    },
  });
  return { bytes, inputs };
}

function readBy(node: NodeProto): string[] {
  return [...(node.input ?? []), ...capturedBy(node)];
}

function valueInfo(name: string, type: string): ValueInfoProto {
  const elementType = TYPES[type];
  if (elementType === undefined || dtypeFromOnnx(elementType) === undefined) {
    throw new RangeError(`${name}: values of type ${type} cannot be given to a part of a model`);
  }
  return { name, type: { tensor_type: { elem_type: elementType } } };
}
