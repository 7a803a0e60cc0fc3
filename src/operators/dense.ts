import type { OperationOf } from "../architecture/architecture.js";
import { indexOf, sizeOf } from "../tensor/tensor.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { reshape } from "./nodes.js";
import { linearBound } from "./rounding.js";
import { onlyInput } from "./shape-rules.js";
import { hasWeight } from "./windows.js";

/** Matrix product `y = x · kernelᵀ + bias` of the input, flattened in C order. */
export const denseFamily: OperatorFamily<"dense"> = {
  kind: "dense",

  shape({ units }, inputs) {
    const [batch = 1] = onlyInput("dense", inputs);
    return [batch, units];
  },

  lower(operation, { graph, inputs, inputShapes, weight, output }) {
    const rows = flattened(graph, inputs[0] as string, inputShapes);
    const bias = hasWeight(operation, "bias") ? [weight("bias")] : [];
    graph.node("Gemm", [rows, weight("kernel"), ...bias], { transB: { int: 1 } }, output);
  },

  bound(operation, context) {
    const { graph, inputShapes, bounds, weight } = context;
    const inputBound = bounds[0] ?? null;
    return linearBound({
      context,
      terms: termsOf(operation, inputShapes),
      input: flattened(graph, context.inputs[0] as string, inputShapes),
      inputBound: inputBound === null ? null : flattened(graph, inputBound, inputShapes),
      apply: (input, kernel) => graph.node("Gemm", [input, kernel], { transB: { int: 1 } }),
      bias: hasWeight(operation, "bias") ? weight("bias") : null,
    });
  },

  element(operation, [batch = 0, unit = 0], { inputShapes, read, weight }) {
    const [, ...rest] = onlyInput("dense", inputShapes);
    const kernel = weight("kernel");
    const size = sizeOf(rest);
    let sum = hasWeight(operation, "bias") ? (weight("bias")[unit] as number) : 0;
    for (let k = 0; k < size; k++) {
      sum += (kernel[unit * size + k] as number) * read(0, [batch, ...indexOf(k, rest)]);
    }
    return sum;
  },

  cost: termsOf,
};

function flattened(
  graph: GraphBuilder,
  value: string,
  [shape = []]: readonly (readonly number[])[],
): string {
  const [batch = 1, ...rest] = shape;
  return shape.length === 2 ? value : reshape(graph, value, [batch, sizeOf(rest)]);
}

/** Products of one output element, and its bias. */
function termsOf(
  operation: OperationOf<"dense">,
  inputShapes: readonly (readonly number[])[],
): number {
  const [, ...rest] = onlyInput("dense", inputShapes);
  return sizeOf(rest) + (hasWeight(operation, "bias") ? 1 : 0);
}
