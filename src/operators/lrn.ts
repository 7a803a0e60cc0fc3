import type { OperationOf } from "../architecture/architecture.js";
import { absolute, roundingFactor, squared, sumRounding } from "./bound-nodes.js";
import { type OperatorFamily, UNIT_ROUNDOFF } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { chain, pad, reduceSum, slice } from "./nodes.js";
import { scaled, sum as sumAll } from "./rounding.js";
import { onlyMap } from "./shape-rules.js";

/**
 * Local response normalisation across channels: x·n^−beta with n = kappa + alpha·Σ x² over the channels
 * c − ⌊(size−1)/2⌋ … c + ⌊size/2⌋ that exist.
 *
 * Darknet keeps the sum from channel to channel but starts it without channel ⌊size/2⌋, so its sums
 * lack that channel's square everywhere, also where it was never in the window (`normalization_layer.c`).
 */
export const lrnFamily: OperatorFamily<"lrn"> = {
  kind: "lrn",
  shape: (_, inputs) => onlyMap("lrn", inputs),
  lower: (operation, { graph, inputs: [input = ""], output }) => {
    const squares = squared(graph, input);
    const power = graph.float(-operation.attributes.beta);
    const factor = graph.node("Pow", [normOf(graph, squares, operation), power]);
    graph.node("Mul", [input, factor], {}, output);
  },
  bound: (operation, context) => {
    const {
      graph,
      inputs: [input = ""],
      bounds: [bound = null],
      mode,
      output,
    } = context;
    const { alpha, beta, size, rule } = operation.attributes;
    const squares = squared(graph, input);
    const norm = normOf(graph, squares, operation);
    const window = (value: string) =>
      windowSum(graph, value, operation.attributes, operation.shape);
    // A sliding sum rounds once a channel, at the size of all of them.
    const channels = operation.shape[1] ?? 1;
    const rounding =
      mode === "hard"
        ? scaled(graph, reduceSum(graph, squares, [1]), roundingFactor(mode, 2 * channels + size))
        : sumRounding(context, size + 2, squares, window, norm);
    const double = bound && scaled(graph, graph.node("Mul", [absolute(graph, input), bound]), 2);
    const passed = double && (rule === "exact" ? window(double) : reduceSum(graph, double, [1]));
    const magnitude = absolute(graph, norm);
    const normError = sumAll(
      graph,
      scaled(graph, sumAll(graph, rounding, passed), Math.abs(alpha)),
      scaled(graph, magnitude, roundingFactor(mode, 2)),
    );
    const relative = scaled(graph, graph.node("Div", [normError, magnitude]), Math.abs(beta));
    const pow = context.functionError("exp").ulp * UNIT_ROUNDOFF + roundingFactor(mode, 3);
    const all = graph.node("Add", [relative, graph.float(pow)]);
    const factor = () => absolute(graph, graph.node("Pow", [norm, graph.float(-beta)]));
    return sumAll(
      graph,
      graph.node("Mul", [absolute(graph, output), all]),
      graph.float(2 ** -126),
      bound && graph.node("Mul", [bound, factor()]),
    );
  },
  element: ({ attributes, shape }, index, { read }) => {
    const { size, alpha, beta, kappa, rule } = attributes;
    const [channels, [b = 0, c = 0, y = 0, x = 0]] = [shape[1] ?? 0, index];
    const square = (k: number) => (k >= 0 && k < channels ? read(0, [b, k, y, x]) ** 2 : 0);
    let sum = rule === "darknet" ? -square(Math.floor(size / 2)) : 0;
    for (let k = c - Math.floor((size - 1) / 2); k <= c + Math.floor(size / 2); k++)
      sum += square(k);
    const norm = Math.fround(kappa) + Math.fround(alpha) * sum;
    return read(0, index) * norm ** -Math.fround(beta);
  },
  cost: ({ attributes: { size } }) => size + 20,
};

/** kappa + alpha·Σ of squares. */
function normOf(
  graph: GraphBuilder,
  squares: string,
  { attributes, shape }: OperationOf<"lrn">,
): string {
  const { size, alpha, kappa, rule } = attributes;
  const window = windowSum(graph, squares, attributes, shape);
  const half = Math.floor(size / 2);
  const lacking = rule === "darknet" && half < (shape[1] ?? 0);
  const sum = lacking
    ? graph.node("Sub", [window, slice(graph, squares, { axis: 1, start: half, end: half + 1 })])
    : window;
  return graph.node("Add", [scaled(graph, sum, alpha), graph.float(kappa)]);
}

/** Sum over the window of each channel; no window reaches further than all channels. */
function windowSum(
  graph: GraphBuilder,
  squares: string,
  { size }: { readonly size: number },
  shape: readonly number[],
): string {
  const channels = shape[1] ?? 1;
  const left = Math.min(Math.floor((size - 1) / 2), channels - 1);
  const right = Math.min(Math.floor(size / 2), channels - 1);
  const wide = pad(graph, squares, { before: [0, left, 0, 0], after: [0, right, 0, 0], with: 0 });
  const shifted = Array.from({ length: left + right + 1 }, (_, k) =>
    slice(graph, wide, { axis: 1, start: k, end: k + channels }),
  );
  return chain(graph, "Add", shifted);
}
