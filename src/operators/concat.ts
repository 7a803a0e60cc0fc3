import { copied, orZeros } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import { sizeOfAxis, withAxis } from "./shape-rules.js";

/** All inputs along an axis, in order. */
export const concatFamily: OperatorFamily<"concat"> = {
  kind: "concat",
  shape: ({ axis }, inputs) => {
    const [first] = inputs;
    if (first === undefined) throw new RangeError("concat: no inputs, expected at least 1");
    const other = inputs.find(
      (shape) => `${withAxis(shape, axis, 0)}` !== `${withAxis(first, axis, 0)}`,
    );
    if (other !== undefined) {
      throw new RangeError(
        `concat: inputs [${first}] and [${other}], expected equal sizes but for axis ${axis}`,
      );
    }
    const total = inputs.reduce((sum, shape) => sum + sizeOfAxis("concat", shape, axis), 0);
    return withAxis(first, axis, total);
  },
  lower: ({ attributes }, { graph, inputs, output }) => {
    graph.node("Concat", inputs, { axis: { int: attributes.axis } }, output);
  },
  bound: ({ attributes }, context) => {
    const { graph, bounds, inputShapes } = context;
    if (bounds.length === 1) return copied(context, (bound) => bound);
    if (bounds.every((bound) => bound === null)) return null;
    const parts = bounds.map((bound, k) => orZeros(graph, bound, inputShapes[k] ?? []));
    return graph.node("Concat", parts, { axis: { int: attributes.axis } });
  },
  element: ({ attributes: { axis } }, index, { inputShapes, read }) => {
    let position = index[axis] ?? 0;
    for (const [input, shape] of inputShapes.entries()) {
      const size = shape[axis] ?? 0;
      if (position < size) return read(input, withAxis(index, axis, position));
      position -= size;
    }
    throw new RangeError(`concat: index ${index} lies beyond the inputs`);
  },
  cost: () => 1,
};
