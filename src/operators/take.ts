import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { slice } from "./nodes.js";
import { onlyInput, sizeOfAxis, withAxis } from "./shape-rules.js";

/** Elements of an axis by position: slices, steps, reversals, repetitions. */
export const takeFamily: OperatorFamily<"take"> = {
  kind: "take",
  shape: ({ axis, indices }, inputs) => {
    const input = onlyInput("take", inputs);
    const size = sizeOfAxis("take", input, axis);
    const outside = indices.find((k) => !Number.isInteger(k) || k < 0 || k >= size);
    if (outside !== undefined) {
      throw new RangeError(`take: element ${outside} of axis ${axis} of [${input}]`);
    }
    return withAxis(input, axis, indices.length);
  },
  lower: ({ attributes }, { graph, inputs: [input = ""], output }) => {
    takeNodes(graph, input, attributes, output);
  },
  bound: ({ attributes }, context) =>
    copied(context, (bound) => takeNodes(context.graph, bound, attributes)),
  element: ({ attributes: { axis, indices } }, index, { read }) =>
    read(0, withAxis(index, axis, indices[index[axis] ?? 0] ?? 0)),
  cost: () => 1,
};

function takeNodes(
  graph: GraphBuilder,
  value: string,
  { axis, indices }: { readonly axis: number; readonly indices: readonly number[] },
  output?: string,
): string {
  const [start = 0] = indices;
  if (indices.length > 0 && indices.every((k, i) => k === start + i)) {
    return slice(graph, value, { axis, start, end: start + indices.length }, output);
  }
  return graph.node("Gather", [value, graph.ints(indices)], { axis: { int: axis } }, output);
}
