import { describe, expect, it } from "vitest";
import {
  type ChannelFitOptions,
  fitChannels,
  fitEachChannel,
  SIGNIFICANT_Z,
} from "../../src/compare/channel-fit.js";
import { numbers } from "./laws.js";

const f32 = Math.fround;
const U = 2 ** -24;
const EPSILON = 1e-5;

/** A convolution with batch normalisation and leaky, in real float32 arithmetic, by port and reference. */
interface Layer {
  /** Products in one sum. */
  readonly terms: number;
  readonly size: number;
  readonly channels: number;
  /** Distribution of the inputs: what rounds worst is far from 0 and hardly varies. */
  readonly input: "normal" | "relu" | "positive";
  /** How the port normalises. `norm-…`: it is given the reference's convolution. */
  readonly port: "divides" | "affine" | "folded" | "norm-affine" | "norm-divides";
  readonly slope: number;
  /** What the port has in place of 1e-5. */
  readonly epsilon?: number;
}

interface Channel {
  readonly w: Float32Array;
  readonly mean: number;
  readonly deviation: number;
  readonly scale: number;
  readonly bias: number;
}

/** Products summed from first to last, starting with `start`: the plainest port. */
function sumInOrder(x: Float32Array, at: number, w: Float32Array, start: number): number {
  let sum = start;
  for (let k = 0; k < w.length; k++) sum = f32(sum + f32((x[at + k] as number) * (w[k] as number)));
  return sum;
}

/** Eight partial sums, as SIMD code has them, and the root of the sum of squares. */
function sumInEight(x: Float32Array, at: number, w: Float32Array): [sum: number, root: number] {
  const partial = new Float32Array(8);
  let squares = 0;
  for (let k = 0; k < w.length; k++) {
    const product = f32((x[at + k] as number) * (w[k] as number));
    partial[k % 8] = (partial[k % 8] as number) + product;
    squares += product * product;
  }
  return [partial.reduce((a, b) => f32(a + b), 0), Math.sqrt(squares)];
}

/** The port's value at inputs `[at, …)`; `exact` is the reference's convolution there. */
function portOf(layer: Layer, channel: Channel, x: Float32Array) {
  const { w, mean, scale, bias } = channel;
  const variance = channel.deviation ** 2 + (layer.epsilon ?? EPSILON) - EPSILON;
  const deviation = f32(Math.sqrt(variance));
  const gain = f32(scale / deviation);
  const shift = f32(bias - f32(mean * gain));
  const folded = w.map((value) => value * gain);
  const divide = (conv: number) => f32(f32(f32(f32(conv - mean) / deviation) * scale) + bias);
  const affine = (conv: number) => f32(f32(conv * gain) + shift);
  const values: Record<Layer["port"], (at: number, exact: number) => number> = {
    divides: (at) => divide(sumInOrder(x, at, w, 0)),
    affine: (at) => affine(sumInOrder(x, at, w, 0)),
    folded: (at) => sumInOrder(x, at, folded, shift),
    "norm-affine": (_, exact) => affine(exact),
    "norm-divides": (_, exact) => divide(exact),
  };
  return values[layer.port];
}

/** Both sides' values [1, channels, size] and four times the usual rounding as bound (DESIGN of the bound: √K·u·(√Σ(wx)² + |y|)). */
function layerValues(layer: Layer): ChannelFitOptions {
  const { terms, size, channels, slope } = layer;
  const random = numbers(terms + size);
  const normal = () => {
    let sum = -6;
    for (let k = 0; k < 12; k++) sum += random();
    return sum;
  };
  const inputs = {
    normal,
    relu: () => Math.max(normal(), 0),
    positive: () => 3 + 0.1 * normal(),
  };
  const x = Float32Array.from({ length: size * terms }, inputs[layer.input]);
  const [actual, expected, bound] = [0, 1, 2].map(() => new Float32Array(channels * size)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const leaky = (y: number) => (y < 0 ? f32(y * slope) : y);
  for (let c = 0; c < channels; c++) {
    const w = Float32Array.from({ length: terms }, () => normal() / Math.sqrt(terms));
    const sums = Array.from({ length: size }, (_, p) => sumInEight(x, p * terms, w));
    const mean = sums.reduce((total, [sum]) => total + sum, 0) / size;
    const variance = sums.reduce((total, [sum]) => total + (sum - mean) ** 2, 0) / size;
    const deviation = f32(Math.sqrt(variance + EPSILON));
    const scale = f32(1 + 0.3 * normal());
    const channel = { w, mean: f32(mean), deviation, scale, bias: f32(0.5 * normal()) };
    const gain = f32(scale / deviation);
    const port = portOf(layer, channel, x);
    for (const [p, [sum, root]] of sums.entries()) {
      const y = f32(f32(f32(sum - channel.mean) * gain) + channel.bias);
      const conv = layer.port.startsWith("norm") ? 0 : Math.sqrt(terms) * (root + Math.abs(sum));
      const norm = (Math.abs(sum) + Math.abs(mean)) * Math.abs(gain) + Math.abs(y);
      const rounding = conv * Math.abs(gain) + 1.5 * (norm + Math.abs(channel.bias));
      const i = c * size + p;
      actual[i] = leaky(port(p * terms, sum));
      expected[i] = leaky(y);
      bound[i] = 4 * U * rounding * (y < 0 ? slope : 1);
    }
  }
  const shape = [1, channels, size];
  return { actual, expected, bound, shape, channelAxis: 1, negativeSide: slope !== 1 };
}

const ports = ["divides", "affine", "folded", "norm-affine", "norm-divides"] as const;
const inputs = ["normal", "relu", "positive"] as const;
const sizes = [
  [9, 700],
  [27, 400],
  [144, 150],
] as const;
const cases = ports.flatMap((port) =>
  inputs.flatMap((input) => sizes.map(([terms, size]) => ({ port, input, terms, size }))),
);

describe("the channel fit on correct ports", () => {
  it.each(cases)("$port, $input inputs, $terms terms: no alarm", ({ port, input, terms, size }) => {
    const options = layerValues({ port, input, terms, size, channels: 16, slope: 0.1 });
    expect(fitChannels(options)?.significant).toBe(false);
    const sure = fitEachChannel(options).filter(({ z }) => z >= SIGNIFICANT_Z);
    const largest = Math.max(0, ...sure.map(({ effect }) => effect));
    // The margin that SMALLEST_EFFECT speaks of.
    expect(largest).toBeLessThan(port.startsWith("norm") ? 0.15 : 0.3 / Math.sqrt(terms));
  });

  it("sees an epsilon that no element shows", () => {
    const layer = { port: "divides", input: "relu", terms: 144, size: 200, channels: 24 } as const;
    const options = layerValues({ ...layer, slope: 1, epsilon: EPSILON + 1.5e-6 });
    const ratios = options.actual.map(
      (a, i) => Math.abs(a - (options.expected[i] as number)) / (options.bound?.[i] as number),
    );
    expect(ratios.reduce((x, y) => Math.max(x, y), 0)).toBeLessThan(1);
    const fit = fitChannels(options);
    expect(fit?.significant).toBe(true);
    expect(fit?.common?.gain).toBeLessThan(0);
  });
});
