import { sizeOf } from "../tensor/tensor.js";
import type { OperatorFamily } from "./family.js";
import { expand } from "./nodes.js";

/** A fixed tensor: one value everywhere, or a value an element. */
export const fillFamily: OperatorFamily<"fill"> = {
  kind: "fill",
  shape: ({ shape, values }) => {
    if (values.length !== 1 && values.length !== sizeOf(shape)) {
      throw new RangeError(`fill: ${values.length} values for shape [${shape}]`);
    }
    return shape;
  },
  lower: ({ attributes: { shape, values } }, { graph, output }) => {
    if (values.length === 1) expand(graph, graph.float(values[0] ?? 0), shape, output);
    else graph.node("Identity", [graph.float(values, shape)], {}, output);
  },
  bound: () => null,
  element: ({ attributes: { shape, values } }, index) => {
    const at = index.reduce((position, k, axis) => position * (shape[axis] ?? 1) + k, 0);
    return Math.fround(values[values.length === 1 ? 0 : at] ?? 0);
  },
  cost: () => 1,
};
