import { sizeOf } from "../tensor/tensor.js";
import { addSums, fitLine, type LineSums } from "./line-fit.js";

/**
 * A line fitted through the errors of one channel: `actual − expected = offset + gain·expected`, each
 * error weighted by its bound. Rounding scatters around zero; a wrong epsilon, slope or scale bends
 * all elements of a channel the same way, far below what shows in one element.
 */
export interface ChannelLine {
  /** Index on the channel axis; -1: the channels are too small, this is the whole tensor. */
  readonly channel: number;
  /** Which elements: all, or those with `expected < 0` (where alone a leaky slope acts). */
  readonly side: "all" | "negative";
  /** Relative systematic error: 1e-3 where the port gives 1.001 times what is due. */
  readonly gain: number;
  /** Constant systematic error, in the unit of the values. */
  readonly offset: number;
  /** `gain` and `offset` in standard errors, estimated from what the line leaves over. */
  readonly gainZ: number;
  readonly offsetZ: number;
  /** Both together: the square root of the explained share, in the same unit. */
  readonly z: number;
  /** Root mean square of the systematic error ÷ bound (without a bound: ÷ root mean square of the values). */
  readonly effect: number;
  /** Distinct expected values it is fitted to: repeated ones repeat their rounding, they are no evidence. */
  readonly nEff: number;
}

/** What all channels together say. */
export interface ChannelFit {
  /** Whether some line, or the gain common to all channels, is more than rounding. */
  readonly significant: boolean;
  /** The strongest lines by `z`, strongest first, at most three. */
  readonly worst: readonly ChannelLine[];
  /**
   * Gain common to all channels, and its size in standard errors of the mean *over channels*: what
   * rounding does to a channel as a whole (a folded kernel, a rounded scale) has another sign in each.
   * `null` with fewer than 16 fitted channels.
   */
  readonly common: {
    readonly side: "all" | "negative";
    readonly gain: number;
    readonly z: number;
  } | null;
  /** Channels that had enough distinct values. */
  readonly fitted: number;
}

/** What to fit. All arrays are row-major and of one shape. */
export interface ChannelFitOptions {
  readonly actual: Float32Array;
  readonly expected: Float32Array;
  /** Bound of each element's error; elements whose bound is not above 0 are left out. Default: all weigh the same. */
  readonly bound?: Float32Array | null;
  readonly shape: readonly number[];
  readonly channelAxis: number;
  /** Fit the elements with `expected < 0` by themselves as well. */
  readonly negativeSide?: boolean;
  /**
   * Systematic errors below this many bounds are what a correct port may do (it rounds the scale of a
   * whole channel once); default {@link SMALLEST_EFFECT}.
   */
  readonly smallestEffect?: number;
}

/** Fewest distinct values for a line: below, the residual says too little about the noise. */
const MIN_DISTINCT = 32;

/** Fewest fitted channels for a common gain. */
const MIN_CHANNELS = 16;

/**
 * From this many standard errors on a line is no chance: with 30 degrees of freedom, the fewest there
 * are, Student's t exceeds it once in 10⁸; a large network has 10⁵ channels.
 */
export const SIGNIFICANT_Z = 8;

/**
 * Default of {@link ChannelFitOptions.smallestEffect}: a quarter of the bound. Measured on correct
 * ports in float32 against bounds of four times the usual rounding: a folded or differently ordered
 * batch normalisation by itself is off by up to 0.13 in some channel, behind a convolution of K terms
 * by less than 0.25/√K (`test/compare/correct-ports.test.ts`).
 */
export const SMALLEST_EFFECT = 0.25;

/**
 * Smallest common gain that counts: 8·2⁻²⁴. Functions and constants that two correct libraries round
 * differently, but each always in the same direction, stay below it.
 */
const SMALLEST_GAIN = 8 * 2 ** -24;

/**
 * Smallest gain of a channel that a library does not owe to its own way of writing a formula, 2⁻¹⁹: TensorFlow folds a batch
 * normalisation into a factor and an offset, each rounded once for a whole channel, and is then off by 5·2⁻²⁴.
 */
export const LIBRARY_GAIN: number = 2 ** -19;

