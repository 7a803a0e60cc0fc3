/**
 * A port of examples/small.cfg in plain loops that can be told to misbehave: DIFFTEST_PORT names
 * how. Right, it is as short as a user would write it.
 */
const way = process.env.DIFFTEST_PORT ?? "";

const NORMED = ["kernel", "scale", "bias", "mean", "variance"];

/** A convolution with stride 1 that keeps the map's size. */
function conv({ data: x, shape: [batch, channels, height, width] }, { kernel, bias }) {
  const [filters, , size] = kernel.shape;
  const pad = (size - 1) / 2;
  const data = new Float32Array(batch * filters * height * width);
  const inside = (k, length) => k >= 0 && k < length;
  for (let to = 0; to < data.length; to++) {
    const column = to % width;
    const row = Math.floor(to / width) % height;
    const f = Math.floor(to / (width * height)) % filters;
    const b = Math.floor(to / (width * height * filters));
    let sum = bias === undefined ? 0 : bias.data[f];
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
          const [y, left] = [row + i - pad, column + j - pad];
          if (!inside(y, height) || !inside(left, width)) continue;
          const pixel = ((b * channels + c) * height + y) * width + left;
          sum += x[pixel] * kernel.data[((f * channels + c) * size + i) * size + j];
        }
      }
    }
    data[to] = sum;
  }
  return { data, shape: [batch, filters, height, width] };
}

function normed({ data, shape }, { scale, bias, mean, variance }) {
  const [, channels, height, width] = shape;
  return {
    shape,
    data: data.map((value, k) => {
      const c = Math.floor(k / (height * width)) % channels;
      const unit = (value - mean.data[c]) / Math.sqrt(variance.data[c] + 1e-5);
      return scale.data[c] * unit + bias.data[c];
    }),
  };
}

const leaky = ({ data, shape }) => ({ shape, data: data.map((x) => (x > 0 ? x : x * 0.1)) });

/** Convolution, normalisation, activation: the bias is the normalisation's. */
const block = (x, weights) => leaky(normed(conv(x, { kernel: weights.kernel }), weights));

function maxPool({ data, shape: [batch, channels, height, width] }) {
  const result = new Float32Array(data.length / 4);
  for (let to = 0; to < result.length; to++) {
    const column = 2 * (to % (width / 2));
    const row = 2 * Math.floor(to / (width / 2));
    const at = row * width + column;
    result[to] = Math.max(data[at], data[at + 1], data[at + width], data[at + width + 1]);
  }
  return { data: result, shape: [batch, channels, height / 2, width / 2] };
}

/** The same values as [batch, height, width, channels]. */
function toNhwc({ data, shape: [batch, channels, height, width] }) {
  const result = new Float32Array(data.length);
  for (let to = 0; to < data.length; to++) {
    const pixel = Math.floor(to / channels) % (height * width);
    const b = Math.floor(to / (channels * height * width));
    result[to] = data[(b * channels + (to % channels)) * height * width + pixel];
  }
  return { data: result, shape: [batch, height, width, channels] };
}

const layerOf = (weights, name, roles) =>
  Object.fromEntries(roles.map((role) => [role, weights.take(`${name}/${role}`)]));

/** Tap ids, or names of the port's own. */
const nameOf = (id) =>
  way === "own names"
    ? { conv_0: "first", maxpool_1: "half", conv_2: "second", conv_3: "last" }[id]
    : id;

function build(weights) {
  if (way === "throws in build") throw new Error("no room for the weights");
  if (way === "unknown weight") weights.take("conv_0/gamma");
  if (way === "right shape") weights.take("conv_0/kernel", { shape: [3, 3, 3, 8], layout: "hwio" });
  if (way === "another shape")
    weights.take("conv_0/kernel", { shape: [3, 3, 8, 3], layout: "hwio" });
  return {
    conv_0: layerOf(weights, "conv_0", NORMED),
    conv_2: layerOf(weights, "conv_2", NORMED),
    conv_3: layerOf(weights, "conv_3", ["kernel", "bias"]),
  };
}

function forward(model, { input }, tap) {
  if (way === "throws at once") throw new TypeError("input is not what I thought");
  if (way === "never ends") for (;;);
  const first = tap(nameOf("conv_0"), block(input, model.conv_0));
  if (way === "throws after conv_0") null.data;
  if (way === "tap twice") tap("conv_0", first);
  if (way === "tap without tensor") tap("maxpool_1", undefined);
  if (way === "tap a promise") tap("maxpool_1", Promise.resolve(first));
  if (way === "data of another size")
    tap("maxpool_1", { data: new Float32Array(3), shape: [1, 8, 16, 16] });
  if (way === "tap without name") tap(undefined, first);
  const pooled = maxPool(way === "keeps its own" ? block(input, model.conv_0) : first);
  const half = tap(nameOf("maxpool_1"), pooled);
  const deep = block(half, model.conv_2);
  const second = tapSecond(deep, tap);
  return tap(nameOf("conv_3"), conv(way === "skips conv_2" ? doubled(half) : second, model.conv_3));
}

/** Tapped as it is, or in the other order of axes, with or without saying so. */
function tapSecond(value, tap) {
  if (way === "nhwc tap") return fromNhwc(tap("conv_2", toNhwc(value), { layout: "nhwc" }));
  return tap(nameOf("conv_2"), way === "nhwc undeclared" ? toNhwc(value) : value);
}

/** The same values as [batch, channels, height, width]. */
function fromNhwc({ data, shape: [batch, height, width, channels] }) {
  const result = new Float32Array(data.length);
  for (let from = 0; from < data.length; from++) {
    const pixel = Math.floor(from / channels) % (height * width);
    const b = Math.floor(from / (channels * height * width));
    result[(b * channels + (from % channels)) * height * width + pixel] = data[from];
  }
  return { data: result, shape: [batch, channels, height, width] };
}

/** Each channel twice: as many as conv_3 wants, from the wrong layer. */
function doubled({ data, shape: [batch, channels, height, width] }) {
  const result = new Float32Array(2 * data.length);
  result.set(data, 0);
  result.set(data, data.length);
  return { data: result, shape: [batch, 2 * channels, height, width] };
}

export default {
  name: "small",
  original: "small.cfg",
  layout: way === "wrong layout" ? "nhwc" : "nchw",
  runtime: "plain",
  build: way === "asynchronous" ? async (weights) => build(weights) : build,
  forward:
    way === "asynchronous"
      ? async (model, inputs, tap) => {
          await new Promise((done) => setTimeout(done, 5));
          return forward(model, inputs, tap);
        }
      : way === "waits for ever"
        ? () => new Promise(() => {})
        : forward,
};
