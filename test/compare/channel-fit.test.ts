import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ChannelFitOptions,
  fitChannels,
  fitEachChannel,
  isSystematic,
  LIBRARY_GAIN,
  SIGNIFICANT_Z,
} from "../../src/compare/channel-fit.js";
import { numbers } from "./laws.js";

const U = 2 ** -24;

/** Normal by the sum of twelve: light tails, enough for noise. */
function normal(random: () => number): number {
  let sum = -6;
  for (let k = 0; k < 12; k++) sum += random();
  return sum;
}

interface Noisy {
  readonly seed: number;
  readonly channels: number;
  readonly size: number;
  /** Standard deviation of the noise; values are normal. */
  readonly noise: number;
  readonly error?: (e: number, channel: number) => number;
}

/** Normal values [1, channels, size] with independent noise and a planted systematic error. */
function noisy({ seed, channels, size, noise, error = () => 0 }: Noisy): ChannelFitOptions {
  const random = numbers(seed);
  const expected = Float32Array.from({ length: channels * size }, () => normal(random));
  const actual = expected.map(
    (e, i) => e + noise * normal(random) + error(e, Math.floor(i / size)),
  );
  const bound = new Float32Array(expected.length).fill(6 * noise);
  return { actual, expected, bound, shape: [1, channels, size], channelAxis: 1 };
}

/**
 * A convolution in real float32 arithmetic, summed from the first product to the last by the port and
 * in eight partial sums by the reference, with the bound that belongs to it.
 */
function rounded(seed: number, channels: number, size: number, terms: number, relu: boolean) {
  const random = numbers(seed);
  const x = Float32Array.from({ length: size * terms }, () => {
    const value = normal(random);
    return relu ? Math.max(value, 0) : value;
  });
  const [actual, expected, bound] = [0, 1, 2].map(() => new Float32Array(channels * size));
  const w = new Float32Array(terms);
  for (let c = 0; c < channels; c++) {
    for (let k = 0; k < terms; k++) w[k] = normal(random) / Math.sqrt(terms);
    for (let p = 0; p < size; p++) {
      const partial = new Float32Array(8);
      let [sum, squares] = [0, 0];
      for (let k = 0; k < terms; k++) {
        const product = Math.fround((x[p * terms + k] as number) * (w[k] as number));
        sum = Math.fround(sum + product);
        partial[k % 8] = (partial[k % 8] as number) + product;
        squares += product * product;
      }
      const i = c * size + p;
      (actual as Float32Array)[i] = sum;
      (expected as Float32Array)[i] = partial.reduce((a, b) => Math.fround(a + b), 0);
      (bound as Float32Array)[i] = 4 * Math.sqrt(terms) * U * (Math.sqrt(squares) + Math.abs(sum));
    }
  }
  const shape = [1, channels, size];
  return { actual, expected, bound, shape, channelAxis: 1 } as ChannelFitOptions;
}

