import { type ChannelFit, fitChannels } from "./channel-fit.js";
import { compareWasm } from "./compare-wasm.js";
import type { Metrics } from "./metrics.js";
import { type SideStatistics, sideStatistics } from "./side-statistics.js";

/** A tap's values on both sides, in one layout. */
export interface TapValues {
  readonly actual: Float32Array;
  readonly expected: Float32Array;
  /** Bound of each element's error; `null`: the values must be equal. */
  readonly bound: Float32Array | null;
  readonly shape: readonly number[];
  readonly channelAxis: number;
  /** Whether to look for a systematic gain or offset of whole channels. */
  readonly fit: boolean;
  /** Whether a gain of the negative side alone is looked for as well (leaky and its kin). */
  readonly negativeSide: boolean;
}

/** Everything one look at a tap found. Plain data. */
export interface TapComparison {
  readonly metrics: Metrics;
  readonly side: SideStatistics;
  /** Worst systematic deviation of a whole channel, `null` where none is looked for or none can be told. */
  readonly fit: ChannelFit | null;
  /** Values at the worst element: the largest ratio, or the largest error where there is no ratio. */
  readonly worst: {
    readonly index: number;
    readonly actual: number;
    readonly expected: number;
    readonly bound: number;
  } | null;
  /** Whether it is more than what rounding makes of it by chance: the judge must look. */
  readonly suspicious: boolean;
}

/** Compares one tap: values against their bound, NaN and infinities, and whole channels. */
export function compareTap(values: TapValues): TapComparison {
  const { actual, expected, bound, shape, channelAxis } = values;
  const zero = bound ?? undefined;
  const metrics = compareWasm(actual, expected, zero === undefined ? {} : { bound: zero });
  const side = sideStatistics(actual, expected, bound, shape, channelAxis);
  const broken = metrics.nonFiniteMismatch > 0 || metrics.nanExpected > 0;
  const differs = bound === null ? metrics.maxAbs > 0 : metrics.overBound > 0;
  const fit =
    values.fit && bound !== null && !broken
      ? fitChannels({
          actual,
          expected,
          bound,
          shape,
          channelAxis,
          negativeSide: values.negativeSide,
        })
      : null;
  return {
    metrics,
    side,
    fit,
    worst: worstOf(values, metrics),
    suspicious: broken || differs || fit?.significant === true,
  };
}

function worstOf({ actual, expected, bound }: TapValues, metrics: Metrics): TapComparison["worst"] {
  const index =
    [metrics.nonFiniteIndex, metrics.ratioIndex, metrics.maxAbsIndex].find((at) => at >= 0) ?? -1;
  if (index < 0) return null;
  return {
    index,
    actual: actual[index] as number,
    expected: expected[index] as number,
    bound: bound === null ? 0 : (bound[index] as number),
  };
}
