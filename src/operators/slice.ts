import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import { slice } from "./nodes.js";
import { onlyInput, sizeOfAxis, withAxis } from "./shape-rules.js";

/** Elements `[start, end)` of an axis: Darknet's route with groups. */
export const sliceFamily: OperatorFamily<"slice"> = {
  kind: "slice",
  shape: ({ axis, start, end }, inputs) => {
    const input = onlyInput("slice", inputs);
    const size = sizeOfAxis("slice", input, axis);
    if (!(0 <= start && start < end && end <= size)) {
      throw new RangeError(`slice: elements [${start}, ${end}) of axis ${axis} of [${input}]`);
    }
    return withAxis(input, axis, end - start);
  },
  lower: ({ attributes }, { graph, inputs: [input = ""], output }) => {
    slice(graph, input, attributes, output);
  },
  bound: ({ attributes }, context) =>
    copied(context, (bound) => slice(context.graph, bound, attributes)),
  element: ({ attributes: { axis, start } }, index, { read }) =>
    read(0, withAxis(index, axis, (index[axis] ?? 0) + start)),
  cost: () => 1,
};
