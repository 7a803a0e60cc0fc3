import { indexOf, sizeOf } from "../tensor/tensor.js";
import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import { reshape } from "./nodes.js";
import { onlyInput } from "./shape-rules.js";

/** Same values in C order, other shape, the batch included: several steps in time become several examples. */
export const viewFamily: OperatorFamily<"view"> = {
  kind: "view",
  shape: ({ shape }, inputs) => {
    const input = onlyInput("view", inputs);
    if (sizeOf(shape) !== sizeOf(input)) {
      throw new RangeError(
        `view: input [${input}] has ${sizeOf(input)} elements, [${shape}] needs ${sizeOf(shape)}`,
      );
    }
    return shape;
  },
  lower: ({ shape }, { graph, inputs: [input = ""], output }) => {
    reshape(graph, input, shape, output);
  },
  bound: ({ shape }, context) => copied(context, (bound) => reshape(context.graph, bound, shape)),
  element: ({ shape }, index, { inputShapes: [input = []], read }) =>
    read(
      0,
      indexOf(
        index.reduce((at, k, axis) => at * (shape[axis] ?? 1) + k, 0),
        input,
      ),
    ),
  cost: () => 1,
};
