import { transpose } from "../../tensor/layout.js";
import { tensor } from "../../tensor/tensor.js";
import type { Mistakes } from "./mistake.js";

/** A stored matrix read the other way round. */
export const contractMistakes: Mistakes<"contract"> = ({ operation, weight }) => {
  const name = operation.weights["kernel"];
  if (name === undefined) return [];
  const { shape, data } = weight("kernel");
  const [rows = 1, columns = 1] = shape;
  if (shape.length !== 2) return [];
  const { equation } = operation.attributes;
  const [left = "", result = ""] = equation.split("->");
  const isInOut = !result.includes(left.at(-2) ?? "");
  const [stored, read] = isInOut ? ["[in, out]", "[out, in]"] : ["[out, in]", "[in, out]"];
  return [
    {
      cause: `kernel is read as ${read}, it is stored as ${stored}`,
      weights: { [name]: transpose(tensor([columns, rows], data), [1, 0]).data },
    },
  ];
};
