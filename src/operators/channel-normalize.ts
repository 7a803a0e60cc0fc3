import type { OperationOf } from "../architecture/architecture.js";
import { absolute, roundingFactor, sumOfBounds } from "./bound-nodes.js";
import { type OperatorFamily, UNIT_ROUNDOFF } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { reduceMax, reduceSum } from "./nodes.js";
import { scaled, sum as sumAll } from "./rounding.js";
import { onlyMap } from "./shape-rules.js";

/**
 * Darknet's `normalize_channels*` activations, p_c/(ε + Σ p) over the channels of a pixel: `relu`
 * p = max(x, 0); `softmax` p = e^x; `softmax-maxval` p = e^(x − largest x of the pixel).
 * Source: `activate_array_normalize_channels*`, ε = 1e-4.
 */
export const channelNormalizeFamily: OperatorFamily<"channel-normalize"> = {
  kind: "channel-normalize",
  shape: (_, inputs) => onlyMap("channel-normalize", inputs),
  lower: (operation, { graph, inputs: [input = ""], output }) => {
    const { parts, divisor } = quotient(graph, input, operation);
    graph.node("Div", [parts, divisor], {}, output);
  },
  bound: (operation, context) => {
    const {
      graph,
      inputs: [input = ""],
      bounds: [bound = null],
      mode,
      output,
    } = context;
    const { divisor, shift } = quotient(graph, input, operation);
    const total = (value: string) => reduceSum(graph, value, [1]);
    const channels = operation.shape[1] ?? 1;
    const last = graph.float(roundingFactor(mode, channels + 2));
    const smallest = graph.float(2 ** -126);
    if (operation.attributes.mode === "relu") {
      const own = graph.node("Mul", [output, last]);
      if (bound === null) return sumAll(graph, own, smallest);
      // e/S of its own part and y·Σe/S through the sum.
      const share = graph.node("Mul", [output, sumOfBounds(context, bound, total)]);
      const passed = graph.node("Div", [graph.node("Add", [bound, share]), divisor]);
      return sumAll(graph, own, smallest, passed);
    }
    const exp = context.functionError("exp");
    const distance = absolute(graph, shift === null ? input : graph.node("Sub", [input, shift]));
    const moved = sumAll(
      graph,
      scaled(graph, distance, roundingFactor(mode, 1)),
      graph.float(exp.ulp * UNIT_ROUNDOFF),
      bound,
    );
    const common = sumOfBounds(context, graph.node("Mul", [output, moved]), total);
    const relative = sumAll(graph, moved, common, last);
    const underflow = graph.float((exp.absolute + 2 ** -126) * (1 + channels));
    return sumAll(
      graph,
      graph.node("Mul", [output, relative]),
      graph.node("Div", [underflow, divisor]),
    );
  },
  element: ({ attributes: { mode, epsilon }, shape }, index, { read }) => {
    const [b = 0, c = 0, y = 0, x = 0] = index;
    const values = Array.from({ length: shape[1] ?? 0 }, (_, k) => read(0, [b, k, y, x]));
    const largest = Math.max(...values);
    // As in `quotient`: e^x/(ε + Σe^x) with both sides times e^−m, so that nothing overflows.
    const shift = mode === "softmax" ? Math.max(largest, 0) : largest;
    const parts = values.map((value) =>
      mode === "relu" ? Math.max(value, 0) : Math.exp(value - shift),
    );
    const own = Math.fround(epsilon) * (mode === "softmax" ? Math.exp(-shift) : 1);
    const sum = parts.reduce((a, part) => a + part, own);
    return (parts[c] ?? Number.NaN) / sum;
  },
  cost: ({ attributes: { mode } }, [input]) => (mode === "relu" ? 1 : 20) * (input?.[1] ?? 1),
};

/** Numerators, the denominator they share, and what was subtracted from x. */
function quotient(
  graph: GraphBuilder,
  value: string,
  { attributes: { mode, epsilon } }: OperationOf<"channel-normalize">,
): { readonly parts: string; readonly divisor: string; readonly shift: string | null } {
  const constant = graph.float(epsilon);
  const sumOf = (parts: string, own: string) =>
    graph.node("Add", [reduceSum(graph, parts, [1]), own]);
  if (mode === "relu") {
    const parts = graph.node("Max", [value, graph.float(0)]);
    return { parts, divisor: sumOf(parts, constant), shift: null };
  }
  const largest = reduceMax(graph, value, [1]);
  if (mode === "softmax-maxval") {
    const parts = graph.node("Exp", [graph.node("Sub", [value, largest])]);
    return { parts, divisor: sumOf(parts, constant), shift: largest };
  }
  // e^x/(ε + Σe^x) with both sides times e^−m, m = max(0, largest): nothing overflows, and m = 0 changes nothing.
  const shift = graph.node("Max", [largest, graph.float(0)]);
  const parts = graph.node("Exp", [graph.node("Sub", [value, shift])]);
  const own = graph.node("Mul", [constant, graph.node("Exp", [graph.node("Neg", [shift])])]);
  return { parts, divisor: sumOf(parts, own), shift };
}
