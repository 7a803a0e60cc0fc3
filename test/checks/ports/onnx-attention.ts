import { definePort, type PlainTensor, type Tap } from "../../../src/port/port.js";
import { gruOverTime, lstmOverTime } from "./plain-recurrent.js";
import {
  at,
  each,
  made,
  makes,
  normed,
  type Plain,
  plain,
  product,
  rowByRow,
  softmax,
  sum,
  takeAll,
} from "./plain-tensors.js";

type Weights = Readonly<Record<string, Plain>>;

/** Exact to 1e-7 (Abramowitz and Stegun 7.1.5, summed until nothing is added). */
function erf(x: number): number {
  let [term, total] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

function gelu(x: number): number {
  if (makes("gelu")) {
    return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  }
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

function plus(x: Plain, bias: Plain, times = 1): Plain {
  const width = bias.data.length;
  return each(x, (v, k) => v + times * (bias.data[k % width] as number));
}

/** Softmax of q·kᵀ ÷ √8, over the keys. */
function attention(q: Plain, k: Plain): Plain {
  const [batch = 1, length = 1, size = 1] = q.shape;
  const scale = makes("unscaled") ? 1 : makes("unrooted") ? 1 / 8 : 1 / Math.sqrt(8);
  const scores = made(
    [batch, length, length],
    ([b = 0, i = 0, j = 0]) => scale * sum(size, (d) => at(q, [b, i, d]) * at(k, [b, j, d])),
  );
  const turned = (x: Plain) =>
    made([batch, length, length], ([b = 0, i = 0, j = 0]) => at(x, [b, j, i]));
  if (makes("queries")) return turned(rowByRow(turned(scores), softmax));
  return rowByRow(scores, softmax);
}

function layerNorm(x: Plain, scale: Plain, bias: Plain): Plain {
  const width = scale.data.length;
  const rows = rowByRow(x, (row) => {
    if (!makes("sample")) return normed(row, 1e-5);
    const mean = sum(width, (k) => row[k] as number) / width;
    const variance = sum(width, (k) => ((row[k] as number) - mean) ** 2) / (width - 1);
    return row.map((value) => (value - mean) / Math.sqrt(variance + 1e-5));
  });
  const scaled = each(
    rows,
    (v, k) => v * (makes("unscaled-norm") ? 1 : (scale.data[k % width] ?? 0)),
  );
  return plus(scaled, bias);
}

/** One block of an encoder, then two recurrent layers on its input. */
function forward(weights: Weights, x: Plain, tap: Tap): void {
  const of = (name: string) => weights[name] as Plain;
  const tapped = (name: string, value: Plain) => plain(tap(name, value, { layout: "nchw" }));
  const q = tapped("q", plus(product(x, of("q.w"), makes("transposed")), of("q.b")));
  const k = tapped(
    "k",
    plus(product(x, of("k.w")), of("k.b"), makes("lost") ? 0 : makes("twice") ? 2 : 1),
  );
  const shares = tapped("attention", attention(q, k));
  const [batch = 1, length = 1, size = 1] = x.shape;
  const mixed = made([batch, length, size], ([b = 0, i = 0, d = 0]) =>
    sum(length, (j) => at(shares, [b, i, j]) * at(x, [b, j, d])),
  );
  const context = tapped("context", mixed);
  const residual = makes("residual") ? context : each(context, (v, i) => v + (x.data[i] as number));
  const sum_ = tapped("residual", residual);
  const norm = tapped("norm", layerNorm(sum_, of("norm.w"), of("norm.b")));
  const active = tapped("gelu", each(norm, gelu));
  const difference = each(active, (v, i) => v - (x.data[i] as number));
  tapped("difference", makes("order") ? each(difference, (v) => -v) : difference);
  const time = tapped(
    "time",
    made([length, batch, size], ([t = 0, b = 0, d = 0]) => at(x, [b, t, d])),
  );
  tapped("lstm", lstmOverTime(weights, time, 3));
  tapped("gru", gruOverTime(weights, time, 3));
}

/** The model of `onnx-causes.test.ts`, by plain loops. */
export default definePort<Weights, PlainTensor>({
  name: "onnx-attention",
  original: "written by the test",
  layout: "nchw",
  runtime: "plain",
  build: takeAll,
  forward: (weights, { x }, tap) => forward(weights, plain(x), tap),
});
