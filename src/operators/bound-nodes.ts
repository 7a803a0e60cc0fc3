/**
 * Words for rounding bounds of sums and of a few roundings in a row. `trigger`: the size errors have
 * by chance (roots of sums of squares, √K). `hard`: all in one direction, twice because port and
 * reference both round.
 */
import { type BoundContext, UNIT_ROUNDOFF } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { chain, filled } from "./nodes.js";
import { BOUND_UNIT, SMALLEST_NORMAL, scaled } from "./rounding.js";

/** Port and reference; 1 % for terms of higher order and for the rounding of the bound itself. */
const BOTH_SIDES = 2.02;

/** What of a {@link BoundContext} the words need. */
export type BoundMode = Pick<BoundContext, "graph" | "mode">;

/** |value|. */
export function absolute(graph: GraphBuilder, value: string): string {
  return graph.node("Abs", [value]);
}

/** value². */
export function squared(graph: GraphBuilder, value: string): string {
  return graph.node("Mul", [value, value]);
}

/** By what a size is multiplied to bound `count` roundings of it: √count·u by chance, 2·count·u at worst. */
export function roundingFactor(mode: BoundContext["mode"], count: number): number {
  return UNIT_ROUNDOFF * (mode === "hard" ? BOTH_SIDES * count : Math.sqrt(count));
}

/** Bound of `count` roundings of values of this size (not negative), underflow included. */
export function roundingOf({ graph, mode }: BoundMode, size: string, count = 1): string {
  const rounding = scaled(graph, size, roundingFactor(mode, count));
  return graph.node("Add", [rounding, graph.float(count * SMALLEST_NORMAL)]);
}

/** A bound of the output of a copy: the same copy of the bound. */
export function copied(context: BoundContext, copy: (value: string) => string): string | null {
  const [bound = null] = context.bounds;
  return bound && copy(bound);
}

/** The bound, or zeros of the shape for an exact value. */
export function orZeros(
  graph: GraphBuilder,
  bound: string | null,
  shape: readonly number[],
): string {
  return bound ?? filled(graph, 0, shape);
}

/**
 * Rounding of a sum y of `count` terms: √K·u·(√Σt² + |y|) by chance, 2·K·u·Σ|t| at worst (DESIGN §6:
 * measured on convolutions with K from 9 to 4608).
 *
 * @param terms - the terms, not yet summed
 * @param sum - adds them up: a sum with weights that are not negative
 * @param result - the sum that was computed, y
 */
export function sumRounding(
  context: BoundMode,
  count: number,
  terms: string,
  sum: (value: string) => string,
  result: string,
): string {
  const { graph, mode } = context;
  if (mode === "hard") return roundingOf(context, sum(absolute(graph, terms)), count);
  const root = graph.node("Sqrt", [sum(squared(graph, terms))]);
  return roundingOf(context, graph.node("Add", [root, absolute(graph, result)]), count);
}

/** Bound of a sum of values that have these bounds: √Σe² by chance, Σe at worst. */
export function sumOfBounds(
  { graph, mode }: BoundMode,
  bounds: string,
  sum: (value: string) => string,
): string {
  if (mode === "hard") return sum(bounds);
  const units = scaled(graph, bounds, BOUND_UNIT);
  const root = graph.node("Sqrt", [sum(squared(graph, units))]);
  return scaled(graph, root, 1 / BOUND_UNIT);
}

/** Whether multiplying a float32 by it never rounds: a power of two, or its negative. */
export function isPowerOfTwo(factor: number): boolean {
  return factor !== 0 && Number.isInteger(Math.log2(Math.abs(factor)));
}

/** As {@link sumRounding}, for a few terms that are values of their own. */
export function roundingOfTerms(
  context: BoundMode,
  count: number,
  terms: readonly string[],
  result: string,
): string {
  const { graph, mode } = context;
  if (mode === "hard") {
    const sizes = terms.map((term) => absolute(graph, term));
    return roundingOf(context, chain(graph, "Add", sizes), count);
  }
  const squares = chain(
    graph,
    "Add",
    terms.map((term) => squared(graph, term)),
  );
  const size = graph.node("Add", [graph.node("Sqrt", [squares]), absolute(graph, result)]);
  return roundingOf(context, size, count);
}
