import { indexOf, sizeOf } from "../tensor/tensor.js";
import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import { reshape } from "./nodes.js";
import { onlyInput, positionOf } from "./shape-rules.js";

/** Same values in C order, other shape; the batch stays. */
export const reshapeFamily: OperatorFamily<"reshape"> = {
  kind: "reshape",
  shape: (attributes, inputs) => {
    const input = onlyInput("reshape", inputs);
    const [batch = 1] = input;
    const shape = [batch, ...attributes.shape];
    if (sizeOf(shape) !== sizeOf(input)) {
      throw new RangeError(
        `reshape: input [${input}] has ${sizeOf(input)} elements, [${shape}] needs ${sizeOf(shape)}`,
      );
    }
    return shape;
  },
  lower: ({ shape }, { graph, inputs: [input = ""], output }) => {
    reshape(graph, input, shape, output);
  },
  bound: ({ shape }, context) => copied(context, (bound) => reshape(context.graph, bound, shape)),
  element: ({ shape }, index, { inputShapes: [input = []], read }) =>
    read(0, indexOf(positionOf(index, shape), input)),
  cost: () => 1,
};
