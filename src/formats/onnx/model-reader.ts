import { dirname } from "node:path";
import { InputError } from "../../errors.js";
import { openSource, refuseForeignContent, sourceFromBytes } from "../byte-source.js";
import type { StoredDType } from "../stored-dtype.js";
import { type StoredTensor, type TensorFile, tensorFile } from "../tensor-file.js";
import { dtypeFromOnnx } from "./element-type.js";
import { storedInitializer, type UnreadableWeight } from "./initializer.js";
import { type NestedCode, nestedCode } from "./nested-code.js";
import { nonTensorValues } from "./non-tensor-values.js";
import {
  decodeModel,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type ValueInfoProto,
} from "./schema.js";
import { tensorsInside } from "./tensors-inside.js";

/** A value that enters or leaves the model. */
interface OnnxValue {
  readonly name: string;
  /** Null when it is no tensor, or of a type unknown here. */
  readonly dtype: StoredDType | null;
  /**
   * Sizes of the axes: a number, the name of a dynamic one (`batch`), or null when the file says
   * nothing; the whole is null when the rank is unknown.
   */
  readonly shape: readonly (number | string | null)[] | null;
}

/** One output of a node of the main graph: a place that can be tapped. */
interface OnnxTap {
  /** The value's name, unique in the graph. */
  readonly name: string;
  /** Position of the node in the graph. */
  readonly node: number;
  readonly nodeName: string;
  readonly opType: string;
  /** Empty for the standard operators. */
  readonly domain: string;
  /** Which of the node's outputs. */
  readonly output: number;
  /** Whether the model itself returns the value. */
  readonly graphOutput: boolean;
  /** False for what is no tensor (a sequence, a map, an optional value): ONNX Runtime's binding does not pass it. */
  readonly tensor: boolean;
}

/** A model, checked; weights are read when asked for. */
export interface OnnxModel {
  readonly name: string;
  readonly irVersion: number;
  readonly producer: string;
  /** Operator set versions by domain; the empty domain is the standard. */
  readonly opsets: ReadonlyMap<string, number>;
  /** What must be fed: graph inputs that no initializer gives a value. */
  readonly inputs: readonly OnnxValue[];
  /** Graph inputs that have an initializer as default (usual before IR version 4). */
  readonly defaultInputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** The initializers of the main graph. */
  readonly weights: TensorFile;
  /** Initializers whose element type cannot be read, and sparse ones (type 0). */
  readonly unreadable: readonly UnreadableWeight[];
  /** In the order of the nodes. */
  readonly taps: readonly OnnxTap[];
  /** Code that is not in the main graph, so its values cannot be tapped. */
  readonly nested: readonly NestedCode[];
  /** The messages; `raw_data` are views of {@link bytes}. */
  readonly proto: ModelProto;
  /** The file. */
  readonly bytes: Uint8Array;
}

/** Protocol buffers, and with them ONNX Runtime, end at 2 GiB; larger models keep their weights in files of their own. */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/**
 * Reads an ONNX file. External data stays where it is until a weight is asked for; it must lie below
 * the file's folder.
 *
 * @throws {InputError} one line that names file, what was found and what was expected
 */
export function openOnnxModel(path: string): OnnxModel {
  const source = openSource(path);
  try {
    if (source.byteLength > MAX_MODEL_BYTES) {
      throw new InputError(
        "limit",
        `${path}: has ${source.byteLength} bytes, a protocol buffer at most ${MAX_MODEL_BYTES} (2 GiB); save the model with external data`,
      );
    }
    refuseForeignContent(source, "an ONNX model");
    return onnxModelFrom(source.read(0, source.byteLength, "model"), path, dirname(path));
  } finally {
    source.close();
  }
}

/**
 * Reads a model from memory.
 *
 * @param folder where its external data may lie, null for nowhere
 * @throws {InputError} as {@link openOnnxModel}
 */
