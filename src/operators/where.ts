import { orZeros } from "./bound-nodes.js";
import { broadcastIndex, broadcastShape } from "./broadcast.js";
import type { OperatorFamily } from "./family.js";
import { truthOf } from "./nodes-nd.js";

/** The second input where the first is not 0, else the third. */
export const whereFamily: OperatorFamily<"where"> = {
  kind: "where",
  shape: (_attributes, inputs) => {
    if (inputs.length !== 3) throw new RangeError(`where: ${inputs.length} inputs, expected 3`);
    return broadcastShape("where", inputs);
  },
  lower: (_operation, { graph, inputs: [condition = "", yes = "", no = ""], output }) => {
    graph.node("Where", [truthOf(graph, condition), yes, no], {}, output);
  },
  bound: (_operation, { graph, inputs: [condition = ""], inputShapes, bounds }) => {
    const [, yes = null, no = null] = bounds;
    if (yes === null && no === null) return null;
    return graph.node("Where", [
      truthOf(graph, condition),
      orZeros(graph, yes, inputShapes[1] ?? []),
      orZeros(graph, no, inputShapes[2] ?? []),
    ]);
  },
  element: (_operation, index, { inputShapes, read }) => {
    const at = (input: number) => read(input, broadcastIndex(index, inputShapes[input] ?? []));
    return at(0) === 0 ? at(2) : at(1);
  },
  cost: () => 1,
};
