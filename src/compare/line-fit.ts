/** Weighted sums over some elements: e the expected value, d the error, w 1 ÷ variance of the error up to a common factor. */
export interface LineSums {
  readonly n: number;
  readonly w: number;
  readonly we: number;
  readonly wd: number;
  readonly wee: number;
  readonly wed: number;
  readonly wdd: number;
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

/** The sums over both of two sets of elements. */
export function addSums(a: LineSums, b: LineSums): LineSums {
  return {
    n: a.n + b.n,
    w: a.w + b.w,
    we: a.we + b.we,
    wd: a.wd + b.wd,
    wee: a.wee + b.wee,
    wed: a.wed + b.wed,
    wdd: a.wdd + b.wdd,
  };
}

/**
 * The line `error = offset + gain·expected` by least squares.
 *
 * @param bounded whether the weights are 1 ÷ bound²; then `effect` is in bounds
 * @returns `null` with fewer than three elements, or where the expected values hardly vary
 */
export function fitLine({ n, w, we, wd, wee, wed, wdd }: LineSums, bounded: boolean): Line | null {
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
