import type { StoredTensor } from "../tensor-file.js";
import { OBJECT_GRAPH_KEY, type ObjectGraph } from "./object-graph.js";

/** What a tensor of a checkpoint is for. Only `weight` belongs to the model's function. */
export type TensorRole =
  | { readonly kind: "weight" }
  /** An optimizer's value for one weight (momentum, …); `of` is the weight's name where it is known. */
  | { readonly kind: "slot"; readonly slot: string; readonly of: string | null }
  /** A moving average of a weight: often the values that were evaluated, never both. */
  | { readonly kind: "average"; readonly of: string | null }
  /** What an optimizer keeps beside its slots: step, learning rate, powers of beta. */
  | { readonly kind: "optimizer" }
  /** Counts steps or saves. */
  | { readonly kind: "counter" }
  /** The description of the saved objects. */
  | { readonly kind: "metadata" };

/** Names of slots that are averages of the weights (`tf.train.ExponentialMovingAverage`, `MovingAverage`). */
const AVERAGE = /^(average|ema|shadow|ExponentialMovingAverage|MovingAverage|model_ema)$/i;

/** Counters by the last or first part of their name. */
const COUNTER = /^(.*\/)?(global_step|save_counter)$/;

/**
 * The role of every tensor: from the object graph where there is one, else from the names that
 * TensorFlow's optimizers give (a suffix counts only beside a variable of that name and shape).
 */
export function tensorRoles(
  tensors: readonly StoredTensor[],
  graph: ObjectGraph | null,
): ReadonlyMap<string, TensorRole> {
  return graph === null ? rolesFromNames(tensors) : rolesFromGraph(tensors, graph);
}

/** What stands behind a variable's path in an object-based checkpoint. */
const VALUE_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE";

function rolesFromGraph(
  tensors: readonly StoredTensor[],
  graph: ObjectGraph,
): Map<string, TensorRole> {
  const keyOf = (node: number): string | null => graph[node]?.attributes[0]?.key ?? null;
  const roles = new Map<string, TensorRole>();
  for (const [key, role] of optimizerRoles(graph)) roles.set(key, role);
  for (const { slots } of graph) {
    for (const { original, slot, node } of slots) {
      for (const { key } of graph[node]?.attributes ?? []) {
        roles.set(key, slotRole(slot, keyOf(original)));
      }
    }
  }
  const weight: TensorRole = { kind: "weight" };
  return new Map(tensors.map(({ name }) => [name, keyRole(name) ?? roles.get(name) ?? weight]));
}

/** Roles that the key alone tells. */
function keyRole(key: string): TensorRole | undefined {
  if (key === OBJECT_GRAPH_KEY) return { kind: "metadata" };
  if (COUNTER.test(key.replace(VALUE_SUFFIX, ""))) return { kind: "counter" };
  const slot = /^(.*)\/\.OPTIMIZER_SLOT\/.*?([^/]+)\/\.ATTRIBUTES\/VARIABLE_VALUE$/.exec(key);
  return slot === null ? undefined : slotRole(slot[2] ?? "", `${slot[1]}${VALUE_SUFFIX}`);
}

function slotRole(slot: string, of: string | null): TensorRole {
  return AVERAGE.test(slot) ? { kind: "average", of } : { kind: "slot", slot, of };
}

/** Everything below an optimizer that the model does not reach without it. */
function optimizerRoles(graph: ObjectGraph): Map<string, TensorRole> {
  const isOptimizer = graph.map(
    ({ children, slots }) =>
      slots.length > 0 ||
      ((children.has("iter") || children.has("_iterations")) &&
        (children.has("learning_rate") || children.has("_learning_rate"))),
  );
  const model = reachable(graph, [0], (node) => isOptimizer[node] === true);
  const optimizers = isOptimizer.flatMap((optimizer, node) => (optimizer ? [node] : []));
  const own = reachable(graph, optimizers, (node) => model.has(node));
  const keys = new Map<string, string>();
  for (const node of model) {
    for (const { fullName, key } of graph[node]?.attributes ?? []) keys.set(fullName, key);
  }
  const roles = new Map<string, TensorRole>();
  for (const node of own) {
    for (const { fullName, key } of graph[node]?.attributes ?? []) {
      roles.set(key, roleFromFullName(fullName, keys));
    }
  }
  return roles;
}

/** Keras names an optimizer's variables `Adam/m/conv/kernel`: optimizer, slot, variable. */
function roleFromFullName(fullName: string, keys: ReadonlyMap<string, string>): TensorRole {
  const [, slot, of] = /^[^/]+\/([^/]+)\/(.+)$/.exec(fullName) ?? [];
  const key = of === undefined ? undefined : keys.get(of);
  return slot === undefined || key === undefined ? { kind: "optimizer" } : slotRole(slot, key);
}

/** Nodes that can be reached from `starts` without passing one that `stops`. */
function reachable(
  graph: ObjectGraph,
  starts: readonly number[],
  stops: (node: number) => boolean,
): Set<number> {
  const seen = new Set<number>();
  const open = [...starts];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (seen.has(node) || stops(node)) continue;
    seen.add(node);
    for (const child of graph[node]?.children.values() ?? []) open.push(child);
  }
  return seen;
}

/**
 * Last parts that optimizers add to a variable's name: TensorFlow 1 (`Adam`, `Adam_1`, …), BERT's
 * (`adam_m`, `adam_v`) and Keras' (`accumulator`, `m`, `v`, …).
 */
const SLOT =
  /^(Adam|AdaMax|AdamW|LazyAdam|Momentum|RMSProp|Adagrad|AdagradDA|Adadelta|Ftrl|ProximalAdagrad|LARS(Optimizer)?|LAMB|NovoGrad|Yogi|accumulator|accum|linear|m|v|vhat|rms|mg|momentum|(adam|lamb)_[mv])(_\d+)?$/;

/** What optimizers keep once for all variables. */
const HYPER =
  /(^|\/)(beta1_power|beta2_power|beta_1|beta_2|learning_rate|decay|iter|iterations|rho|momentum|epsilon|loss_scale|good_steps)(_\d+)?$/;

function rolesFromNames(tensors: readonly StoredTensor[]): Map<string, TensorRole> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return new Map(tensors.map((tensor) => [tensor.name, roleFromName(tensor, byName)]));
}

function roleFromName(
  { name, shape }: StoredTensor,
  byName: ReadonlyMap<string, StoredTensor>,
): TensorRole {
  if (name === OBJECT_GRAPH_KEY) return { kind: "metadata" };
  if (COUNTER.test(name)) return { kind: "counter" };
  const parts = name.split("/");
  const last = parts.at(-1) ?? "";
  if (AVERAGE.test(last) || SLOT.test(last)) {
    const of = baseOf(parts.slice(0, -1), shape, byName);
    if (of !== undefined) return slotRole(last, of);
  }
  return shape.length === 0 && HYPER.test(name) ? { kind: "optimizer" } : { kind: "weight" };
}

/** The variable that a slot's name holds: as it is, or behind the optimizer's scope (`training/Adam/conv/kernel/m`). */
function baseOf(
  parts: readonly string[],
  shape: readonly number[],
  byName: ReadonlyMap<string, StoredTensor>,
): string | undefined {
  for (let skip = 0; skip < parts.length; skip++) {
    const name = parts.slice(skip).join("/");
    if (`${byName.get(name)?.shape}` === `${shape}`) return name;
  }
  return undefined;
}
