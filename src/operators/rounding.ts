import { type BoundContext, UNIT_ROUNDOFF } from "./family.js";
import type { GraphBuilder } from "./graph.js";

/**
 * How many times the `trigger` bound an error may be before an element is looked at more closely.
 *
 * The trigger is the size that rounding has by chance; measured, TensorFlow.js against ONNX Runtime
 * stays below 2.1 times it (K = 9 … 4608; 99.9 % below 0.82: `docs/tolerance.md`). Families do not
 * multiply by it, the comparison does.
 */
export const TRIGGER_FACTOR: number = 4;

/** Largest number that a processor may take for 0 (and Darknet's `-Ofast` builds do): 2^-126. */
export const SMALLEST_NORMAL: number = 2 ** -126;

/** Largest float32: sizes whose squares overflow count as this, so that no bound is ∞ or ∞·0. */
const LARGEST = 3.4028234663852886e38;

/** Just below the root of {@link LARGEST}: what is larger is squared as this. Beyond any use. */
const LARGEST_ROOT = 1.8e19;

/** Squares of bounds would leave the range of float32; in units of 2^-24 they do not. */
export const BOUND_UNIT: number = 2 ** 24;

/** `value · factor`, or `value` itself when the factor is 1. */
export function scaled(graph: GraphBuilder, value: string, factor: number): string {
  return factor === 1 ? value : graph.node("Mul", [value, graph.float(factor)]);
}

/** Sum of the terms that are there; `null` when none is. */
export function total(graph: GraphBuilder, terms: readonly (string | null)[]): string | null {
  return terms
    .filter((term) => term !== null)
    .reduce<string | null>(
      (sum, term) => (sum === null ? term : graph.node("Add", [sum, term])),
      null,
    );
}

/** As {@link total}, for terms of which one at least is there. */
export function sum(
  graph: GraphBuilder,
  first: string,
  ...rest: readonly (string | null)[]
): string {
  return total(graph, [first, ...rest]) ?? first;
}

/** Magnitude of a value times some units of rounding: `count · u · |value|`. */
export function roundings(graph: GraphBuilder, value: string, count: number): string {
  return scaled(graph, graph.node("Abs", [value]), count * UNIT_ROUNDOFF);
}

/** What a sum of products needs to be bounded. */
export interface LinearBound {
  readonly context: BoundContext;
  /** Number of terms of the longest sum, bias included. */
  readonly terms: number;
  /** The input as the operation reads it, and its bound likewise. */
  readonly input: string;
  readonly inputBound: string | null;
  /** The factors; default the weight `kernel`. */
  readonly kernel?: string;
  /** Bound of the factors, where they are computed; in full, whatever the mode. */
  readonly kernelBound?: string | null;
  /** Adds the nodes of the operation, without bias, on another input and kernel. */
  readonly apply: (input: string, kernel: string) => string;
  /** The bias, broadcastable to the output; `null` without. */
  readonly bias: string | null;
}

/**
 * Bound of a sum of K products `y = Σ w·x + b`.
 *
 * `trigger`: √K·u·(√(Σ(w·x)² + b²) + |y|) + √Σ(w·e)²; `hard`: 2·K·u·(Σ|w||x| + |b|) + Σ|w|e, twice
 * because port and reference both round. Both with the room for products that underflow.
 */
export function linearBound({
  context,
  terms,
  input,
  inputBound,
  kernel = context.weight("kernel"),
  kernelBound = null,
  apply,
  bias,
}: LinearBound): string {
  const { graph, mode, output } = context;
  const ofKernel = kernelBound && apply(graph.node("Abs", [input]), kernelBound);
  const squared = (value: string) => graph.node("Mul", [value, value]);
  const underflow = graph.float(terms * SMALLEST_NORMAL);
  if (mode === "hard") {
    const absolute = graph.node("Abs", [kernel]);
    const products = apply(graph.node("Abs", [input]), absolute);
    const sizes = sum(graph, products, bias === null ? null : graph.node("Abs", [bias]));
    // 1 % for the terms of higher order and for the rounding of this bound itself.
    const rounding = scaled(graph, sizes, 2.02 * terms * UNIT_ROUNDOFF);
    const passed = inputBound === null ? null : scaled(graph, apply(inputBound, absolute), 1.01);
    return sum(graph, rounding, passed, ofKernel, underflow);
  }
  const squares = squared(kernel);
  const limits = [graph.float(-LARGEST_ROOT), graph.float(LARGEST_ROOT)];
  const limited = (value: string) => graph.node("Clip", [value, ...limits]);
  const products = apply(squared(limited(input)), squares);
  const root = graph.node("Sqrt", [sum(graph, products, bias === null ? null : squared(bias))]);
  const size = graph.node("Min", [root, graph.float(LARGEST)]);
  const rounding = scaled(
    graph,
    graph.node("Add", [size, graph.node("Abs", [output])]),
    Math.sqrt(terms) * UNIT_ROUNDOFF,
  );
  if (inputBound === null) return sum(graph, rounding, ofKernel, underflow);
  const units = squared(limited(scaled(graph, inputBound, BOUND_UNIT)));
  const passed = scaled(graph, graph.node("Sqrt", [apply(units, squares)]), 1 / BOUND_UNIT);
  return sum(graph, rounding, passed, ofKernel, underflow);
}
