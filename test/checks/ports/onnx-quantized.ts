import { definePort, type PlainTensor, type Tap } from "../../../src/port/port.js";
import { at, each, made, makes, type Plain, plain, sum, takeAll } from "./plain-tensors.js";

type Weights = Readonly<Record<string, Plain>>;

/** To the nearest whole number, halves to even; away from 0 is what Math.round and others do. */
function whole(x: number): number {
  const nearest = Math.round(x);
  const half = Math.abs(x - Math.trunc(x)) === 0.5;
  if (makes("truncates")) return Math.trunc(x);
  return half && nearest % 2 !== 0 && !makes("away") ? nearest - 1 : nearest;
}

const cut = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

function quantized(x: Plain, scale: number, zero: number, low: number, high: number): Plain {
  const moved = makes("no-zero") ? 0 : zero;
  return each(x, (v) => cut(whole(Math.fround(v / Math.fround(scale))) + moved, low, high));
}

const dequantized = (q: Plain, scale: number, zero: number) =>
  each(q, (v) => (v - zero) * Math.fround(scale));

/** x·W of whole numbers less their zero points. */
function product(x: Plain, zero: number, kernel: Plain): Plain {
  const [inner = 1, units = 1] = kernel.shape;
  return made([x.shape[0] ?? 1, units], ([row = 0, unit = 0]) =>
    sum(inner, (i) => (at(x, [row, i]) - zero) * at(kernel, [i, unit])),
  );
}

/** The three forms in which models are quantized; each starts from the input. */
function forward(weights: Weights, x: Plain, tap: Tap): void {
  const of = (name: string) => weights[name] as Plain;
  const tapped = (name: string, value: Plain) => plain(tap(name, value));
  const [kernel, scales] = [of("kernel"), of("scales").data];
  const scaleOf = (unit: number) => scales[makes("per-tensor") ? 0 : unit] as number;
  const xq = tapped("x_q", quantized(x, 0.02, 117, 0, 255));
  const xd = tapped("x_d", dequantized(xq, 0.02, 117));
  const kd = made(kernel.shape, ([i = 0, unit = 0]) => at(kernel, [i, unit]) * scaleOf(unit));
  const exact = tapped("exact", product(xd, 0, kd));
  tapped("y_q", quantized(exact, 0.05, -3, -128, 127));
  const sums = product(xq, 117, kernel);
  const units = kernel.shape[1] ?? 1;
  const scaled = each(sums, (v, k) => (v * 0.02 * scaleOf(k % units)) / 0.05);
  const direct = each(scaled, (v) => cut(whole(Math.fround(v)) + 9, 0, 255));
  tapped("direct", direct);
  const [high, low] = [Math.max(...x.data, 0), Math.min(...x.data, 0)];
  const scale = Math.fround(Math.fround(high - low) / 255);
  const zero = cut(whole(Math.fround(-low / scale)), 0, 255);
  const dynamic = tapped(
    "dynamic",
    each(x, (v) => cut(whole(Math.fround(v / scale)) + zero, 0, 255)),
  );
  tapped("sums", product(dynamic, zero, kernel));
}

export default definePort<Weights, PlainTensor>({
  name: "onnx-quantized",
  original: "written by the test",
  layout: "nchw",
  runtime: "plain",
  build: takeAll,
  forward: (weights, { x }, tap) => forward(weights, plain(x), tap),
});
