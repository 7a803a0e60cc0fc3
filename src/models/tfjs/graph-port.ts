import type * as tf from "@tensorflow/tfjs-core";
import { InputError, UnavailableError } from "../../errors.js";
import type { ConvertedModel } from "../../formats/tfjs/converted-model.js";
import { definePort, type Port, type Tap } from "../../port/port.js";

/** A node of the graph, by structure. */
interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly GraphNode[];
}

/** The part of TensorFlow.js' GraphModel that is used; its package is an optional peer. */
interface GraphModel {
  readonly inputNodes: readonly string[];
  /** Any node may be given and any asked for. */
  execute(inputs: Record<string, tf.Tensor>, output: string): tf.Tensor;
  /** The same for nodes that lie behind loops and conditions, which `execute` refuses. */
  executeAsync(inputs: Record<string, tf.Tensor>, output: string): Promise<tf.Tensor>;
  readonly executor: {
    readonly graph: { readonly nodes: Readonly<Record<string, GraphNode>> };
  };
}

/** Not there to be found by the compiler. */
const CONVERTER: string = "@tensorflow/tfjs-converter";

/**
 * A graph model as a port. Its nodes keep the names of the layers they came from (`…/conv1/Relu`); the last one of a
 * layer is its tap. Where the converter folded a layer into another, that layer has no tap.
 *
 * @param layers - ids of the original's layers
 */
export function graphPort(
  folder: string,
  converted: ConvertedModel,
  layers: readonly string[],
): Port<GraphModel, tf.Tensor> {
  return definePort<GraphModel, tf.Tensor>({
    name: "tfjs",
    original: folder,
    layout: "nhwc",
    runtime: "tfjs",
    // Constants of the graph, some of them folded together: none is a weight of the original any more.
    ownWeights: true,
    build: () => load(folder, converted),
    forward: (model, inputs, tap) => runTapped(folder, model, inputs, tap, layers),
  });
}

/** @throws {UnavailableError} where the package is missing; {@link InputError} where it does not take the model */
async function load(folder: string, converted: ConvertedModel): Promise<GraphModel> {
  const { loadGraphModel } = await importConverter();
  const { topology, specs, data, signature } = converted;
  const artifacts = {
    modelTopology: topology,
    weightSpecs: specs,
    weightData: data,
    ...(signature === null ? {} : { signature }),
  };
  try {
    return await loadGraphModel({ load: () => Promise.resolve(artifacts) });
  } catch (cause) {
    throw refusal(folder, cause);
  }
}

interface Converter {
  loadGraphModel(handler: { load(): Promise<unknown> }): Promise<GraphModel>;
}

async function importConverter(): Promise<Converter> {
  try {
    return (await import(CONVERTER)) as Converter;
  } catch (cause) {
    // biome-ignore lint/style/useErrorCause: the cause is the third argument
    throw new UnavailableError(
      "backend-missing",
      `--model tfjs:DIR: a graph model needs ${CONVERTER}, which is not installed; npm install ${CONVERTER}@4.22.0`,
      { cause },
    );
  }
}

/** Node by node from tap to tap, each computed from what the taps before it returned. */
async function runTapped(
  folder: string,
  model: GraphModel,
  inputs: Readonly<Record<string, tf.Tensor>>,
  tap: Tap,
  layers: readonly string[],
): Promise<void> {
  const given = Object.values(inputs);
  const known: Record<string, tf.Tensor> = Object.fromEntries(
    model.inputNodes.map((name, k) => [name, inputs[name] ?? (given[k] as tf.Tensor)]),
  );
  for (const { id, node } of tappedNodes(Object.values(model.executor.graph.nodes), layers)) {
    const value = await computeNode(folder, model, known, node);
    known[node] = tap(id, value as never) as unknown as tf.Tensor;
  }
}

/** What TensorFlow.js says of a node that only `executeAsync` computes. */
const DYNAMIC = /executeAsync/;

/** @throws {InputError} where TensorFlow.js does not compute the node */
async function computeNode(
  folder: string,
  model: GraphModel,
  known: Record<string, tf.Tensor>,
  node: string,
): Promise<tf.Tensor> {
  try {
    return model.execute(known, node);
  } catch (cause) {
    if (!DYNAMIC.test(String(cause))) throw refusal(folder, cause);
  }
  try {
    return await model.executeAsync(known, node);
  } catch (cause) {
    throw refusal(folder, cause);
  }
}

/**
 * The node of each layer: the last of those that carry the layer's name, in the order in which they are computed.
 *
 * @param nodes - of the graph, in any order
 */
export function tappedNodes(
  nodes: readonly GraphNode[],
  layers: readonly string[],
): { readonly id: string; readonly node: string }[] {
  const last = new Map<string, string>();
  for (const { name, op } of ordered(nodes)) {
    if (op === "Const" || op === "Placeholder") continue;
    const id = layers.find((layer) => `/${name}/`.includes(`/${layer}/`));
    if (id === undefined) continue;
    // Taps come in the order of their last nodes.
    last.delete(id);
    last.set(id, name);
  }
  return [...last].map(([id, node]) => ({ id, node }));
}

/** Each node behind all that it reads. */
function ordered(nodes: readonly GraphNode[]): GraphNode[] {
  const done = new Set<GraphNode>();
  // No recursion: a graph may be thousands of nodes deep.
  const stack = nodes.map((node) => ({ node, visited: false })).toReversed();
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { node, visited } = next;
    if (done.has(node)) continue;
    if (visited) done.add(node);
    else {
      stack.push({ node, visited: true });
      for (const input of node.inputs)
        if (!done.has(input)) stack.push({ node: input, visited: false });
    }
  }
  return [...done];
}

function refusal(folder: string, cause: unknown): InputError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new InputError(
    "unsupported",
    `${folder}: TensorFlow.js does not run it: ${reason.split("\n")[0]}`,
    { cause },
  );
}
