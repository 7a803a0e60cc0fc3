/**
 * What one pass over two arrays finds. `actual` is the port, `expected` the reference; sums are
 * float64. A position where one side is not finite and the other is not the same makes `maxAbs`,
 * `maxRel`, `rmse` and `ratio` infinite: nothing that looks at one number only can overlook it.
 */
export interface Metrics {
  /** Elements compared. */
  readonly count: number;
  /** Largest |actual − expected|, in the unit of the values. */
  readonly maxAbs: number;
  /** Flat position of `maxAbs`, the first of several; -1 when all elements are equal. */
  readonly maxAbsIndex: number;
  /** Largest |actual − expected| ÷ max(|expected|, {@link RELATIVE_FLOOR}). */
  readonly maxRel: number;
  /** √(mean of (actual − expected)²) over the finite pairs. */
  readonly rmse: number;
  /** Cosine of the angle between both sides, -1…1; `null` when a side is all zeros or some pair is not finite. */
  readonly cosine: number | null;
  /**
   * Largest |actual − expected| ÷ bound. `null` without a bound, and where every bound is 0 and all
   * values are equal; Infinity where a value differs though its bound is 0 (or is no finite number).
   */
  readonly ratio: number | null;
  /** Flat position of `ratio`, the first of several; -1 when it is `null` or 0. */
  readonly ratioIndex: number;
  /** Elements whose ratio is over the limit. */
  readonly overBound: number;
  /** Elements of `expected` that are NaN: nothing can prove a value equal to them. */
  readonly nanExpected: number;
  /** Elements of `expected` that are NaN or infinite. */
  readonly nonFiniteExpected: number;
  /** Positions where one side is not finite and the other is not the same (NaN stands for NaN). */
  readonly nonFiniteMismatch: number;
  /** The first of them; -1 when there is none. */
  readonly nonFiniteIndex: number;
}

/** What to compare with, beside the values. */
export interface CompareOptions {
  /** Bound of each element's error, in the unit of the values, ≥ 0. */
  readonly bound?: Float32Array;
  /** Largest ratio that does not count as over the bound, rounded to float32; default 1. */
  readonly limit?: number;
}

/**
 * Compares two arrays element by element in one pass.
 *
 * @throws {RangeError} when the lengths differ: nothing is broadcast or cut to fit
 */
export type Compare = (
  actual: Float32Array,
  expected: Float32Array,
  options?: CompareOptions,
) => Metrics;

/**
 * Expected values smaller than this count as this in the relative error: activations are of order
 * one, and below a millionth the quotient says how small the value is, not how wrong.
 */
export const RELATIVE_FLOOR: number = 2 ** -20;

/** Running state of a comparison. Implementations add to it block by block. */
export interface Accumulator {
  maxAbs: number;
  maxAbsIndex: number;
  maxRel: number;
  /** -1 until an element had a ratio. */
  ratio: number;
  ratioIndex: number;
  overBound: number;
  nanExpected: number;
  nonFiniteExpected: number;
  nonFiniteMismatch: number;
  nonFiniteIndex: number;
  sumSquaredError: number;
  sumSquaredActual: number;
  sumSquaredExpected: number;
  dot: number;
}

/** The state before the first element. */
export function newAccumulator(): Accumulator {
  return {
    maxAbs: 0,
    maxAbsIndex: -1,
    maxRel: 0,
    ratio: -1,
    ratioIndex: -1,
    overBound: 0,
    nanExpected: 0,
    nonFiniteExpected: 0,
    nonFiniteMismatch: 0,
    nonFiniteIndex: -1,
    sumSquaredError: 0,
    sumSquaredActual: 0,
    sumSquaredExpected: 0,
    dot: 0,
  };
}

/** The result of a finished pass over `count` elements. */
export function metricsFrom(sums: Accumulator, count: number): Metrics {
  const finite = count - sums.nonFiniteExpected;
  const broken = sums.nonFiniteMismatch > 0;
  const norm = Math.sqrt(sums.sumSquaredActual) * Math.sqrt(sums.sumSquaredExpected);
  const angle = norm === 0 || broken || sums.nonFiniteExpected > 0 ? null : sums.dot / norm;
  return {
    count,
    maxAbs: broken ? Number.POSITIVE_INFINITY : sums.maxAbs,
    maxAbsIndex: broken ? sums.nonFiniteIndex : sums.maxAbsIndex,
    maxRel: broken ? Number.POSITIVE_INFINITY : sums.maxRel,
    rmse: broken ? Number.POSITIVE_INFINITY : Math.sqrt(sums.sumSquaredError / Math.max(finite, 1)),
    cosine: angle === null ? null : Math.max(-1, Math.min(1, angle)),
    ratio: sums.ratio < 0 ? null : sums.ratio,
    ratioIndex: sums.ratioIndex,
    overBound: sums.overBound,
    nanExpected: sums.nanExpected,
    nonFiniteExpected: sums.nonFiniteExpected,
    nonFiniteMismatch: sums.nonFiniteMismatch,
    nonFiniteIndex: sums.nonFiniteIndex,
  };
}

/** @throws {RangeError} when the arrays of a comparison are not equally long */
export function checkLengths(
  actual: Float32Array,
  expected: Float32Array,
  bound: Float32Array | undefined,
): void {
  if (actual.length !== expected.length) {
    throw new RangeError(`actual has ${actual.length} values, expected ${expected.length}`);
  }
  if (bound !== undefined && bound.length !== expected.length) {
    throw new RangeError(`bound has ${bound.length} values, expected ${expected.length}`);
  }
}
