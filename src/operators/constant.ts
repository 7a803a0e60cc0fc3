import type { OperatorFamily } from "./family.js";
import { filled } from "./nodes.js";
import { onlyInput } from "./shape-rules.js";

/** One number everywhere, whatever the input (also where that is NaN); shape of the input. */
export const constantFamily: OperatorFamily<"constant"> = {
  kind: "constant",
  shape: (_, inputs) => onlyInput("constant", inputs),
  lower: ({ attributes, shape }, { graph, output }) => {
    filled(graph, attributes.value, shape, output);
  },
  bound: () => null,
  element: ({ attributes }) => Math.fround(attributes.value),
  cost: () => 1,
};
