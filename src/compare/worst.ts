import { indexOf } from "../tensor/tensor.js";

/** One element that is far off. */
export interface WorstElement {
  /** Multi-index, in the axes of the shape given. */
  readonly index: readonly number[];
  /** Flat row-major position. */
  readonly position: number;
  readonly actual: number;
  readonly expected: number;
  /** |actual − expected|; Infinity where one side is not finite and the other not the same. */
  readonly error: number;
  /** What the elements are ranked by: error ÷ bound with a bound, else the error. */
  readonly score: number;
}

/**
 * The `count` worst elements, worst first; equal scores in the order of their positions. Elements
 * that are equal are never among them.
 *
 * @param shape of all arrays
 * @param bound of each element's error; a bound that is not above 0 makes any error infinitely bad
 */
export function worstElements(
  actual: Float32Array,
  expected: Float32Array,
  shape: readonly number[],
  count: number,
  bound?: Float32Array,
): WorstElement[] {
  const positions: number[] = [];
  const scores: number[] = [];
  for (let i = 0; i < expected.length; i++) {
    const score = scoreOf(actual[i] as number, expected[i] as number, bound?.[i]);
    // Almost every element is beaten by the worst ones found so far: one comparison, no sorting.
    if (!(score > 0) || (scores.length === count && score <= (scores[count - 1] ?? 0))) continue;
    const place = scores.findIndex((other) => other < score);
    const at = place < 0 ? scores.length : place;
    scores.splice(at, 0, score);
    positions.splice(at, 0, i);
    scores.length = positions.length = Math.min(count, scores.length);
  }
  return positions.map((position, k) => ({
    index: indexOf(position, shape),
    position,
    actual: actual[position] as number,
    expected: expected[position] as number,
    error: errorOf(actual[position] as number, expected[position] as number),
    score: scores[k] as number,
  }));
}

function errorOf(actual: number, expected: number): number {
  if (Object.is(actual, expected)) return 0;
  const error = Math.abs(actual - expected);
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

function scoreOf(actual: number, expected: number, bound: number | undefined): number {
  const error = errorOf(actual, expected);
  if (bound === undefined || error === 0) return error;
  return bound > 0 && bound < Number.POSITIVE_INFINITY ? error / bound : Number.POSITIVE_INFINITY;
}