/** Whether some line, or the common gain, is significant and at least so large. */
export function isSystematic(
  { significant, worst, common }: ChannelFit,
  smallestGain: number,
): boolean {
  if (!significant || smallestGain === 0) return significant;
  const found = [...worst, ...(common === null ? [] : [common])];
  return found.some(
    ({ z, gain }) => Math.abs(z) >= SIGNIFICANT_Z && Math.abs(gain) >= smallestGain,
  );
}

/** Most elements of a channel that are looked at: enough for 45 times the precision of one element. */
const SAMPLE = 2048;

/** Bits of a NaN: no value that is sampled has them. */
const NO_VALUE = 0x7fc0_0000;

/**
 * Looks for systematic errors of whole channels.
 *
 * @returns `null` where no channel, nor the tensor as a whole, has enough distinct values
 * @throws {RangeError} when lengths, shape and axis do not fit together
 */
export function fitChannels(options: ChannelFitOptions): ChannelFit | null {
  const lines = fitEachChannel(options);
  if (lines.length === 0) return null;
  const smallest = options.smallestEffect ?? SMALLEST_EFFECT;
  const worst = lines.toSorted((a, b) => b.z - a.z).slice(0, 3);
  const commons = (["all", "negative"] as const).map((side) => commonGain(lines, side));
  const common = commons.reduce((best, other) =>
    other !== null && (best === null || Math.abs(other.z) > Math.abs(best.z)) ? other : best,
  );
  const strong = lines.some(({ z, effect }) => z >= SIGNIFICANT_Z && effect >= smallest);
  const shared = commons.some(
    (found) =>
      found !== null && Math.abs(found.z) >= SIGNIFICANT_Z && Math.abs(found.gain) >= SMALLEST_GAIN,
  );
  return {
    significant: strong || shared,
    worst,
    common,
    fitted: new Set(lines.map(({ channel }) => channel)).size,
  };
}

/**
 * The line of every channel that has at least 32 distinct expected values, those of
 * the negative side behind each. Where channels hold fewer elements than that, the tensor counts as
 * one channel. At most 2,048 elements of a channel are looked at, spread evenly.
 *
 * @throws {RangeError} when lengths, shape and axis do not fit together
 */
export function fitEachChannel(options: ChannelFitOptions): ChannelLine[] {
  const { actual, expected, bound, shape, channelAxis } = options;
  const lengths = [actual.length, expected.length, bound?.length ?? expected.length];
  if (lengths.some((length) => length !== sizeOf(shape)) || shape[channelAxis] === undefined) {
    throw new RangeError(`values ${lengths} do not fit shape [${shape}], axis ${channelAxis}`);
  }
  const inner = sizeOf(shape.slice(channelAxis + 1));
  const outer = sizeOf(shape.slice(0, channelAxis));
  const sampler = new Sampler(options);
  if (outer * inner < MIN_DISTINCT) return sampler.lines(-1, 1, expected.length, 1);
  const channels = shape[channelAxis];
  return Array.from({ length: channels }, (_, channel) =>
    sampler.lines(channel, outer, inner, channels),
  ).flat();
}

/** Takes the sample of a channel, leaves out repeated values and fits the lines. */
class Sampler {
  readonly #actual: Float32Array;
  readonly #expected: Float32Array;
  readonly #bits: Int32Array;
  readonly #bound: Float32Array | null;
  readonly #negativeSide: boolean;
  /** The bits of values seen in this channel, each at the place of its hash; the last one stays. */
  readonly #seen = new Int32Array(2 * SAMPLE);

  constructor({ actual, expected, bound, negativeSide }: ChannelFitOptions) {
    this.#actual = actual;
    this.#expected = expected;
    this.#bits = new Int32Array(expected.buffer, expected.byteOffset, expected.length);
    this.#bound = bound ?? null;
    this.#negativeSide = negativeSide ?? false;
  }

