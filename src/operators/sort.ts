import type { OperatorFamily } from "./family.js";
import { onlyInput, sizeOfAxis, withAxis } from "./shape-rules.js";

/** Elements of an axis in descending order. Sorting moves no element further than its error: bounds are their maximum. */
export const sortFamily: OperatorFamily<"sort"> = {
  kind: "sort",
  shape: ({ axis }, inputs) => {
    const input = onlyInput("sort", inputs);
    sizeOfAxis("sort", input, axis);
    return input;
  },
  lower: ({ attributes: { axis } }, { graph, inputs: [input = ""], inputShapes, output }) => {
    const count = graph.ints([inputShapes[0]?.[axis] ?? 1]);
    const attributes = { axis: { int: axis }, largest: { int: 1 }, sorted: { int: 1 } };
    const places = graph.fresh("places");
    graph.nodes.push({
      opType: "TopK",
      inputs: [input, count],
      outputs: [output, places],
      attributes,
    });
  },
  bound: ({ attributes: { axis }, shape }, { graph, bounds: [bound = null] }) => {
    if (bound === null) return null;
    const attributes = { axes: { ints: [axis] }, keepdims: { int: 1 } };
    const largest = graph.node("ReduceMax", [bound], attributes);
    return graph.node("Expand", [largest, graph.ints(shape)]);
  },
  element: ({ attributes: { axis } }, index, { inputShapes: [input = []], read }) => {
    const values = Array.from({ length: input[axis] ?? 1 }, (_, k) =>
      read(0, withAxis(index, axis, k)),
    );
    return values.toSorted((a, b) => b - a)[index[axis] ?? 0] ?? Number.NaN;
  },
  cost: (_operation, [input = []]) => Math.max(1, ...input),
};
