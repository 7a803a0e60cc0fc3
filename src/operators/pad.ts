import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import { pad } from "./nodes.js";
import { onlyInput } from "./shape-rules.js";

/** A constant border around the value. */
export const padFamily: OperatorFamily<"pad"> = {
  kind: "pad",
  shape: ({ before, after }, inputs) => {
    const input = onlyInput("pad", inputs);
    const amounts = [...before, ...after];
    if (amounts.length !== 2 * input.length || amounts.some((amount) => amount < 0)) {
      throw new RangeError(`pad: [${before}] before and [${after}] after a value [${input}]`);
    }
    return input.map((size, axis) => size + (before[axis] ?? 0) + (after[axis] ?? 0));
  },
  lower: ({ attributes: { before, after, value } }, { graph, inputs: [input = ""], output }) => {
    pad(graph, input, { before, after, with: value }, output);
  },
  bound: ({ attributes: { before, after } }, context) =>
    copied(context, (bound) => pad(context.graph, bound, { before, after, with: 0 })),
  element: ({ attributes }, index, { inputShapes: [input = []], read }) => {
    const source = index.map((position, axis) => position - (attributes.before[axis] ?? 0));
    const inside = source.every((k, axis) => k >= 0 && k < (input[axis] ?? 0));
    return inside ? read(0, source) : attributes.value;
  },
  cost: () => 1,
};
