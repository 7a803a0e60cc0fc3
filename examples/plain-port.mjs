/**
 * A port of small.cfg in plain JavaScript: no library, one loop a layer. Try it:
 *
 *   npx difftest layer-by-layer --model examples/plain-port.mjs --original examples/small.cfg
 *
 * Tensors are { data, shape }, here in Darknet's own order: batch, channels, height, width.
 */

/** @typedef {{ data: Float32Array, shape: readonly number[] }} Tensor */

/**
 * A convolution with stride 1 that keeps the size of the map: pixels outside count as 0.
 *
 * @param {Tensor} x
 * @param {Tensor} kernel [out, in, size, size]
 * @returns {Tensor}
 */
function conv(x, kernel) {
  const [batch, channels, height, width] = x.shape;
  const [filters, , size] = kernel.shape;
  const pad = (size - 1) / 2;
  const data = new Float32Array(batch * filters * height * width);
  let to = 0;
  for (let b = 0; b < batch; b++) {
    for (let f = 0; f < filters; f++) {
      for (let y = 0; y < height; y++) {
        for (let left = 0; left < width; left++) {
          let sum = 0;
          for (let c = 0; c < channels; c++) {
            for (let i = Math.max(0, pad - y); i < Math.min(size, height + pad - y); i++) {
              for (let j = Math.max(0, pad - left); j < Math.min(size, width + pad - left); j++) {
                const pixel = ((b * channels + c) * height + y + i - pad) * width + left + j - pad;
                sum += x.data[pixel] * kernel.data[((f * channels + c) * size + i) * size + j];
              }
            }
          }
          data[to++] = sum;
        }
      }
    }
  }
  return { data, shape: [batch, filters, height, width] };
}

/**
 * Applies a function to every value; it is also told the value's channel.
 *
 * @param {Tensor} x
 * @param {(value: number, channel: number) => number} of
 * @returns {Tensor}
 */
function map({ data, shape: [batch, channels, height, width] }, of) {
  const channelOf = (k) => Math.floor(k / (height * width)) % channels;
  return {
    data: data.map((value, k) => of(value, channelOf(k))),
    shape: [batch, channels, height, width],
  };
}

/** Largest of each 2 × 2 pixels. */
function maxPool({ data, shape: [batch, channels, height, width] }) {
  const result = new Float32Array(data.length / 4);
  let to = 0;
  for (let row = 0; row < batch * channels * height; row += 2) {
    for (let x = 0; x < width; x += 2) {
      const [upper, lower] = [row * width + x, (row + 1) * width + x];
      result[to++] = Math.max(data[upper], data[upper + 1], data[lower], data[lower + 1]);
    }
  }
  return { data: result, shape: [batch, channels, height / 2, width / 2] };
}

const leaky = (value) => (value > 0 ? value : value * 0.1);

/** Batch normalisation: Darknet adds its epsilon inside the root. */
const normalise = (w) => (value, c) =>
  (w.scale.data[c] * (value - w.mean.data[c])) / Math.sqrt(w.variance.data[c] + 1e-5) +
  w.bias.data[c];

/** All weights of one layer by their role. */
const layer = (weights, name, roles) =>
  Object.fromEntries(roles.map((role) => [role, weights.take(`${name}/${role}`)]));

/** Convolution, normalisation, leaky ReLU, each a tap: always go on with what `tap` returns. */
function convLeaky(name, x, weights, tap) {
  const summed = tap(`${name}/conv`, conv(x, weights.kernel));
  const normed = tap(`${name}/norm`, map(summed, normalise(weights)));
  return tap(name, map(normed, leaky));
}

const NORMED = ["kernel", "scale", "bias", "mean", "variance"];

export default {
  name: "small-plain",
  original: "small.cfg",
  layout: "nchw",
  runtime: "plain",
  build: (weights) => ({
    conv_0: layer(weights, "conv_0", NORMED),
    conv_2: layer(weights, "conv_2", NORMED),
    conv_3: layer(weights, "conv_3", ["kernel", "bias"]),
  }),
  forward: (model, { input }, tap) => {
    const half = tap("maxpool_1", maxPool(convLeaky("conv_0", input, model.conv_0, tap)));
    const deep = convLeaky("conv_2", half, model.conv_2, tap);
    const { kernel, bias } = model.conv_3;
    // Without batch normalisation the bias belongs to the convolution.
    return tap(
      "conv_3",
      map(conv(deep, kernel), (value, c) => value + bias.data[c]),
    );
  },
  variables: (model) =>
    Object.fromEntries(
      Object.entries(model).flatMap(([name, weights]) =>
        Object.entries(weights).map(([role, value]) => [`${name}/${role}`, { value }]),
      ),
    ),
};
