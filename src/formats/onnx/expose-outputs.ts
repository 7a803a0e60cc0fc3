import { InputError } from "../../errors.js";
import type { OnnxModel } from "./model-reader.js";
import { narrowValues } from "./narrow-values.js";
import { nonTensorValues } from "./non-tensor-values.js";
import {
  encodeModel,
  type GraphProto,
  type NodeProto,
  ONNX_ATTRIBUTE,
  ONNX_TYPE,
  type ValueInfoProto,
} from "./schema.js";

/** A model that returns more of its values. */
export interface ExposedModel {
  readonly bytes: Uint8Array;
  /**
   * Value of the original → output of this model that holds it. Another name means: through a cast to
   * float32. Outputs of the original that are no tensors are left out: a run that asks for one fails
   * in ONNX Runtime's binding, so ask for these by name.
   */
  readonly outputs: ReadonlyMap<string, string>;
  /** Input of the original → input of this model, where it is given as float32 and cast to the original's type. */
  readonly castInputs: ReadonlyMap<string, string>;
}

/**
 * The model with these values as outputs beside its own. The original's bytes stay as they are and
 * some are appended: a protocol buffer that holds a message twice means both merged. Only a model whose
 * own inputs or outputs have a type that ONNX Runtime does not pass (bfloat16, float8) is written anew.
 *
 * @param names values of the main graph ({@link OnnxModel.taps}); they need no type or shape
 * @throws {InputError} `name` when one is no value that can be tapped
 */
export function exposeOutputs(model: OnnxModel, names: readonly string[]): ExposedModel {
  const graph = model.proto.graph ?? {};
  refuseUnknown(model, names);
  const narrow = narrowValues(graph);
  const nonTensors = nonTensorValues(graph);
  const own = (graph.output ?? []).map(({ name }) => name ?? "");
  const wanted = [...new Set([...own, ...names])].filter((name) => !nonTensors.has(name));
  const casts = castsOf(
    graph,
    wanted.filter((name) => narrow.has(name)),
  );
  const castInputs = castsInto(
    graph,
    model.inputs.map(({ name }) => name).filter((name) => narrow.has(name)),
  );
  const renamed = new Map(casts.map(({ from, to }) => [from, to]));
  const outputs = new Map(wanted.map((name) => [name, renamed.get(name) ?? name]));
  const added: GraphProto = {
    node: casts.map((cast) => castNode(cast, ONNX_TYPE.float)),
    output: [...outputs].filter(([name, to]) => name !== to || !own.includes(name)).map(outputOf),
  };
  const plain = castInputs.length === 0 && !own.some((name) => narrow.has(name));
  return {
    bytes: plain ? appended(model.bytes, added) : rewritten(model, added, castInputs, narrow),
    outputs,
    castInputs: new Map(castInputs.map(({ from, to }) => [to, from])),
  };
}

function outputOf([, name]: readonly [string, string]): ValueInfoProto {
  return { name };
}

function refuseUnknown(model: OnnxModel, names: readonly string[]): void {
  const known = new Set(model.taps.filter(({ tensor }) => tensor).map(({ name }) => name));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new InputError(
      "name",
      `${model.name}: no node of its main graph makes a tensor ${unknown.map((name) => `"${name}"`).join(", ")}`,
    );
  }
}

/** A cast between two values. */
interface CastEdge {
  readonly from: string;
  readonly to: string;
}

/** Casts of values to new ones, whose names no other value has. */
function castsOf(graph: GraphProto, names: readonly string[]): CastEdge[] {
  const taken = takenNames(graph);
  return names.map((from) => ({ from, to: freshName(`${from}/float32`, taken) }));
}

/** Casts from new inputs to the values that the graph reads. */
function castsInto(graph: GraphProto, names: readonly string[]): CastEdge[] {
  const taken = takenNames(graph);
  return names.map((to) => ({ from: freshName(`${to}/as-float32`, taken), to }));
}

function takenNames(graph: GraphProto): Set<string> {
  const values = [...(graph.input ?? []), ...(graph.initializer ?? [])].map(
    ({ name }) => name ?? "",
  );
  return new Set([...values, ...(graph.node ?? []).flatMap(({ output }) => output ?? [])]);
}

function freshName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  while (taken.has(name)) name += "_";
  taken.add(name);
  return name;
}

function castNode({ from, to }: CastEdge, type: number): NodeProto {
  return {
    op_type: "Cast",
    name: to,
    input: [from],
    output: [to],
    attribute: [{ name: "to", type: ONNX_ATTRIBUTE.int, i: type }],
  };
}

function appended(bytes: Uint8Array, graph: GraphProto): Uint8Array {
  const tail = encodeModel({ graph });
  const all = new Uint8Array(bytes.length + tail.length);
  all.set(bytes);
  all.set(tail, bytes.length);
  return all;
}

/** Takes values of unsupported types out of the model's own inputs and outputs. */
function rewritten(
  model: OnnxModel,
  added: GraphProto,
  castInputs: readonly CastEdge[],
  narrow: ReadonlySet<string>,
): Uint8Array {
  const graph = model.proto.graph ?? {};
  const typeOf = new Map(
    (graph.input ?? []).map(({ name, type }) => [name, type?.tensor_type?.elem_type ?? 0]),
  );
  const toInput = new Map(castInputs.map(({ from, to }) => [to, from]));
  const input = (graph.input ?? []).map((value): ValueInfoProto => {
    const name = toInput.get(value.name ?? "");
    if (name === undefined) return value;
    const tensor = { ...value.type?.tensor_type, elem_type: ONNX_TYPE.float };
    return { ...value, name, type: { ...value.type, tensor_type: tensor } };
  });
  const node = [
    ...castInputs.map((cast) => castNode(cast, typeOf.get(cast.to) ?? 0)),
    ...(graph.node ?? []),
    ...(added.node ?? []),
  ];
  const output = [
    ...(graph.output ?? []).filter(({ name }) => !narrow.has(name ?? "")),
    ...(added.output ?? []),
  ];
  return encodeModel({ ...model.proto, graph: { ...graph, input, node, output } });
}
