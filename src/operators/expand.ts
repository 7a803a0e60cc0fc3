import { copied } from "./bound-nodes.js";
import { broadcastIndex, broadcastShape } from "./broadcast.js";
import type { OperatorFamily } from "./family.js";
import { expand } from "./nodes.js";
import { onlyInput } from "./shape-rules.js";

/** The value repeated along axes of size 1, and along new axes in front, to reach a shape. */
export const expandFamily: OperatorFamily<"expand"> = {
  kind: "expand",
  shape: ({ shape }, inputs) => {
    const input = onlyInput("expand", inputs);
    if (`${broadcastShape("expand", [input, shape])}` !== `${shape}`) {
      throw new RangeError(`expand: input [${input}] cannot be repeated to [${shape}]`);
    }
    return shape;
  },
  lower: ({ shape }, { graph, inputs: [input = ""], output }) => {
    expand(graph, input, shape, output);
  },
  bound: ({ shape }, context) => copied(context, (bound) => expand(context.graph, bound, shape)),
  element: (_operation, index, { inputShapes: [input = []], read }) =>
    read(0, broadcastIndex(index, input)),
  cost: () => 1,
};
