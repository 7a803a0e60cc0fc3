import type { OperationOf } from "../architecture/architecture.js";
import { absolute, roundingFactor, roundingOfTerms } from "./bound-nodes.js";
import type { LowerContext, OperatorFamily } from "./family.js";
import { chain, reduceMax, reduceSum, reshape, slice } from "./nodes.js";
import { scaled, total } from "./rounding.js";
import { equalShapes } from "./shape-rules.js";

/**
 * Σ w[i]·input[i] with stored weights, one an input or one an input and channel, normalised over the
 * inputs: `relu` max(w, 0)/(ε + Σ max(w, 0)), `softmax` e^(w − max)/(ε + Σ e^(w − max)).
 * Source: Darknet's weighted shortcut (`shortcut_multilayer_cpu`, ε = 1e-4).
 */
export const weightedSumFamily: OperatorFamily<"weighted-sum"> = {
  kind: "weighted-sum",
  shape: (_, inputs) => equalShapes("weighted-sum", inputs),
  lower: (operation, context) => {
    const { graph, inputs, output } = context;
    const weights = normalizedWeights(operation, context);
    const terms = inputs.map((input, k) => graph.node("Mul", [input, weights[k] ?? ""]));
    chain(graph, "Add", terms, output);
  },
  bound: (operation, context) => {
    const { graph, inputs, bounds, output, mode, functionError } = context;
    const { normalization } = operation.attributes;
    const weights = normalizedWeights(operation, context);
    const terms = inputs.map((input, k) => graph.node("Mul", [input, weights[k] ?? ""]));
    const own = roundingOfTerms(context, inputs.length, terms, output);
    // A normalised weight is the quotient of a part and a sum of n parts, for softmax of powers.
    const powers = normalization === "softmax" ? 2 * (functionError("exp").ulp + 1) : 0;
    const steps = inputs.length + 2 + powers;
    const sizes = chain(
      graph,
      "Add",
      terms.map((term) => absolute(graph, term)),
    );
    const weighing =
      normalization === "none" ? null : scaled(graph, sizes, roundingFactor(mode, steps));
    const brought = bounds.map(
      (bound, k) => bound && graph.node("Mul", [bound, absolute(graph, weights[k] ?? "")]),
    );
    return total(graph, [own, weighing, ...brought]);
  },
  element: ({ attributes, shape: [, channels = 1] }, index, { inputShapes, read, weight }) => {
    const { normalization, epsilon, perChannel } = attributes;
    const stored = weight("weights");
    const own = inputShapes.map((_, input) =>
      perChannel ? (stored[input * channels + (index[1] ?? 0)] ?? 0) : (stored[input] ?? 0),
    );
    const largest = Math.max(...own);
    const parts = own.map((w) =>
      normalization === "softmax"
        ? Math.exp(w - largest)
        : normalization === "relu"
          ? Math.max(w, 0)
          : w,
    );
    const divisor =
      normalization === "none" ? 1 : parts.reduce((a, b) => a + b, Math.fround(epsilon));
    return parts.reduce((sum, part, input) => sum + (part / divisor) * read(input, index), 0);
  },
  cost: (_, inputShapes) => 20 * inputShapes.length,
};

/** For each input its weights, as [1, C, 1, 1] or [1, 1, 1, 1] (as many axes as the inputs have). */
function normalizedWeights(
  { attributes, shape }: OperationOf<"weighted-sum">,
  { graph, inputs, weight }: Pick<LowerContext, "graph" | "inputs" | "weight">,
): string[] {
  const { normalization, epsilon, perChannel } = attributes;
  const count = perChannel ? (shape[1] ?? 1) : 1;
  const along = shape.map((_, axis) => (axis === 1 ? count : 1));
  const stored = reshape(graph, weight("weights"), [inputs.length, ...along.slice(1)]);
  const parts =
    normalization === "softmax"
      ? graph.node("Exp", [graph.node("Sub", [stored, reduceMax(graph, stored, [0])])])
      : normalization === "relu"
        ? graph.node("Relu", [stored])
        : stored;
  const divisor = () => graph.node("Add", [reduceSum(graph, parts, [0]), graph.float(epsilon)]);
  const whole = normalization === "none" ? parts : graph.node("Div", [parts, divisor()]);
  return inputs.map((_, k) => slice(graph, whole, { axis: 0, start: k, end: k + 1 }));
}
