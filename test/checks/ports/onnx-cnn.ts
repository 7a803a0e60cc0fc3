import {
  definePort,
  type PlainTensor,
  type PortWeights,
  type Tap,
} from "../../../src/port/port.js";

/** A mistake to make: told through the environment, which a thread inherits. */
const mistake = process.env["DIFFTEST_TEST_MISTAKE"];

type Taken = { readonly data: Float32Array; readonly shape: readonly number[] };

/** Port of the model in `onnx-originals.test.ts`, by plain loops in NCHW. */
class Net {
  readonly weights: Readonly<Record<string, Taken>>;

  constructor(source: PortWeights) {
    this.weights = Object.fromEntries(source.names.map((name) => [name, source.take(name)]));
    if (mistake === "bias") this.#of("stem.bias").data[0] = 1;
  }

  forward(x: PlainTensor, tap: Tap): void {
    const summed = tap("stem/conv", this.#convolution(x));
    const normed = tap("stem/norm", this.#norm(summed));
    const slope = mistake === "slope" ? 0.2 : 0.1;
    const active = tap(
      "stem",
      each(normed, (v) => (v < 0 ? slope * v : v)),
    );
    const gate = tap(
      "gate",
      each(active, (v) => 1 / (1 + Math.exp(-v))),
    );
    const gated = tap(
      "gated",
      each(active, (v, k) => v * Number(gate.data[k])),
    );
    const pooled = tap("pooled", this.#mean(gated));
    const logits = tap("logits", this.#dense(pooled));
    tap("probabilities", softmax(logits));
  }

  #of(name: string): Taken {
    const found = this.weights[name];
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  }

  /** 3×3, one pixel of padding. */
  #convolution({
    data,
    shape: [batch = 1, channels = 1, height = 1, width = 1],
  }: PlainTensor): PlainTensor {
    const kernel = this.#of("stem.kernel");
    const bias = this.#of("stem.bias");
    const [filters = 1] = kernel.shape;
    const result = new Float32Array(batch * filters * height * width);
    let at = 0;
    for (let b = 0; b < batch; b++)
      for (let f = 0; f < filters; f++)
        for (let y = 0; y < height; y++)
          for (let column = 0; column < width; column++) {
            let sum = bias.data[f] ?? 0;
            for (let c = 0; c < channels; c++)
              for (let i = 0; i < 3; i++)
                for (let j = 0; j < 3; j++) {
                  const [top, left] = [y + i - 1, column + j - 1];
                  if (top < 0 || left < 0 || top >= height || left >= width) continue;
                  const k = mistake === "transposed" ? j * 3 + i : i * 3 + j;
                  const weight = kernel.data[(f * channels + c) * 9 + k] ?? 0;
                  sum += weight * Number(data[((b * channels + c) * height + top) * width + left]);
                }
            result[at++] = sum;
          }
    return { data: result, shape: [batch, filters, height, width] };
  }

  #norm(x: PlainTensor): PlainTensor {
    const [scale, bias, mean, variance] = ["scale", "shift", "mean", "variance"].map(
      (role) => this.#of(`stem.${role}`).data,
    );
    const [, channels = 1, height = 1, width = 1] = x.shape;
    const epsilon = mistake === "epsilon" ? 1e-3 : 1e-5;
    return each(x, (v, k) => {
      const c = Math.floor(k / (height * width)) % channels;
      const centred = v - Number(mean?.[c]);
      return (
        (centred / Math.sqrt(Number(variance?.[c]) + epsilon)) * Number(scale?.[c]) +
        Number(bias?.[c])
      );
    });
  }

  /** Mean over the map. */
  #mean({
    data,
    shape: [batch = 1, channels = 1, height = 1, width = 1],
  }: PlainTensor): PlainTensor {
    const size = height * width;
    const result = Float32Array.from({ length: batch * channels }, (_, k) => {
      let sum = 0;
      for (let p = 0; p < size; p++) sum += Number(data[k * size + p]);
      return sum / size;
    });
    return { data: result, shape: [batch, channels, 1, 1] };
  }

  #dense({ data, shape: [batch = 1] }: PlainTensor): PlainTensor {
    const kernel = this.#of("head.weight");
    const bias = this.#of("head.bias");
    const [units = 1, inputs = 1] = kernel.shape;
    const result = Float32Array.from({ length: batch * units }, (_, k) => {
      const [row, unit] = [Math.floor(k / units), k % units];
      let sum = bias.data[unit] ?? 0;
      for (let i = 0; i < inputs; i++)
        sum += Number(data[row * inputs + i]) * (kernel.data[unit * inputs + i] ?? 0);
      return sum;
    });
    return { data: result, shape: [batch, units] };
  }
}

function each(
  { data, shape }: PlainTensor,
  change: (value: number, k: number) => number,
): PlainTensor {
  return { data: Float32Array.from(data as Float32Array, change), shape };
}

function softmax({ data, shape }: PlainTensor): PlainTensor {
  const [rows = 1, columns = 1] = shape;
  const result = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const values = Array.from({ length: columns }, (_, k) => Number(data[row * columns + k]));
    const powers = values.map((v) => Math.exp(v - Math.max(...values)));
    const total = powers.reduce((a, b) => a + b, 0);
    powers.forEach((power, k) => {
      result[row * columns + k] = power / total;
    });
  }
  return { data: result, shape };
}

export default definePort<Net, PlainTensor>({
  name: "onnx-cnn",
  original: "written by the test",
  layout: "nchw",
  runtime: "plain",
  build: (weights) => new Net(weights),
  forward: (net, { image }, tap) => {
    if (image === undefined) throw new Error("no image");
    net.forward(image, tap);
  },
  variables: ({ weights }) =>
    Object.fromEntries(
      Object.entries(weights).map(([name, { data, shape }]) => [name, { value: { data, shape } }]),
    ),
});
