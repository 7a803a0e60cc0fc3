// A port of references/python/example.cfg in plain loops.
const [CHANNELS, FILTERS, SIDE] = [3, 8, 16];

function convolution({ kernel, scale, bias, mean, variance }, image) {
  const at = (c, y, x) =>
    y < 0 || x < 0 || y >= SIDE || x >= SIDE ? 0 : image[(c * SIDE + y) * SIDE + x];
  const out = new Float32Array(FILTERS * SIDE * SIDE);
  for (let i = 0; i < out.length; i++) {
    const [f, y, x] = [Math.floor(i / SIDE ** 2), Math.floor(i / SIDE) % SIDE, i % SIDE];
    let sum = 0;
    for (let k = 0; k < 9 * CHANNELS; k++) {
      const [c, dy, dx] = [Math.floor(k / 9), Math.floor(k / 3) % 3, k % 3];
      sum += kernel[9 * CHANNELS * f + k] * at(c, y + dy - 1, x + dx - 1);
    }
    const normed = ((sum - mean[f]) / Math.sqrt(variance[f] + 1e-5)) * scale[f] + bias[f];
    out[i] = normed > 0 ? normed : 0.1 * normed;
  }
  return { data: out, shape: [1, FILTERS, SIDE, SIDE] };
}

function pool({ data }) {
  const side = SIDE / 2;
  const out = new Float32Array(FILTERS * side * side);
  for (let i = 0; i < out.length; i++) {
    const [f, y, x] = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
    const from = (f * SIDE + 2 * y) * SIDE + 2 * x;
    out[i] = Math.max(data[from], data[from + 1], data[from + SIDE], data[from + SIDE + 1]);
  }
  return { data: out, shape: [1, FILTERS, side, side] };
}

export default {
  name: "example",
  original: "example",
  layout: "nchw",
  runtime: "plain",
  build(weights) {
    const roles = ["kernel", "scale", "bias", "mean", "variance"];
    return Object.fromEntries(roles.map((role) => [role, weights.take(`conv_0/${role}`).data]));
  },
  forward(model, { input }, tap) {
    tap("maxpool_1", pool(tap("conv_0", convolution(model, input.data))));
  },
};
