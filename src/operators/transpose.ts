import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import { permute } from "./nodes.js";
import { onlyInput } from "./shape-rules.js";

/** Axes reordered: axis k of the result is axis `permutation[k]` of the input. */
export const transposeFamily: OperatorFamily<"transpose"> = {
  kind: "transpose",
  shape: ({ permutation }, inputs) => {
    const input = onlyInput("transpose", inputs);
    const sorted = permutation.toSorted((a, b) => a - b);
    if (sorted.length !== input.length || sorted.some((axis, k) => axis !== k)) {
      throw new RangeError(
        `transpose: [${permutation}] is no permutation of the axes of [${input}]`,
      );
    }
    return permutation.map((axis) => input[axis] ?? 1);
  },
  lower: ({ attributes }, { graph, inputs: [input = ""], output }) => {
    permute(graph, input, attributes.permutation, output);
  },
  bound: ({ attributes }, context) =>
    copied(context, (bound) => permute(context.graph, bound, attributes.permutation)),
  element: ({ attributes }, index, { read }) => {
    const source = new Array<number>(index.length);
    attributes.permutation.forEach((axis, k) => {
      source[axis] = index[k] ?? 0;
    });
    return read(0, source);
  },
  cost: () => 1,
};
