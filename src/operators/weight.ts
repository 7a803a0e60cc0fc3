import { sizeOf } from "../tensor/tensor.js";
import type { OperatorFamily } from "./family.js";

/** A stored tensor as a value: what layers without a family of their own multiply by or add. */
export const weightFamily: OperatorFamily<"weight"> = {
  kind: "weight",
  shape: ({ shape }) => shape,
  lower: (_operation, { graph, weight, output }) => {
    graph.node("Identity", [weight("value")], {}, output);
  },
  bound: () => null,
  element: ({ attributes: { shape } }, index, { weight }) =>
    weight("value")[index.reduce((at, k, axis) => at * (shape[axis] ?? 1) + k, 0)] as number,
  cost: ({ attributes }) => Math.min(1, sizeOf(attributes.shape)),
};