  lines(channel: number, outer: number, inner: number, channels: number): ChannelLine[] {
    const step = Math.max(1, Math.ceil((outer * inner) / SAMPLE));
    const first = Math.max(channel, 0);
    const { negative, other } = this.#sums(first, { outer, inner, channels, step });
    const lines: ChannelLine[] = [];
    const add = (side: ChannelLine["side"], sums: LineSums) => {
      const line = fitLine(sums, this.#bound !== null);
      if (line !== null && line.nEff >= MIN_DISTINCT) lines.push({ channel, side, ...line });
    };
    add("all", addSums(negative, other));
    if (this.#negativeSide) add("negative", negative);
    return lines;
  }

  /** Every `step`-th element of a channel, its rows taken as one; negative expected values apart. */
  #sums(channel: number, { outer, inner, channels, step }: Walk): Sides {
    const actual = this.#actual;
    const expected = this.#expected;
    const bound = this.#bound;
    const bits = this.#bits;
    const seen = this.#seen;
    const width = Math.ceil(Math.log2((2 * outer * inner) / step));
    const shift = 32 - width;
    seen.fill(NO_VALUE, 0, 2 ** width);
    // One by one: taken from an array they would be boxed, and the loop twice as slow.
    let n = 0;
    let w = 0;
    let we = 0;
    let wd = 0;
    let wee = 0;
    let wed = 0;
    let wdd = 0;
    let nN = 0;
    let wN = 0;
    let weN = 0;
    let wdN = 0;
    let weeN = 0;
    let wedN = 0;
    let wddN = 0;
    // Place in a row, and where the row begins: channels last have rows of one.
    let column = 0;
    let row = channel * inner;
    const rowStep = inner * channels;
    for (let k = 0; k < outer * inner; k += step) {
      const i = row + column;
      column += step;
      if (column >= inner) {
        const rows = inner === 1 ? column : Math.floor(column / inner);
        row += rows * rowStep;
        column -= rows * inner;
      }
      const e = expected[i] as number;
      const d = (actual[i] as number) - e;
      const limit = bound === null ? 1 : (bound[i] as number);
      // Not finite, or no bound to weigh it by: judged elsewhere, one by one.
      if (!(limit > 0 && limit < Number.POSITIVE_INFINITY) || d - d !== 0) continue;
      const key = bits[i] as number;
      // A value may drive another one out of its place, which then counts once more: what repeats
      // thousands of times still counts only a few times, and that is all that matters here.
      const place = Math.imul(key, 0x9e3779b1) >>> shift;
      if (seen[place] === key) continue;
      seen[place] = key;
      const weight = 1 / (limit * limit);
      const weighted = weight * e;
      const error = weight * d;
      if (e < 0) {
        nN += 1;
        wN += weight;
        weN += weighted;
        wdN += error;
        weeN += weighted * e;
        wedN += weighted * d;
        wddN += error * d;
      } else {
        n += 1;
        w += weight;
        we += weighted;
        wd += error;
        wee += weighted * e;
        wed += weighted * d;
        wdd += error * d;
      }
    }
    return {
      negative: { n: nN, w: wN, we: weN, wd: wdN, wee: weeN, wed: wedN, wdd: wddN },
      other: { n, w, we, wd, wee, wed, wdd },
    };
  }
}

/** Sums over the elements with negative expected values, and over all others. */
interface Sides {
  readonly negative: LineSums;
  readonly other: LineSums;
}

/** Where a channel's elements lie. */
interface Walk {
  /** Rows of the channel, elements of each. */
  readonly outer: number;
  readonly inner: number;
  readonly channels: number;
  /** From one element taken to the next. */
  readonly step: number;
}

/** Mean of the channels' gains, and how far it is from 0 by their own scatter. */
function commonGain(
  lines: readonly ChannelLine[],
  side: ChannelLine["side"],
): ChannelFit["common"] {
  const own = lines.filter((line) => line.side === side && line.gainZ !== 0);
  if (own.length < MIN_CHANNELS) return null;
  const mean = own.reduce((sum, { gainZ }) => sum + gainZ, 0) / own.length;
  const variance = own.reduce((sum, { gainZ }) => sum + (gainZ - mean) ** 2, 0) / (own.length - 1);
  // Scatter below that of pure chance would only mean that the standard errors are too careful.
  const scatter = Math.sqrt(Math.max(variance, 1));
  const weights = own.map(({ gain, gainZ }) => (gainZ / gain) ** 2);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const gain = own.reduce((sum, line, k) => sum + line.gain * (weights[k] as number), 0) / total;
  return { side, gain, z: (mean * Math.sqrt(own.length)) / scatter };
}
