import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import { onlyInput } from "./shape-rules.js";

/** Output is the input: dropout at inference, layers that do nothing. */
export const identityFamily: OperatorFamily<"identity"> = {
  kind: "identity",
  shape: (_, inputs) => onlyInput("identity", inputs),
  lower: (_, { graph, inputs, output }) => {
    graph.node("Identity", inputs, {}, output);
  },
  bound: (_, context) => copied(context, (bound) => bound),
  element: (_, index, { read }) => read(0, index),
  cost: () => 1,
};