export function onnxModelFrom(bytes: Uint8Array, name: string, folder: string | null): OnnxModel {
  refuseForeignContent(sourceFromBytes(bytes, name), "an ONNX model");
  const proto = decoded(bytes, name);
  const { graph, irVersion } = requiredParts(proto, bytes, name);
  const opsets = new Map<string, number>();
  for (const { domain, version } of proto.opset_import ?? []) {
    opsets.set(domain === "ai.onnx" ? "" : (domain ?? ""), version ?? 1);
  }
  const { weights, unreadable } = initializers(graph, folder, name);
  const given = new Set([...weights, ...unreadable].map((weight) => weight.name));
  // A runtime opens these files too: they are checked as those of the weights are.
  for (const tensor of tensorsInside(proto)) storedInitializer(tensor, folder, name);
  const inputs = (graph.input ?? []).map(valueFrom);
  const outputs = (graph.output ?? []).map(valueFrom);
  return {
    name,
    irVersion,
    producer: [proto.producer_name, proto.producer_version].filter(Boolean).join(" "),
    opsets,
    inputs: inputs.filter((input) => !given.has(input.name)),
    defaultInputs: inputs.filter((input) => given.has(input.name)),
    outputs,
    weights: tensorFile(name, weights, () => undefined),
    unreadable,
    taps: tapsOf(graph, new Set([...given, ...inputs.map((input) => input.name)]), name),
    nested: nestedCode(proto),
    proto,
    bytes,
  };
}

function decoded(bytes: Uint8Array, name: string): ModelProto {
  try {
    return decodeModel(bytes);
  } catch (cause) {
    throw notAModel(name, cause);
  }
}

function notAModel(name: string, cause: unknown): InputError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new InputError("corrupt", `${name}: is no ONNX model, or damaged: ${reason}`, { cause });
}

/** An empty or foreign file can decode to a model without any field: what a model cannot be without is asked for. */
function requiredParts(
  proto: ModelProto,
  bytes: Uint8Array,
  name: string,
): { graph: GraphProto; irVersion: number } {
  const { graph, ir_version: irVersion } = proto;
  if (graph === undefined || graph === null || irVersion === undefined || irVersion < 1) {
    throw new InputError(
      "format",
      `${name}: ${bytes.byteLength} bytes without ${graph ? "an IR version" : "a graph"}; is it an ONNX model?`,
    );
  }
  const empty = (graph.node ?? []).length === 0 && (graph.output ?? []).length === 0;
  if (empty)
    throw new InputError("format", `${name}: its graph is empty, expected nodes and outputs`);
  return { graph, irVersion };
}

function initializers(
  graph: GraphProto,
  folder: string | null,
  name: string,
): { weights: StoredTensor[]; unreadable: UnreadableWeight[] } {
  const weights: StoredTensor[] = [];
  const unreadable: UnreadableWeight[] = [];
  const seen = new Set<string>();
  for (const proto of graph.initializer ?? []) {
    const weight = storedInitializer(proto, folder, name);
    if (seen.has(weight.name)) {
      throw new InputError("name", `${name}: two initializers have the name "${weight.name}"`);
    }
    seen.add(weight.name);
    if ("bytes" in weight) weights.push(weight);
    else unreadable.push(weight);
  }
  for (const { values } of graph.sparse_initializer ?? []) {
    unreadable.push({ name: values?.name ?? "", dataType: 0 });
  }
  return { weights, unreadable };
}

function valueFrom({ name, type }: ValueInfoProto): OnnxValue {
  const tensor = type?.tensor_type;
  const dims = tensor?.shape?.dim;
  return {
    name: name ?? "",
    dtype: dtypeFromOnnx(tensor?.elem_type) ?? null,
    shape:
      tensor?.shape === undefined || tensor.shape === null
        ? null
        : (dims ?? []).map(({ dim_value: size, dim_param: param }) => size ?? (param || null)),
  };
}

/** Every output that has a name; optional outputs a node leaves out have none. */
function tapsOf(graph: GraphProto, taken: Set<string>, name: string): OnnxTap[] {
  const returned = new Set((graph.output ?? []).map((value) => value.name));
  const nonTensors = nonTensorValues(graph);
  return (graph.node ?? []).flatMap((node, position) =>
    (node.output ?? []).flatMap((output, k) => {
      if (output === "") return [];
      if (taken.has(output)) {
        throw new InputError("name", `${name}: two values of its graph have the name "${output}"`);
      }
      taken.add(output);
      const place = { node: position, output: k };
      const kind = { graphOutput: returned.has(output), tensor: !nonTensors.has(output) };
      return [{ name: output, ...place, ...kind, ...operatorOf(node) }];
    }),
  );
}

function operatorOf({ name, op_type, domain }: NodeProto) {
  return {
    nodeName: name ?? "",
    opType: op_type ?? "",
    domain: domain === "ai.onnx" ? "" : (domain ?? ""),
  };
}
