import {
  type Accumulator,
  type CompareOptions,
  checkLengths,
  type Metrics,
  metricsFrom,
  newAccumulator,
  RELATIVE_FLOOR,
} from "./metrics.js";

/**
 * The comparison as its definition says, one element after another. Everything faster is tested
 * against it.
 *
 * @throws {RangeError} when the lengths differ
 */
export function comparePlain(
  actual: Float32Array,
  expected: Float32Array,
  options: CompareOptions = {},
): Metrics {
  checkLengths(actual, expected, options.bound);
  const sums = newAccumulator();
  accumulate(sums, actual, expected, options, 0, expected.length);
  return metricsFrom(sums, expected.length);
}

/** Adds the elements `[begin, end)` to the state. */
export function accumulate(
  sums: Accumulator,
  actual: Float32Array,
  expected: Float32Array,
  options: CompareOptions,
  begin: number,
  end: number,
): void {
  const { bound } = options;
  const limit = Math.fround(options.limit ?? 1);
  for (let i = begin; i < end; i++) {
    const a = actual[i] as number;
    const e = expected[i] as number;
    if (!Number.isFinite(a) || !Number.isFinite(e)) {
      addNonFinite(sums, a, e, bound !== undefined, i);
      continue;
    }
    sums.sumSquaredError += (a - e) * (a - e);
    sums.sumSquaredActual += a * a;
    sums.sumSquaredExpected += e * e;
    sums.dot += a * e;
    const error = toFloat32(Math.abs(a - e));
    if (error > sums.maxAbs) {
      sums.maxAbs = error;
      sums.maxAbsIndex = i;
    }
    const relative = toFloat32(error / Math.max(Math.abs(e), RELATIVE_FLOOR));
    if (relative > sums.maxRel) sums.maxRel = relative;
    if (bound !== undefined) addRatio(sums, error, bound[i] as number, limit, i);
  }
}

/** `ratio` is null until an element had a bound above zero or an error beyond a bound of zero. */
function addRatio(sums: Accumulator, error: number, bound: number, limit: number, i: number): void {
  const usable = bound > 0 && bound < Number.POSITIVE_INFINITY;
  if (!usable && error === 0) return;
  const ratio = usable ? toFloat32(error / bound) : Number.POSITIVE_INFINITY;
  if (ratio > limit) sums.overBound += 1;
  if (ratio > Math.max(sums.ratio, 0)) sums.ratioIndex = i;
  if (ratio > sums.ratio) sums.ratio = ratio;
}

function addNonFinite(sums: Accumulator, a: number, e: number, bounded: boolean, i: number): void {
  if (!Number.isFinite(e)) sums.nonFiniteExpected += 1;
  if (Number.isNaN(e)) sums.nanExpected += 1;
  if (Object.is(a, e)) return;
  sums.nonFiniteMismatch += 1;
  if (sums.nonFiniteIndex < 0) sums.nonFiniteIndex = i;
  if (bounded) {
    sums.overBound += 1;
    if (sums.ratio < Number.POSITIVE_INFINITY) sums.ratioIndex = i;
    sums.ratio = Number.POSITIVE_INFINITY;
  }
}

/**
 * Errors and quotients are rounded once to float32, as the SIMD kernel does, so both find the same
 * maximum at the same place; beyond float32's range they stay float64.
 */
function toFloat32(value: number): number {
  const rounded = Math.fround(value);
  return Number.isFinite(rounded) ? rounded : value;
}
