import { absolute, isPowerOfTwo, roundingOf, roundingOfTerms } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { chain, times } from "./nodes.js";
import { scaled, total } from "./rounding.js";
import { equalShapes } from "./shape-rules.js";

/** Σ coefficients[i] · input[i], in the order of the inputs: shortcuts, pjreddie's alpha and beta. */
export const linearCombinationFamily: OperatorFamily<"linear-combination"> = {
  kind: "linear-combination",
  shape: ({ coefficients }, inputs) => {
    if (coefficients.length !== inputs.length) {
      throw new RangeError(
        `linear-combination: ${coefficients.length} coefficients for ${inputs.length} inputs`,
      );
    }
    return equalShapes("linear-combination", inputs);
  },
  lower: ({ attributes: { coefficients } }, { graph, inputs, output }) => {
    chain(graph, "Add", termsOf(graph, inputs, coefficients), output);
  },
  bound: ({ attributes: { coefficients } }, context) => {
    const { graph, inputs, bounds, output } = context;
    const before = bounds.map(
      (bound, k) => bound && scaled(graph, bound, Math.abs(coefficients[k] ?? 1)),
    );
    const sums = inputs.length - 1;
    const products = coefficients.every(isPowerOfTwo) ? 0 : 1;
    if (sums + products === 0) return total(graph, before);
    const terms = () => termsOf(graph, inputs, coefficients);
    const own =
      sums + products === 1
        ? roundingOf(context, absolute(graph, output))
        : roundingOfTerms(context, sums + products, terms(), output);
    return total(graph, [own, ...before]);
  },
  element: ({ attributes: { coefficients } }, index, { read }) =>
    coefficients.reduce((sum, factor, input) => sum + Math.fround(factor) * read(input, index), 0),
  cost: (_, inputShapes) => inputShapes.length,
};

function termsOf(
  graph: GraphBuilder,
  inputs: readonly string[],
  coefficients: readonly number[],
): string[] {
  return inputs.map((input, k) => times(graph, input, coefficients[k] ?? 1));
}
