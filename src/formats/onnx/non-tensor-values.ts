import type { GraphProto, NodeProto, TypeProto } from "./schema.js";

/** Operators that make sequences, maps or optional values. */
const MAKERS: ReadonlySet<string> = new Set([
  "CastMap",
  "Optional",
  "SequenceConstruct",
  "SequenceEmpty",
  "SequenceErase",
  "SequenceInsert",
  "SequenceMap",
  "SplitToSequence",
  "ZipMap",
]);

/** Operators that pass their first input on; an element of an optional value may be a sequence. */
const PASSERS: ReadonlySet<string> = new Set(["Identity", "OptionalGetElement"]);

/**
 * Names of the values of a graph that are no tensors: by what the file declares, else by the operator
 * that makes them. (Types of inner values need not be declared.)
 */
export function nonTensorValues(graph: GraphProto): ReadonlySet<string> {
  const found = new Set<string>();
  const declared = new Map<string, boolean>();
  const values = [graph.input ?? [], graph.value_info ?? [], graph.output ?? []].flat();
  for (const { name, type } of values) {
    if (name === undefined || !hasType(type)) continue;
    declared.set(name, isTensor(type));
    if (!isTensor(type)) found.add(name);
  }
  for (const node of graph.node ?? []) {
    (node.output ?? []).forEach((name, k) => {
      if (!(declared.get(name) ?? makesTensor(node, k, found))) found.add(name);
    });
  }
  return found;
}

function makesTensor(node: NodeProto, output: number, nonTensors: ReadonlySet<string>): boolean {
  const type = node.op_type ?? "";
  if (MAKERS.has(type)) return false;
  const [first = ""] = node.input ?? [];
  if (PASSERS.has(type)) return !nonTensors.has(first);
  if (type === "If") return bodyMakesTensor(node, "then_branch", output);
  // The first output of a loop's body is its condition, which the node does not return.
  if (type === "Loop") return bodyMakesTensor(node, "body", output + 1);
  return true;
}

function bodyMakesTensor(node: NodeProto, attribute: string, output: number): boolean {
  const body = node.attribute?.find(({ name }) => name === attribute)?.g;
  const value = body?.output?.[output];
  if (!body || value === undefined) return true;
  return hasType(value.type) ? isTensor(value.type) : !nonTensorValues(body).has(value.name ?? "");
}

function hasType(type: TypeProto | undefined | null): type is TypeProto {
  return Boolean(
    type &&
      (type.tensor_type ||
        type.sparse_tensor_type ||
        type.sequence_type ||
        type.map_type ||
        type.optional_type),
  );
}

function isTensor(type: TypeProto): boolean {
  return Boolean(type.tensor_type);
}
