import type { AttributeProto, GraphProto, NodeProto } from "./schema.js";

/** Values of the graph around a node that the node's bodies read. */
export function capturedBy(node: NodeProto): string[] {
  const found = new Set<string>();
  for (const graph of bodiesOf(node)) collect(graph, new Set(), found);
  return [...found];
}

function bodiesOf({ attribute }: NodeProto): GraphProto[] {
  return (attribute ?? []).flatMap(({ g, graphs }: AttributeProto) => [
    ...(g ? [g] : []),
    ...(graphs ?? []),
  ]);
}

/** @param outer - names that bodies around this one make themselves */
function collect(graph: GraphProto, outer: ReadonlySet<string>, found: Set<string>): void {
  const own = new Set(outer);
  for (const { name } of [...(graph.input ?? []), ...(graph.initializer ?? [])]) {
    own.add(name ?? "");
  }
  for (const { output } of graph.node ?? []) for (const name of output ?? []) own.add(name);
  const read = [
    ...(graph.node ?? []).flatMap(({ input }) => input ?? []),
    ...(graph.output ?? []).map(({ name }) => name ?? ""),
  ];
  for (const name of read) if (name !== "" && !own.has(name)) found.add(name);
  for (const node of graph.node ?? []) {
    for (const inner of bodiesOf(node)) collect(inner, own, found);
  }
}
