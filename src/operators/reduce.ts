import type { OperationOf } from "../architecture/architecture.js";
import { indexOf, sizeOf } from "../tensor/tensor.js";
import { roundingOf, sumOfBounds, sumRounding } from "./bound-nodes.js";
import type { BoundContext, OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { numberOf, truthOf } from "./nodes-nd.js";
import { onlyInput } from "./shape-rules.js";

/** One number from all elements along some axes. */
export const reduceFamily: OperatorFamily<"reduce"> = {
  kind: "reduce",

  shape({ axes, keepAxes }, inputs) {
    const input = onlyInput("reduce", inputs);
    if (axes.some((axis) => axis < 0 || axis >= input.length)) {
      throw new RangeError(`reduce: axes [${axes}] of [${input}]`);
    }
    return keepAxes
      ? input.map((size, axis) => (axes.includes(axis) ? 1 : size))
      : input.filter((_, axis) => !axes.includes(axis));
  },

  lower(operation, { graph, inputs: [input = ""], output }) {
    const { function: kind } = operation.attributes;
    if (kind !== "any" && kind !== "all") {
      reduce(operation, graph, input, kind, output);
      return;
    }
    const truth = numberOf(graph, truthOf(graph, input));
    reduce(operation, graph, truth, kind === "any" ? "maximum" : "minimum", output);
  },

  bound(operation, context) {
    const {
      graph,
      inputs: [input = ""],
      output,
      bounds: [bound = null],
    } = context;
    const { function: kind } = operation.attributes;
    const count = countOf(operation, context.inputShapes);
    if (kind === "any" || kind === "all") return null;
    if (kind === "maximum" || kind === "minimum") {
      return bound && reduce(operation, graph, bound, "maximum");
    }
    if (kind === "product") return productBound(operation, context, count);
    const apply = (value: string) => reduce(operation, graph, value, kind);
    const rounding = sumRounding(context, count + 1, input, apply, output);
    return bound === null
      ? rounding
      : graph.node("Add", [rounding, sumOfBounds(context, bound, apply)]);
  },

  element({ attributes }, index, { inputShapes: [input = []], read }) {
    const { axes, keepAxes, function: kind } = attributes;
    const sizes = axes.map((axis) => input[axis] ?? 1);
    const kept = keepAxes ? index : insertAxes(index, axes, input.length);
    const values = Array.from({ length: sizeOf(sizes) }, (_, k) => {
      const place = [...kept];
      indexOf(k, sizes).forEach((position, a) => {
        place[axes[a] ?? 0] = position;
      });
      return read(0, place);
    });
    return combine(kind, values);
  },

  cost: countOf,
};

function combine(kind: OperationOf<"reduce">["attributes"]["function"], values: number[]): number {
  const nan = values.some(Number.isNaN);
  switch (kind) {
    case "sum":
      return values.reduce((sum, value) => sum + value, 0);
    case "mean":
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    case "product":
      return values.reduce((product, value) => product * value, 1);
    case "maximum":
      return nan ? Number.NaN : values.reduce((a, b) => Math.max(a, b));
    case "minimum":
      return nan ? Number.NaN : values.reduce((a, b) => Math.min(a, b));
    case "any":
      return values.some((value) => value !== 0) ? 1 : 0;
    case "all":
      return values.every((value) => value !== 0) ? 1 : 0;
  }
}

function insertAxes(index: readonly number[], axes: readonly number[], rank: number): number[] {
  let next = 0;
  return Array.from({ length: rank }, (_, axis) =>
    axes.includes(axis) ? 0 : (index[next++] ?? 0),
  );
}

function reduce(
  { attributes: { axes, keepAxes } }: OperationOf<"reduce">,
  graph: GraphBuilder,
  value: string,
  kind: "sum" | "mean" | "maximum" | "minimum" | "product",
  output?: string,
): string {
  const keepdims = { int: keepAxes ? 1 : 0 };
  if (kind === "sum") {
    return graph.node("ReduceSum", [value, graph.ints(axes)], { keepdims }, output);
  }
  const names = {
    mean: "ReduceMean",
    maximum: "ReduceMax",
    minimum: "ReduceMin",
    product: "ReduceProd",
  };
  return graph.node(names[kind], [value], { axes: { ints: axes }, keepdims }, output);
}

/** Relative errors of factors add up: |y|·Σ(e/|x|); where a factor is 0 the bound says nothing exact and takes Σe·max|x|^(n−1). */
function productBound(
  operation: OperationOf<"reduce">,
  context: BoundContext,
  count: number,
): string {
  const {
    graph,
    inputs: [input = ""],
    output,
    bounds: [bound = null],
  } = context;
  const rounding = roundingOf(context, graph.node("Abs", [output]), count);
  if (bound === null) return rounding;
  const size = graph.node("Add", [graph.node("Abs", [input]), bound]);
  const largest = graph.node("Max", [reduce(operation, graph, size, "maximum"), graph.float(1)]);
  const others = graph.node("Pow", [largest, graph.float(count - 1)]);
  const passed = graph.node("Mul", [reduce(operation, graph, bound, "sum"), others]);
  return graph.node("Add", [rounding, passed]);
}

/** Elements that become one. */
function countOf(
  { attributes: { axes } }: OperationOf<"reduce">,
  [input = []]: readonly (readonly number[])[],
): number {
  return axes.reduce((product, axis) => product * (input[axis] ?? 1), 1);
}
