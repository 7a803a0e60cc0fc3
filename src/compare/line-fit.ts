/** Elements to fit a line through. */
export interface Sample {
  /** Elements that count: the first ones of each array. */
  count: number;
  readonly expected: Float64Array;
  /** actual − expected */
  readonly error: Float64Array;
  /** 1 ÷ variance of the error, up to a common factor. */
  readonly weight: Float64Array;
}

/** A line with its standard errors; see `ChannelLine`. */
export interface Line {
  readonly gain: number;
  readonly offset: number;
  readonly gainZ: number;
  readonly offsetZ: number;
  readonly z: number;
  readonly effect: number;
  readonly nEff: number;
}

/** Room for a sample of up to `size` elements. */
export function newSample(size: number): Sample {
  const [expected, error, weight] = [0, 1, 2].map(() => new Float64Array(size)) as [
    Float64Array<ArrayBuffer>,
    Float64Array<ArrayBuffer>,
    Float64Array<ArrayBuffer>,
  ];
  return { count: 0, expected, error, weight };
}

/**
 * The line `error = offset + gain·expected` by least squares.
 *
 * @param negativeOnly whether only elements with `expected < 0` count
 * @param bounded whether the weights are 1 ÷ bound²; then `effect` is in bounds
 * @returns `null` with fewer than three elements, or where the expected values hardly vary
 */
export function fitLine(sample: Sample, negativeOnly: boolean, bounded: boolean): Line | null {
  // One by one: taken from an array they would be boxed, and the loop twice as slow.
  let n = 0;
  let w = 0;
  let we = 0;
  let wd = 0;
  let wee = 0;
  let wed = 0;
  let wdd = 0;
  for (let k = 0; k < sample.count; k++) {
    const e = sample.expected[k] as number;
    if (negativeOnly && e >= 0) continue;
    const d = sample.error[k] as number;
    const weight = sample.weight[k] as number;
    n += 1;
    w += weight;
    we += weight * e;
    wd += weight * d;
    wee += weight * e * e;
    wed += weight * e * d;
    wdd += weight * d * d;
  }
  const meanE = we / w;
  const meanD = wd / w;
  const spread = wee - w * meanE * meanE;
  if (n < 3 || !(spread > 1e-9 * wee)) return null;
  const gain = (wed - w * meanE * meanD) / spread;
  const offset = meanD - gain * meanE;
  const explained = w * meanD * meanD + gain * gain * spread;
  // A port's result is itself rounded to float32: an error of up to u·|e|, a third of its square on average.
  const rounding = (wee / n) * (2 ** -48 / 3);
  const noise = Math.max((wdd - explained) / (n - 2), rounding);
  return {
    gain,
    offset,
    gainZ: gain / Math.sqrt(noise / spread),
    offsetZ: offset / Math.sqrt(noise * (1 / w + (meanE * meanE) / spread)),
    z: Math.sqrt(explained / noise),
    effect: Math.sqrt(explained / (bounded ? n : wee)),
    nEff: n,
  };
}
