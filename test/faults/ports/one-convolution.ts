/**
 * A convolution of 3×3 with batch normalisation in plain loops, at the precision or in the order
 * that the environment variable DIFFTEST_PRECISION names, and with DIFFTEST_ACTIVATION.
 */
import type { PlainTensor, Port } from "../../../src/port/port.js";

const precision = process.env["DIFFTEST_PRECISION"] ?? "float32";
const activation = process.env["DIFFTEST_ACTIVATION"] ?? "leaky";
const round = Math.fround;

/** Keeps `bits` bits of the fraction, rounded to the nearest. */
function cut(values: Float32Array, bits: number): Float32Array {
  const result = values.slice();
  const raw = new Uint32Array(result.buffer);
  const drop = 23 - bits;
  for (let i = 0; i < raw.length; i++)
    raw[i] = (((raw[i] as number) + 2 ** (drop - 1)) >>> drop) << drop;
  return result;
}

const BITS: Readonly<Record<string, number>> = { bfloat16: 7, tf32: 10 };
const bits = BITS[precision];
const stored = (values: Float32Array) => (bits === undefined ? values : cut(values, bits));

/** A sum that is rounded to float32 at each step. */
function sum(terms: number[]): number {
  if (precision === "positive-first") terms.sort((a, b) => b - a);
  let total = 0;
  for (const term of terms) total = round(total + term);
  return total;
}

interface Model {
  readonly kernel: Float32Array;
  readonly channels: number;
  readonly filters: number;
  readonly scale: Float32Array;
  readonly bias: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

const port: Port<Model, PlainTensor> = {
  name: "one convolution",
  original: "darknet",
  layout: "nchw",
  runtime: "plain",
  build: (weights) => {
    const take = (role: string) => weights.take(`conv_0/${role}`);
    const kernel = take("kernel");
    const [filters = 0, channels = 0] = kernel.shape;
    const vector = (role: string) => take(role).data;
    return {
      kernel: stored(kernel.data),
      channels,
      filters,
      scale: vector("scale"),
      bias: vector("bias"),
      mean: vector("mean"),
      variance: vector("variance"),
    };
  },
  forward: (model, inputs, tap) => {
    const input = inputs["input"] as PlainTensor;
    const [, , height = 0, width = 0] = input.shape;
    const convolved = convolve(model, stored(input.data as Float32Array), height, width);
    const data = activate(normalize(model, convolved), activation);
    tap("conv_0", { data, shape: [1, model.filters, height, width], dtype: "float32" });
  },
};

export default port;

/** All products of each element, then their sum. */
function convolve(model: Model, x: Float32Array, height: number, width: number): Float32Array {
  const { kernel, channels, filters } = model;
  const data = new Float32Array(filters * height * width);
  const inside = (k: number, length: number) => k >= 0 && k < length;
  for (let to = 0; to < data.length; to++) {
    const column = to % width;
    const row = Math.trunc(to / width) % height;
    const filter = Math.trunc(to / (width * height));
    const terms: number[] = [];
    for (let c = 0; c < channels; c++) {
      for (let place = 0; place < 9; place++) {
        const [y, left] = [row + Math.trunc(place / 3) - 1, column + (place % 3) - 1];
        if (!inside(y, height) || !inside(left, width)) continue;
        const value = x[(c * height + y) * width + left] as number;
        terms.push(round(value * (kernel[(filter * channels + c) * 9 + place] as number)));
      }
    }
    data[to] = sum(terms);
  }
  return data;
}

function normalize({ filters, scale, bias, mean, variance }: Model, x: Float32Array): Float32Array {
  const size = x.length / filters;
  return x.map((value, k) => {
    const f = Math.trunc(k / size);
    const [gain = 1, offset = 0, center = 0, spread = 1] = [
      scale[f],
      bias[f],
      mean[f],
      variance[f],
    ];
    return ((value - center) / Math.sqrt(spread + 1e-5)) * gain + offset;
  });
}

function activate(x: Float32Array, activation: string): Float32Array {
  return activation === "leaky" ? x.map((value) => (value < 0 ? 0.1 * value : value)) : x;
}