describe("fitChannels", () => {
  it("finds a gain of 1e-4 in one channel under noise three times as large", () => {
    const fit = fitChannels(
      noisy({
        seed: 1,
        channels: 20,
        size: 4096,
        noise: 3e-4,
        error: (e, c) => (c === 7 ? 1e-4 * e : 0),
      }),
    );
    expect(fit?.significant).toBe(false); // less than a quarter of the bound: a correct port may do that
    expect(fit?.worst[0]).toMatchObject({ channel: 7, side: "all" });
    expect(fit?.worst[0]?.gain).toBeCloseTo(1e-4, 4);
    expect(fit?.worst[0]?.gainZ).toBeGreaterThan(10);
    expect(Math.abs(fit?.worst[0]?.offsetZ ?? 99)).toBeLessThan(5);
    expect(fit?.worst[1]?.z).toBeLessThan(5);
  });

  it("calls it significant where the caller knows that rounding is smaller", () => {
    const error = (e: number, c: number) => (c === 7 ? 1e-4 * e : 0);
    const options = noisy({ seed: 1, channels: 20, size: 4096, noise: 3e-4, error });
    expect(fitChannels({ ...options, smallestEffect: 0.02 })?.significant).toBe(true);
  });

  it("finds an offset, and its size", () => {
    const fit = fitChannels(
      noisy({
        seed: 2,
        channels: 4,
        size: 2000,
        noise: 1e-5,
        error: (_, c) => (c === 2 ? 2e-5 : 0),
      }),
    );
    expect(fit?.significant).toBe(true);
    expect(fit?.worst[0]).toMatchObject({ channel: 2 });
    expect(fit?.worst[0]?.offset).toBeCloseTo(2e-5, 6);
  });

  it("finds a gain common to all channels that shows in none of them", () => {
    const hidden = { seed: 3, channels: 256, size: 169, noise: 1e-5 };
    const fit = fitChannels(noisy({ ...hidden, error: (e) => 2e-6 * e }));
    expect(fit?.worst[0]?.effect).toBeLessThan(0.1);
    expect(fit?.significant).toBe(true);
    expect(fit?.common?.gain).toBeCloseTo(2e-6, 7);
    expect(fitChannels(noisy(hidden))?.significant).toBe(false);
  });

  it("does not take errors of whole channels with changing sign for a common gain", () => {
    const random = numbers(4);
    const gains = Array.from({ length: 256 }, () => normal(random) * 2e-6);
    const fit = fitChannels(
      noisy({
        seed: 4,
        channels: 256,
        size: 2000,
        noise: 1e-5,
        error: (e, c) => (gains[c] ?? 0) * e,
      }),
    );
    expect(fit?.worst[0]?.z).toBeGreaterThan(SIGNIFICANT_Z);
    expect(fit?.significant).toBe(false);
  });

  it("finds what acts on negative values alone, with its size", () => {
    const options = noisy({
      seed: 5,
      channels: 4,
      size: 4096,
      noise: 1e-6,
      error: (e) => (e < 0 ? 1e-5 * e : 0),
    });
    const fit = fitChannels({ ...options, negativeSide: true });
    expect(fit?.worst[0]?.side).toBe("negative");
    expect(fit?.worst[0]?.gain).toBeCloseTo(1e-5, 6);
    expect(fit?.significant).toBe(true);
  });

  it("gives no alarm for 2,000 channels of real float32 rounding in two orders of summation", () => {
    let channels = 0;
    const cases = [
      [9, false, 400],
      [9, true, 400],
      [144, false, 300],
      [144, true, 300],
      [27, true, 600],
    ] as const;
    for (const [terms, relu, count] of cases) {
      const options = rounded(terms + count, count, 100, terms, relu);
      const fit = fitChannels({ ...options, negativeSide: true, smallestEffect: 0 });
      expect([terms, relu, fit?.significant]).toEqual([terms, relu, false]);
      expect(fit?.worst[0]?.z).toBeLessThan(SIGNIFICANT_Z);
      channels += fit?.fitted ?? 0;
    }
    expect(channels).toBe(2000);
  });

  it("gives no alarm for pure noise, whatever the seed", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 32, max: 300 }), (seed, size) => {
        const options = noisy({ seed, channels: 20, size, noise: 1e-6 });
        expect(fitChannels({ ...options, smallestEffect: 0 })?.significant).toBe(false);
      }),
    );
  });

  it("finds a planted gain or offset, whatever the seed", () => {
    const planted = fc.record({
      gain: fc.constantFrom(0, 1e-6, -1e-5),
      offset: fc.constantFrom(1e-6, -1e-5),
    });
    fc.assert(
      fc.property(fc.integer(), planted, (seed, { gain, offset }) => {
        const error = (e: number, channel: number) => (channel === 3 ? offset + gain * e : 0);
        const options = noisy({ seed, channels: 5, size: 500, noise: 1e-6, error });
        const fit = fitChannels({ ...options, smallestEffect: 0.1 });
        expect(fit?.significant).toBe(true);
        expect(fit?.worst[0]?.channel).toBe(3);
        expect(Math.abs((fit?.worst[0]?.gain ?? 9) - gain)).toBeLessThan(3e-7);
        expect(Math.abs((fit?.worst[0]?.offset ?? 9) - offset)).toBeLessThan(3e-7);
      }),
    );
  });

  it("counts repeated values once: a flat background is one rounding error, not thousands", () => {
    const random = numbers(6);
    const size = 4000;
    const expected = Float32Array.from({ length: size }, (_, i) =>
      i < 3800 ? 0.75 : normal(random),
    );
    const noise = 1e-6;
    const actual = expected.map((e, i) => (i < 3800 ? 0.75 + 1.5e-6 : e + noise * normal(random)));
    const bound = new Float32Array(size).fill(4 * noise);
    const options = { actual, expected, bound, shape: [1, 1, size], channelAxis: 1 };
    const fit = fitChannels(options);
    expect(fit?.worst[0]?.nEff).toBeLessThan(210);
    expect(fit?.worst[0]?.z).toBeLessThan(5);
    expect(fit?.significant).toBe(false);
    // The same without repetition is a real offset.
    const spread = expected.map((e, i) => (i < 3800 ? e + i * 1e-4 : e));
    const shifted = spread.map((e) => e + 1.5e-6);
    expect(fitChannels({ ...options, actual: shifted, expected: spread })?.significant).toBe(true);
  });

  it("fits the channels of either layout and of every element of the batch", () => {
    const planted = noisy({
      seed: 8,
      channels: 6,
      size: 300,
      noise: 1e-6,
      error: (e, c) => (c === 4 ? 1e-4 * e : 0),
    });
    const last = { ...planted, shape: [2, 150, 6], channelAxis: 2 };
    const order = (x: Float32Array) =>
      Float32Array.from(x, (_, i) => x[(i % 6) * 300 + Math.floor(i / 6)] as number);
    const fit = fitChannels({
      ...last,
      actual: order(planted.actual),
      expected: order(planted.expected),
      bound: null,
    });
    expect(fit?.worst[0]).toMatchObject({ channel: 4, nEff: 300 });
    const first = fitEachChannel({ ...planted, shape: [2, 3, 300] });
    expect(first.map(({ channel, nEff }) => [channel, nEff])).toEqual([
      [0, 600],
      [1, 600],
      [2, 600],
    ]);
    expect(first[1]?.gain).toBeCloseTo(0.5e-4, 5);
  });

  it("takes a tensor of tiny channels as one, and gives no line below 32 distinct values", () => {
    const flat = noisy({ seed: 9, channels: 400, size: 1, noise: 1e-6, error: (e) => 1e-4 * e });
    expect(fitChannels(flat)?.worst).toMatchObject([{ channel: -1, nEff: 400 }]);
    expect(fitChannels(noisy({ seed: 9, channels: 31, size: 1, noise: 1e-6 }))).toBeNull();
    const few = Float32Array.from({ length: 4000 }, (_, i) => i % 31);
    expect(
      fitChannels({ actual: few, expected: few, shape: [1, 1, 4000], channelAxis: 1 }),
    ).toBeNull();
  });

  it("leaves out NaN, infinities and elements without a usable bound", () => {
    const options = noisy({ seed: 10, channels: 1, size: 100, noise: 1e-6 });
    const actual = options.actual.with(0, Number.NaN).with(1, Number.POSITIVE_INFINITY).with(2, 9);
    const bound = (options.bound ?? new Float32Array(100)).with(2, 0).with(3, Number.NaN);
    const fit = fitChannels({ ...options, actual, bound });
    expect(fit?.worst[0]?.nEff).toBe(96);
    expect(fit?.worst[0]?.z).toBeLessThan(5);
  });

  it("says nothing of equal tensors", () => {
    const { expected, shape, channelAxis } = noisy({ seed: 11, channels: 40, size: 64, noise: 1 });
    const fit = fitChannels({ actual: expected, expected, shape, channelAxis });
    expect(fit).toMatchObject({ significant: false, common: null, fitted: 40 });
    expect(fit?.worst[0]).toMatchObject({ z: 0, effect: 0, gain: 0, offset: 0 });
  });

  it("refuses values that do not fill the shape", () => {
    const three = new Float32Array(3);
    const options = { actual: three, expected: three, shape: [1, 4], channelAxis: 1 };
    expect(() => fitChannels(options)).toThrow("values 3,3,3 do not fit shape [1,4], axis 1");
    expect(() => fitChannels({ ...options, shape: [3], channelAxis: 1 })).toThrow("axis 1");
  });
});

describe("isSystematic", () => {
  const line = {
    channel: 3,
    side: "all",
    offset: 0,
    gainZ: 20,
    offsetZ: 0,
    z: 20,
    effect: 0.5,
    nEff: 100,
  } as const;
  const fit = (gain: number, significant = true) =>
    ({ significant, worst: [{ ...line, gain }], common: null, fitted: 1 }) as const;

  it("leaves out gains that a library owes to its way of writing a formula", () => {
    expect(isSystematic(fit(3e-7), 0)).toBe(true);
    expect(isSystematic(fit(3e-7), LIBRARY_GAIN)).toBe(false);
    expect(isSystematic(fit(-1e-5), LIBRARY_GAIN)).toBe(true);
    expect(isSystematic(fit(-1e-5, false), LIBRARY_GAIN)).toBe(false);
  });
});
