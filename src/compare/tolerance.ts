import { checkLengths } from "./metrics.js";

/** A value passes when `|actual − expected| ≤ atol + rtol·|expected|`. Both are required. */
export interface Tolerance {
  /** Absolute part, in the unit of the values, ≥ 0. */
  readonly atol: number;
  /** Relative part, a fraction of `|expected|` (0.01 is one percent), ≥ 0. */
  readonly rtol: number;
}

/** What a comparison with a {@link Tolerance} found. */
export interface ToleranceResult {
  /** Elements compared. */
  readonly count: number;
  /** Elements beyond the tolerance. */
  readonly over: number;
  /** Largest error ÷ tolerance; `null` where every tolerance is 0 and all values are equal. */
  readonly ratio: number | null;
  /** Flat position of `ratio`, the first of several; -1 when it is `null` or 0. */
  readonly ratioIndex: number;
}

/**
 * Compares with `|actual − expected| ≤ atol + rtol·|expected|`, in float64 (the formula of
 * torch.testing.assert_close). NaN fails, also where both sides have it; an infinity passes only
 * where both sides are the same one.
 *
 * @throws {RangeError} when the lengths differ or a tolerance is negative or NaN
 */
export function compareTolerance(
  actual: Float32Array,
  expected: Float32Array,
  { atol, rtol }: Tolerance,
): ToleranceResult {
  checkLengths(actual, expected, undefined);
  if (!(atol >= 0 && rtol >= 0)) {
    throw new RangeError(`tolerance atol ${atol}, rtol ${rtol}, expected numbers from 0 on`);
  }
  let over = 0;
  let worst = -1;
  let worstIndex = -1;
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i] as number;
    const e = expected[i] as number;
    const ratio = ratioOf(Math.abs(a - e), atol + rtol * Math.abs(e), a === e);
    if (ratio > 1) over += 1;
    if (ratio > Math.max(worst, 0)) worstIndex = i;
    if (ratio > worst) worst = ratio;
  }
  return { count: expected.length, over, ratio: worst < 0 ? null : worst, ratioIndex: worstIndex };
}

/** Error ÷ tolerance, -1 where there is nothing to divide by and nothing wrong. */
function ratioOf(error: number, tolerance: number, equal: boolean): number {
  if (equal) return tolerance > 0 ? 0 : -1;
  // `error <= tolerance` is false for NaN; an infinite error is wrong whatever the tolerance.
  if (!(error < Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY;
  if (error <= tolerance) return tolerance > 0 ? Math.min(1, error / tolerance) : -1;
  return tolerance > 0 ? Math.max(error / tolerance, 1 + Number.EPSILON) : Number.POSITIVE_INFINITY;
}
