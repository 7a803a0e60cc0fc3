/** Short words for the ONNX nodes (opset 17) that several families need. */
import type { GraphBuilder } from "./graph.js";

/** Largest finite float32, negative: what Darknet's max pools start from and therefore what lies outside a map. */
export const LOWEST_FLOAT32 = -3.4028234663852886e38;

/** Same values, other shape; `output` names the result. */
export function reshape(
  graph: GraphBuilder,
  value: string,
  shape: readonly number[],
  output?: string,
): string {
  return graph.node("Reshape", [value, graph.ints(shape)], {}, output);
}

/** Axis `k` of the result is axis `permutation[k]` of the value. */
export function permute(
  graph: GraphBuilder,
  value: string,
  permutation: readonly number[],
  output?: string,
): string {
  return graph.node("Transpose", [value], { perm: { ints: permutation } }, output);
}

/** Elements `start, start + step, …` below `end` of one axis. */
export function slice(
  graph: GraphBuilder,
  value: string,
  range: {
    readonly axis: number;
    readonly start: number;
    readonly end: number;
    readonly step?: number;
  },
  output?: string,
): string {
  const { axis, start, end, step = 1 } = range;
  const bounds = [start, end, axis, step].map((number) => graph.ints([number]));
  return graph.node("Slice", [value, ...bounds], {}, output);
}

/** A constant around the value: `before` and `after` have one number an axis. */
export function pad(
  graph: GraphBuilder,
  value: string,
  amount: {
    readonly before: readonly number[];
    readonly after: readonly number[];
    readonly with: number;
  },
  output?: string,
): string {
  const pads = graph.ints([...amount.before, ...amount.after]);
  return graph.node("Pad", [value, pads, graph.float(amount.with)], {}, output);
}

/** The value repeated along axes of size 1 to reach the shape. */
export function expand(
  graph: GraphBuilder,
  value: string,
  shape: readonly number[],
  output?: string,
): string {
  return graph.node("Expand", [value, graph.ints(shape)], {}, output);
}

/** A tensor that holds one number everywhere. */
export function filled(
  graph: GraphBuilder,
  value: number,
  shape: readonly number[],
  output?: string,
): string {
  return expand(graph, graph.float(value), shape, output);
}

/** Sum over axes; they disappear unless `keep`. */
export function reduceSum(
  graph: GraphBuilder,
  value: string,
  axes: readonly number[],
  keep = true,
  output?: string,
): string {
  const attributes = { keepdims: { int: keep ? 1 : 0 } };
  return graph.node("ReduceSum", [value, graph.ints(axes)], attributes, output);
}

/** Maximum over axes; they disappear unless `keep`. */
export function reduceMax(
  graph: GraphBuilder,
  value: string,
  axes: readonly number[],
  keep = true,
  output?: string,
): string {
  const attributes = { axes: { ints: axes }, keepdims: { int: keep ? 1 : 0 } };
  return graph.node("ReduceMax", [value], attributes, output);
}

/** The value times a number; the value itself where the number is 1 and no name is asked for. */
export function times(graph: GraphBuilder, value: string, factor: number, output?: string): string {
  if (factor !== 1) return graph.node("Mul", [value, graph.float(factor)], {}, output);
  return output === undefined ? value : graph.node("Identity", [value], {}, output);
}

/** Left to right: the first and the second, that and the third, … */
export function chain(
  graph: GraphBuilder,
  opType: "Add" | "Mul" | "Sub" | "Max",
  values: readonly string[],
  output?: string,
): string {
  const [first, ...rest] = values;
  if (first === undefined) throw new RangeError(`${opType} of nothing`);
  if (rest.length === 0) return times(graph, first, 1, output);
  return rest.reduce(
    (sum, value, k) =>
      graph.node(opType, [sum, value], {}, k === rest.length - 1 ? output : undefined),
    first,
  );
}

/**
 * 1/(1 + e^−x). ONNX's own Sigmoid is off by 9e-8 absolute in ONNX Runtime, 10⁴ ulp at −10; this is
 * within 2 ulp, 0 far below and 1 far above (an Exp that overflows to infinity gives exactly 0).
 */
export function logistic(graph: GraphBuilder, value: string, output?: string): string {
  const power = graph.node("Exp", [graph.node("Neg", [value])]);
  const below = graph.node("Add", [power, graph.float(1)]);
  return graph.node("Div", [graph.float(1), below], {}, output);
}
