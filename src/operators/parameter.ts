import type { OperatorFamily } from "./family.js";
import { expand, reshape } from "./nodes.js";
import { positionOf } from "./shape-rules.js";

/** A stored tensor, repeated over the batch. An input, if there is one, tells only the batch. */
export const parameterFamily: OperatorFamily<"parameter"> = {
  kind: "parameter",
  shape: ({ shape }, inputs) => {
    if (inputs.length > 1)
      throw new RangeError(`parameter: ${inputs.length} inputs, expected 0 or 1`);
    return [inputs[0]?.[0] ?? 1, ...shape];
  },
  lower: ({ attributes, shape }, { graph, weight, output }) => {
    const stored = reshape(graph, weight("value"), [1, ...attributes.shape]);
    expand(graph, stored, shape, output);
  },
  bound: () => null,
  element: ({ attributes }, index, { weight }) => {
    const [, ...place] = index;
    return weight("value")[positionOf(place, attributes.shape)] ?? Number.NaN;
  },
  cost: () => 1,
};
