import {
  definePort,
  type PlainTensor,
  type PortWeights,
  type Tap,
} from "../../../src/port/port.js";

/** Layout to compute in, and a mistake to make: told through the environment, which a thread inherits. */
const layout = process.env["DIFFTEST_TEST_LAYOUT"] === "nchw" ? "nchw" : "nhwc";
const mistake = process.env["DIFFTEST_TEST_MISTAKE"];

type Values = { readonly data: Float32Array; readonly shape: readonly number[] };

/** 3×3 "same" convolution with bias, ReLU, mean over the map, dense: whatever the order of the axes. */
class ConvDense {
  readonly kernel: Values;
  readonly bias: Values;
  readonly dense: Values;
  readonly denseBias: Values;

  constructor(weights: PortWeights) {
    this.kernel = weights.take("conv/kernel", { layout: "oihw" });
    this.bias = weights.take("conv/bias");
    this.dense = weights.take("out/kernel", { layout: "oi" });
    this.denseBias = weights.take("out/bias");
  }

  forward(x: PlainTensor, tap: Tap): void {
    const [batch = 1, ...sizes] = x.shape;
    const [height = 1, width = 1, channels = 1] =
      layout === "nhwc" ? sizes : [sizes[1], sizes[2], sizes[0]];
    const [filters = 1] = this.kernel.shape;
    const place = (b: number, c: number, y: number, column: number, depth: number) =>
      layout === "nhwc"
        ? ((b * height + y) * width + column) * depth + c
        : ((b * depth + c) * height + y) * width + column;
    const shape =
      layout === "nhwc" ? [batch, height, width, filters] : [batch, filters, height, width];
    const summed = new Float32Array(batch * height * width * filters);
    for (let b = 0; b < batch; b++)
      for (let f = 0; f < filters; f++)
        for (let y = 0; y < height; y++)
          for (let column = 0; column < width; column++) {
            let sum = 0;
            for (let c = 0; c < channels; c++)
              for (let i = 0; i < 3; i++)
                for (let j = 0; j < 3; j++) {
                  const [top, left] = [y + i - 1, column + j - 1];
                  if (top < 0 || left < 0 || top >= height || left >= width) continue;
                  const tapAt = mistake === "transposed" ? j * 3 + i : i * 3 + j;
                  const weight = this.kernel.data[(f * channels + c) * 9 + tapAt] ?? 0;
                  sum += weight * (x.data[place(b, c, top, left, channels)] ?? 0);
                }
            summed[place(b, f, y, column, filters)] = sum + (this.bias.data[f] ?? 0);
          }
    const normed = tap("conv/conv", { data: summed, shape });
    const relu = Float32Array.from(normed.data, (value) => Math.max(0, value));
    const active = tap("conv", { data: relu, shape });
    const pooled = new Float32Array(batch * filters);
    for (let b = 0; b < batch; b++)
      for (let f = 0; f < filters; f++) {
        let sum = 0;
        for (let y = 0; y < height; y++)
          for (let column = 0; column < width; column++)
            sum += active.data[place(b, f, y, column, filters)] ?? 0;
        pooled[b * filters + f] = sum / (height * width);
      }
    const mean = tap("pool", { data: pooled, shape: [batch, filters] });
    const units = this.denseBias.data.length;
    const scores = new Float32Array(batch * units);
    for (let b = 0; b < batch; b++)
      for (let u = 0; u < units; u++) {
        let sum = this.denseBias.data[u] ?? 0;
        for (let f = 0; f < filters; f++)
          sum += (mean.data[b * filters + f] ?? 0) * (this.dense.data[u * filters + f] ?? 0);
        scores[b * units + u] = sum;
      }
    tap("out", { data: scores, shape: [batch, units] });
  }
}

export default definePort<ConvDense, PlainTensor>({
  name: "keras-conv",
  original: "written by the test",
  layout,
  runtime: "plain",
  build: (weights) => new ConvDense(weights),
  forward: (model, inputs, tap) => model.forward(Object.values(inputs)[0] as PlainTensor, tap),
  variables: (model) => ({
    "conv/kernel": { value: model.kernel, layout: "oihw" },
    "conv/bias": { value: model.bias },
    "out/kernel": { value: model.dense, layout: "oi" },
    "out/bias": { value: model.denseBias },
  }),
});
