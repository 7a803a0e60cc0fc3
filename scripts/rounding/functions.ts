import * as tf from "@tensorflow/tfjs-core";
import ort from "onnxruntime-node";
import type { Architecture } from "../../src/architecture/architecture.js";
import type { ActivationFunction } from "../../src/architecture/attributes.js";
import { lower } from "../../src/lower/lower.js";
import { serializeGraph } from "../../src/lower/serialize-graph.js";
import { ACTIVATIONS } from "../../src/operators/activation-functions.js";
import { UNIT_ROUNDOFF } from "../../src/operators/family.js";
import { GraphBuilder } from "../../src/operators/graph.js";
import { loadBackend } from "../../src/runtime/load-backend.js";
import { errorOf, roundedUp } from "./statistics.js";

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
    (x) => {
      const s = tf.sigmoid(x);
      const t = tf.mul(s, tf.sub(2, s));
      return tf.mul(x, tf.div(t, tf.sub(2, t)));
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
      {
        id: "y",
        kind: "activation",
        layer: 0,
        inputs: ["input"],
        attributes: { function: function_, parameters },
        weights: {},
        shape,
      },
    ],
    outputs: ["y"],
    weights: [],
  };
  const { model } = lower(architecture, { outputs: [{ tap: "y", name: "out" }] });
  const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: "disabled" });
  const result = await session.run({ input: new ort.Tensor("float32", x, shape) });
  return (result["out"] as ort.Tensor).data as Float32Array;
}

type Nodes = (graph: GraphBuilder, x: string) => string;

/** ONNX Runtime's own operators, as a model in that format has them. */
const OPERATORS: Readonly<Record<string, readonly Nodes[]>> = {
  exp: [(graph, x) => graph.node("Exp", [x])],
  tanh: [(graph, x) => graph.node("Tanh", [x])],
  logistic: [(graph, x) => graph.node("Sigmoid", [x])],
  softplus: [(graph, x) => graph.node("Softplus", [x])],
  mish: [(graph, x) => graph.node("Mul", [x, graph.node("Tanh", [graph.node("Softplus", [x])])])],
  swish: [(graph, x) => graph.node("Mul", [x, graph.node("Sigmoid", [x])])],
  gelu: [
    (graph, x) => {
      const cube = graph.node("Mul", [graph.node("Mul", [x, x]), x]);
      const inner = graph.node("Add", [
        graph.node("Mul", [x, graph.float(0.797885)]),
        graph.node("Mul", [cube, graph.float(0.035677)]),
      ]);
      const gate = graph.node("Add", [graph.node("Tanh", [inner]), graph.float(1)]);
      return graph.node("Mul", [graph.node("Mul", [x, graph.float(0.5)]), gate]);
    },
  ],
  elu: [(graph, x) => graph.node("Elu", [x])],
  selu: [(graph, x) => graph.node("Selu", [x])],
};

async function operators(name: string, x: Float32Array): Promise<Float32Array[]> {
  const results: Float32Array[] = [];
  for (const form of OPERATORS[name] ?? []) {
    const graph = new GraphBuilder();
    const value = { name: form(graph, "x"), shape: [x.length] };
    const model = serializeGraph(graph, [{ name: "x", shape: [x.length] }], [value], []);
    const session = await ort.InferenceSession.create(model, {
      graphOptimizationLevel: "disabled",
    });
    const result = await session.run({ x: new ort.Tensor("float32", x, [x.length]) });
    results.push((result[value.name] as ort.Tensor).data as Float32Array);
  }
  return results;
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

/**
 * How exactly `who` (a back-end, `reference` or `plain`) computes each transcendental.
 *
 * @returns one table of `src/runtime/function-errors.ts`, as source text
 */
export async function functionErrors(who: string): Promise<string> {
  const x = points();
  if (!["reference", "operators", "plain"].includes(who)) await loadBackend(who as "wasm");
  const rows: string[] = [];
  for (const name of Object.keys(FORMS)) {
    const exact = truth(name, x);
    const results: ArrayLike<number>[] = [];
    if (who === "reference") results.push(await reference(name, x));
    else if (who === "operators") results.push(...(await operators(name, x)));
    else if (who === "plain") results.push(plain(name, x));
    else
      for (const form of FORMS[name] ?? [])
        results.push(tf.tidy(() => form(tf.tensor1d(x)).dataSync()));
    const fits = results.map((result) => errorOf(result, exact, UNIT_ROUNDOFF));
    const ulp = Math.max(...fits.map((one) => one.ulp));
    const absolute = Math.max(...fits.map((one) => one.absolute));
    rows.push(`    ${name}: { ulp: ${roundedUp(ulp)}, absolute: ${roundedUp(absolute)} },`);
  }
  return `  ${who}: {\n${rows.join("\n")}\n  },`;
}
