/**
 * Measures how well each transcendental is computed, and how far convolutions lie from the bound:
 * the numbers in `src/runtime/function-errors.ts` and `docs/tolerance.md`.
 *
 *     npx tsx scripts/measure-rounding.ts functions [wasm|cpu|node|reference|plain …]
 *     npx tsx scripts/measure-rounding.ts convolutions [wasm|cpu|node …]
 */
import * as tf from "@tensorflow/tfjs-core";
import ort from "onnxruntime-node";
import type { Architecture } from "../src/architecture/architecture.js";
import type { ActivationFunction } from "../src/architecture/attributes.js";
import { lower } from "../src/lower/lower.js";
import { ACTIVATIONS } from "../src/operators/activation-functions.js";
import { UNIT_ROUNDOFF } from "../src/operators/family.js";
import { loadBackend } from "../src/runtime/backend.js";

/** Points of each function: both signs, magnitudes from 1e-8 to 100, evenly in the logarithm, and evenly from -20 to 20. */
function points(): Float32Array {
  const values: number[] = [];
  for (let k = 0; k < 60_000; k++) {
    const magnitude = 10 ** (-8 + (10 * k) / 60_000);
    values.push(magnitude, -magnitude);
  }
  for (let k = 0; k <= 80_000; k++) values.push(-20 + k / 2000);
  return Float32Array.from(values);
}

type Unary = (x: tf.Tensor) => tf.Tensor;

/** The ways in which right ports write each function; the table holds for the worst of them. */
const FORMS: Readonly<Record<string, readonly Unary[]>> = {
  exp: [(x) => tf.exp(x)],
  tanh: [(x) => tf.tanh(x)],
  logistic: [(x) => tf.sigmoid(x), (x) => tf.div(1, tf.add(1, tf.exp(tf.neg(x))))],
  softplus: [(x) => tf.softplus(x)],
  mish: [
    (x) => tf.mul(x, tf.tanh(tf.softplus(x))),
    (x) => {
      const n = tf.exp(tf.minimum(x, 20));
      const p = tf.mul(n, tf.add(n, 2));
      return tf.mul(x, tf.div(p, tf.add(p, 2)));
    },
  ],
  swish: [(x) => tf.mul(x, tf.sigmoid(x)), (x) => tf.div(x, tf.add(1, tf.exp(tf.neg(x))))],
  gelu: [
    (x) => {
      const inner = tf.add(tf.mul(x, 0.797885), tf.mul(tf.mul(tf.mul(x, x), x), 0.035677));
      return tf.mul(tf.mul(x, 0.5), tf.add(1, tf.tanh(inner)));
    },
  ],
  elu: [(x) => tf.elu(x), (x) => tf.where(tf.greaterEqual(x, 0), x, tf.sub(tf.exp(x), 1))],
  selu: [(x) => tf.selu(x)],
};

/** The activation whose definition in float64 is the truth of each name, and its parameters. */
const EXACT: Readonly<Record<string, readonly [ActivationFunction, Record<string, number>]>> = {
  exp: ["exp", {}],
  tanh: ["tanh", {}],
  logistic: ["logistic", {}],
  softplus: ["softplus", {}],
  mish: ["mish", {}],
  swish: ["swish", {}],
  gelu: ["gelu-tanh", { linear: 0.797885, cubic: 0.035677 }],
  elu: ["elu", { alpha: 1, gain: 1 }],
  selu: ["selu", { alpha: 1.6732632423543772, gain: 1.0507009873554805 }],
};

interface Fit {
  readonly ulp: number;
  readonly absolute: number;
}

/** The smallest pair with which every error is covered: relative above some size of result, absolute below. */
function fit(computed: ArrayLike<number>, exact: Float64Array): Fit {
  let best: Fit & { weight: number } = { ulp: 0, absolute: Number.POSITIVE_INFINITY, weight: Number.POSITIVE_INFINITY };
  for (let exponent = -40; exponent <= 0; exponent++) {
    const knee = 2 ** exponent;
    let [ulp, absolute] = [0, 0];
    for (let i = 0; i < exact.length; i++) {
      const y = exact[i] as number;
      const error = Math.abs((computed[i] as number) - y);
      if (!Number.isFinite(y) || Math.abs(y) > 3e38) continue;
      if (Math.abs(y) >= knee) ulp = Math.max(ulp, error / (UNIT_ROUNDOFF * Math.abs(y)));
      else absolute = Math.max(absolute, error);
    }
    // An absolute term weighs as what it adds at a result of size 1/16.
    const weight = ulp + (16 * absolute) / UNIT_ROUNDOFF;
    if (weight < best.weight) best = { ulp, absolute, weight };
  }
  return { ulp: best.ulp, absolute: best.absolute };
}

