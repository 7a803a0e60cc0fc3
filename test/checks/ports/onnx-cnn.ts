import { definePort, type PlainTensor, type Tap } from "../../../src/port/port.js";
import {
  at,
  each,
  made,
  makes,
  type Plain,
  plain,
  product,
  rowByRow,
  softmax,
  sum,
  takeAll,
} from "./plain-tensors.js";

type Weights = Readonly<Record<string, Plain>>;

/** 3×3, one pixel of padding. */
function convolution(x: Plain, kernel: Plain, bias: Plain): Plain {
  const [batch = 1, channels = 1, height = 1, width = 1] = x.shape;
  const turned = makes("transposed");
  return made([batch, kernel.shape[0] ?? 1, height, width], ([b = 0, f = 0, y = 0, column = 0]) => {
    const products = sum(channels, (c) =>
      sum(9, (k) => {
        const [i, j] = [Math.floor(k / 3), k % 3];
        const weight = at(kernel, turned ? [f, c, j, i] : [f, c, i, j]);
        return weight * at(x, [b, c, y + i - 1, column + j - 1]);
      }),
    );
    return at(bias, [f]) + products;
  });
}

function norm(x: Plain, weights: Weights): Plain {
  const [, channels = 1, height = 1, width = 1] = x.shape;
  const epsilon = makes("epsilon") ? 1e-3 : 1e-5;
  return each(x, (v, k) => {
    const of = (role: string) =>
      at(weights[`stem.${role}`] as Plain, [Math.floor(k / (height * width)) % channels]);
    return ((v - of("mean")) / Math.sqrt(of("variance") + epsilon)) * of("scale") + of("shift");
  });
}

/** Port of the model in `onnx-originals.test.ts`. */
function forward(weights: Weights, image: Plain, tap: Tap): void {
  const of = (name: string) => weights[name] as Plain;
  const tapped = (name: string, value: Plain) => plain(tap(name, value));
  const summed = tapped("stem/conv", convolution(image, of("stem.kernel"), of("stem.bias")));
  const normed = tapped("stem/norm", norm(summed, weights));
  const slope = makes("slope") ? 0.2 : 0.1;
  const active = tapped(
    "stem",
    each(normed, (v) => (v < 0 ? slope * v : v)),
  );
  const gate = tapped(
    "gate",
    each(active, (v) => 1 / (1 + Math.exp(-v))),
  );
  const gated = tapped(
    "gated",
    each(active, (v, k) => v * (gate.data[k] as number)),
  );
  const [batch = 1, channels = 1, height = 1, width = 1] = gated.shape;
  const rows = { data: gated.data, shape: [batch, channels, height * width] };
  const means = rowByRow(rows, (row) => [row.reduce((a, b) => a + b, 0) / row.length]);
  const pooled = tapped("pooled", { data: means.data, shape: [batch, channels, 1, 1] });
  const flat = { data: pooled.data, shape: [batch, channels] };
  const bias = of("head.bias").data;
  const logits = tapped(
    "logits",
    each(product(flat, of("head.weight"), true), (v, k) => v + (bias[k % bias.length] as number)),
  );
  tap("probabilities", rowByRow(logits, softmax));
}

export default definePort<Weights, PlainTensor>({
  name: "onnx-cnn",
  original: "written by the test",
  layout: "nchw",
  runtime: "plain",
  build: (weights) => {
    const taken = takeAll(weights);
    if (makes("bias")) (taken["stem.bias"] as Plain).data[0] = 1;
    return taken;
  },
  forward: (weights, { image }, tap) => forward(weights, plain(image), tap),
  variables: (weights) =>
    Object.fromEntries(
      Object.entries(weights).map(([name, { data, shape }]) => [name, { value: { data, shape } }]),
    ),
});
