import type { OperatorFamily } from "./family.js";
import { filled } from "./nodes.js";

/**
 * What a recurrent layer remembers: zero at first, then the value of `next` of the call before.
 *
 * A runner that makes several calls gives the remembered value as the first input; without one the
 * state is that of the first call.
 */
export const stateFamily: OperatorFamily<"state"> = {
  kind: "state",
  shape: ({ shape }) => shape,
  lower: ({ shape }, { graph, inputs, output }) => {
    if (inputs.length > 0) graph.node("Identity", inputs.slice(0, 1), {}, output);
    else filled(graph, 0, shape, output);
  },
  bound: (_, { bounds }) => bounds[0] ?? null,
  element: (_, index, { inputShapes, read }) => (inputShapes.length > 0 ? read(0, index) : 0),
  cost: () => 1,
};