function truth(name: string, x: Float32Array): Float64Array {
  const [function_, parameters] = EXACT[name] as (typeof EXACT)[string];
  return Float64Array.from(x, (value) => ACTIVATIONS[function_].exact(value, parameters));
}

async function reference(name: string, x: Float32Array): Promise<Float32Array> {
  const [function_, parameters] = EXACT[name] as (typeof EXACT)[string];
  const shape = [1, x.length];
  const architecture: Architecture = {
    name: "one",
    inputs: [{ name: "input", shape }],
    layers: [{ id: "y", index: 0, kind: "activation", operations: ["y"] }],
    operations: [
      { id: "y", kind: "activation", layer: 0, inputs: ["input"], attributes: { function: function_, parameters }, weights: {}, shape },
    ],
    outputs: ["y"],
    weights: [],
  };
  const { model } = lower(architecture, { outputs: [{ tap: "y", name: "out" }] });
  const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: "disabled" });
  const result = await session.run({ input: new ort.Tensor("float32", x, shape) });
  return (result["out"] as ort.Tensor).data as Float32Array;
}

/** A port's own loop: Math in float64, rounded once a step. */
function plain(name: string, x: Float32Array): Float32Array {
  const f = Math.fround;
  const { exp, tanh, log1p } = Math;
  const forms: Record<string, (v: number) => number> = {
    exp,
    tanh,
    logistic: (v) => f(1 / f(1 + f(exp(-v)))),
    softplus: (v) => (v > 20 ? v : f(log1p(f(exp(v))))),
    mish: (v) => f(v * f(tanh(v > 20 ? v : f(log1p(f(exp(v))))))),
    swish: (v) => f(v * f(1 / f(1 + f(exp(-v))))),
    gelu: (v) => f(0.5 * v * f(1 + f(tanh(f(f(0.797885 * v) + f(0.035677 * f(v * v * v))))))),
    elu: (v) => (v < 0 ? f(f(exp(v)) - 1) : v),
    selu: (v) => f(1.0507009873554805 * (v < 0 ? f(1.6732632423543772 * f(f(exp(v)) - 1)) : v)),
  };
  return x.map(forms[name] as (v: number) => number);
}

async function functions(who: string): Promise<void> {
  const x = points();
  if (who !== "reference" && who !== "plain") await loadBackend(who as "wasm");
  const rows: string[] = [];
  for (const name of Object.keys(FORMS)) {
    const exact = truth(name, x);
    const results: ArrayLike<number>[] = [];
    if (who === "reference") results.push(await reference(name, x));
    else if (who === "plain") results.push(plain(name, x));
    else for (const form of FORMS[name] ?? []) results.push(tf.tidy(() => form(tf.tensor1d(x)).dataSync()));
    const fits = results.map((result) => fit(result, exact));
    const ulp = Math.max(...fits.map((one) => one.ulp));
    const absolute = Math.max(...fits.map((one) => one.absolute));
    rows.push(`    ${name}: { ulp: ${up(ulp)}, absolute: ${absolute === 0 ? 0 : up(absolute)} },`);
  }
  console.log(`  ${who}: {\n${rows.join("\n")}\n  },`);
}

/** Two digits, rounded up: a bound may not shrink in writing. */
function up(value: number): string {
  if (value === 0) return "0";
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return String(Number((Math.ceil(value / unit) * unit).toPrecision(2)));
}

const [what = "functions", ...who] = process.argv.slice(2);
if (what === "functions") {
  for (const one of who.length > 0 ? who : ["reference", "plain", "wasm", "cpu"]) await functions(one);
}
