/** What a sample of the reference's values says about what a tap could have shown. */
export interface SideStatistics {
  /** Whether some expected value is negative; exact. */
  readonly hasNegative: boolean;
  /** Whether some expected value is not 0; exact. */
  readonly hasNonZero: boolean;
  /** Largest |expected| ÷ bound of each channel, of a sample: 1 ÷ this is the smallest relative gain that shows. */
  readonly channelPeak: Float32Array;
  /** Largest |expected| ÷ bound where expected is negative, of a sample; 0 where none is. */
  readonly negativePeak: number;
  /** Root mean square of error ÷ bound over a sample: how exact the port is as a whole. */
  readonly ratioRms: number;
}

/** Elements looked at where a sample is enough: some from each channel of the widest maps. */
const SAMPLE = 1 << 14;

/**
 * Looks at (a sample of) a tap's values beside its bound.
 *
 * @param shape - shape of both, row-major
 * @param channelAxis - axis of the channels in that shape
 */
export function sideStatistics(
  actual: Float32Array,
  expected: Float32Array,
  bound: Float32Array | null,
  shape: readonly number[],
  channelAxis: number,
): SideStatistics {
  const inner = shape.slice(channelAxis + 1).reduce((a, b) => a * b, 1);
  const channels = shape[channelAxis] ?? 1;
  const channelPeak = new Float32Array(channels);
  // An odd step visits all channels of either layout.
  const step = Math.max(1, Math.floor(expected.length / SAMPLE) | 1);
  let [negativePeak, sum, count] = [0, 0, 0];
  for (let i = 0; i < expected.length; i += step) {
    const limit = bound === null ? 0 : (bound[i] as number);
    if (!(limit > 0)) continue;
    const e = expected[i] as number;
    const peak = Math.abs(e) / limit;
    const channel = Math.floor(i / inner) % channels;
    if (peak > (channelPeak[channel] as number)) channelPeak[channel] = peak;
    if (e < 0 && peak > negativePeak) negativePeak = peak;
    const ratio = ((actual[i] as number) - e) / limit;
    if (Number.isFinite(ratio)) {
      sum += ratio * ratio;
      count += 1;
    }
  }
  return {
    hasNegative: hasNegative(expected),
    hasNonZero: expected.some((e) => e !== 0),
    channelPeak,
    negativePeak,
    ratioRms: Math.sqrt(sum / Math.max(count, 1)),
  };
}

/** A plain loop: where no value is negative, all are looked at. */
function hasNegative(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if ((values[i] as number) < 0) return true;
  return false;
}
