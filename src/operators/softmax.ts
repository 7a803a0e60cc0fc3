import type { OperationOf } from "../architecture/architecture.js";
import { absolute, roundingFactor, sumOfBounds } from "./bound-nodes.js";
import { type BoundContext, type OperatorFamily, UNIT_ROUNDOFF } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { reduceMax, reduceSum, reshape } from "./nodes.js";
import { scaled, sum } from "./rounding.js";
import { divide, onlyInput, sizeOfAxis, withAxis } from "./shape-rules.js";

/** Softmax of x/temperature over consecutive groups of `size` elements of `axis`; the group's maximum is subtracted first. */
export const softmaxFamily: OperatorFamily<"softmax"> = {
  kind: "softmax",
  shape: ({ axis, size }, inputs) => {
    const input = onlyInput("softmax", inputs);
    divide("softmax", `size of axis ${axis}`, sizeOfAxis("softmax", input, axis), size);
    return input;
  },
  lower: (operation, { graph, inputs: [input = ""], output }) => {
    const { axis, size, temperature } = operation.attributes;
    if (size === operation.shape[axis]) {
      softmax(graph, input, axis, temperature, output);
      return;
    }
    const groups = softmax(graph, grouped(graph, input, operation), axis + 1, temperature);
    reshape(graph, groups, operation.shape, output);
  },
  bound: (operation, context) => {
    const {
      graph,
      inputs: [input = ""],
      bounds: [bound = null],
      output,
    } = context;
    const { axis, size, temperature } = operation.attributes;
    const group = (value: string) => grouped(graph, value, operation);
    const values = {
      input: group(input),
      bound: bound && group(bound),
      output: group(output),
      axis: axis + 1,
      size,
      temperature,
    };
    return reshape(graph, softmaxBound(context, values), operation.shape);
  },
  element: ({ attributes: { axis, size, temperature } }, index, { read }) => {
    const position = index[axis] ?? 0;
    const first = position - (position % size);
    const group = Array.from({ length: size }, (_, k) => read(0, withAxis(index, axis, first + k)));
    return softmaxOf(group, position % size, Math.fround(temperature));
  },
  cost: ({ attributes: { size } }) => 20 * size,
};

/** One element of the softmax of values/temperature, in float64. */
export function softmaxOf(values: readonly number[], which: number, temperature = 1): number {
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp((value - largest) / temperature));
  return (powers[which] ?? Number.NaN) / powers.reduce((a, b) => a + b, 0);
}

/** Adds the softmax over a whole axis. */
export function softmax(
  graph: GraphBuilder,
  value: string,
  axis: number,
  temperature = 1,
  output?: string,
): string {
  const below = graph.node("Sub", [value, reduceMax(graph, value, [axis])]);
  const cooled = temperature === 1 ? below : graph.node("Div", [below, graph.float(temperature)]);
  const powers = graph.node("Exp", [cooled]);
  return graph.node("Div", [powers, reduceSum(graph, powers, [axis])], {}, output);
}

/** What {@link softmaxBound} needs to know; the softmax is over the whole of `axis`, which has `size` elements. */
export interface SoftmaxValues {
  readonly input: string;
  readonly bound: string | null;
  readonly output: string;
  readonly axis: number;
  readonly size: number;
  readonly temperature: number;
}

/**
 * y_i = p_i/Σp, p_i = e^t_i: with d_i the error of t_i and of the power, |dy_i| ≤ y_i·(d_i + Σ y_j·d_j +
 * rounding of the sum and the quotient). Also right for a port that divides before it subtracts.
 */
export function softmaxBound(
  context: Pick<BoundContext, "graph" | "mode" | "functionError">,
  { input, bound, output, axis, size, temperature }: SoftmaxValues,
): string {
  const { graph, mode, functionError } = context;
  const exp = functionError("exp");
  const largest = reduceMax(graph, input, [axis]);
  const distance = absolute(graph, graph.node("Sub", [input, largest]));
  const sizes = graph.node("Add", [absolute(graph, input), absolute(graph, largest)]);
  const once = roundingFactor(mode, 1) / temperature;
  const moved = sum(
    graph,
    scaled(graph, distance, temperature === 1 ? once : 2 * once),
    temperature === 1 ? null : scaled(graph, sizes, once),
    graph.float(exp.ulp * UNIT_ROUNDOFF),
    bound && scaled(graph, bound, 1 / temperature),
  );
  const shares = graph.node("Mul", [output, moved]);
  const common = sumOfBounds(context, shares, (value) => reduceSum(graph, value, [axis]));
  const last = graph.float(roundingFactor(mode, size + 1));
  const relative = sum(graph, moved, common, last);
  const underflow = graph.float((exp.absolute + 2 ** -126) * (1 + size));
  return sum(graph, graph.node("Mul", [output, relative]), underflow);
}

/** The axis split into groups: [.., n/size, size, ..]. */
function grouped(
  graph: GraphBuilder,
  value: string,
  { attributes: { axis, size }, shape }: OperationOf<"softmax">,
): string {
  return reshape(graph, value, shape.toSpliced(axis, 1, (shape[axis] ?? 1) / size, size));
}
