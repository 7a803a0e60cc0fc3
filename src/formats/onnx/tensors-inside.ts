import type { GraphProto, ModelProto, NodeProto, TensorProto } from "./schema.js";

/** Every tensor of a model that is not an initializer of the main graph: in attributes, bodies and functions. */
export function* tensorsInside(model: ModelProto): Generator<TensorProto> {
  yield* ofNodes(model.graph?.node ?? []);
  for (const { node } of model.functions ?? []) yield* ofNodes(node ?? []);
  for (const { initialization, algorithm } of model.training_info ?? []) {
    yield* ofGraph(initialization);
    yield* ofGraph(algorithm);
  }
  for (const sparse of model.graph?.sparse_initializer ?? []) {
    yield* [sparse.values, sparse.indices].filter(isThere);
  }
}

function* ofNodes(nodes: readonly NodeProto[]): Generator<TensorProto> {
  for (const { attribute } of nodes) {
    for (const { t, tensors, g, graphs, sparse_tensor: sparse, sparse_tensors } of attribute ??
      []) {
      yield* [t, ...(tensors ?? [])].filter(isThere);
      for (const one of [sparse, ...(sparse_tensors ?? [])]) {
        yield* [one?.values, one?.indices].filter(isThere);
      }
      for (const graph of [g, ...(graphs ?? [])]) yield* ofGraph(graph);
    }
  }
}

function* ofGraph(graph: GraphProto | null | undefined): Generator<TensorProto> {
  if (!graph) return;
  yield* graph.initializer ?? [];
  for (const { values, indices } of graph.sparse_initializer ?? []) {
    yield* [values, indices].filter(isThere);
  }
  yield* ofNodes(graph.node ?? []);
}

function isThere<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}
