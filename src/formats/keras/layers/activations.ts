import { NEGATIVE_SIDE } from "../../../architecture/architecture.js";
import type { Dialect } from "../config-types.js";
import { isObject, type Json, own } from "../config-types.js";
import type { Ops } from "../ops.js";
import { range } from "../ops.js";
import type { Value } from "../value.js";
import { type Call, inputOf, type LayerDefinition, onlyResult, tensorArgument } from "./call.js";

type Activation = (ops: Ops, x: Value, dialect: Dialect) => Value;

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;
/** What masked places are set to before a softmax. */
const LARGE_NEGATIVE = -1e9;

/** Keras 2: clip(0.2x + 0.5, 0, 1); Keras 3: relu6(x + 3)/6. */
function hardSigmoid(ops: Ops, x: Value, dialect: Dialect): Value {
  const slope = dialect === 2 ? 0.2 : 1 / 6;
  return ops.activation("hard-sigmoid", x, { slope, offset: 0.5 });
}

function hardSwish(ops: Ops, x: Value): Value {
  return ops.multiply(x, hardSigmoid(ops, x, 3));
}

/**
 * Keras' sparsemax along the last axis. Its threshold adds up all *running* sums of the support, where
 * the paper (Martins & Astudillo, 2016) takes the last of them: what Keras computes is what counts.
 */
function sparsemax(ops: Ops, x: Value): Value {
  const axis = x.rank - 1;
  const count = x.size(axis);
  const sorted = ops.sort(x, axis);
  const lower = range(0, count * count).map((k) => (k % count <= Math.floor(k / count) ? 1 : 0));
  const sums = ops.resample(sorted, axis, { rows: count, columns: count, values: lower }, "sums");
  const places = ops.fill([count], range(1, count + 1));
  const bound = ops.affine(ops.multiply(places, sorted), 1, 1, "bound");
  const support = ops.binary("greater", bound, sums, "support");
  const size = ops.reduce("sum", support.as("float"), [axis], true, "size");
  const total = ops.reduce("sum", ops.multiply(support.as("float"), sums), [axis], true, "total");
  const threshold = ops.divide(ops.affine(total, 1, -1), size, "threshold");
  return ops.activation("relu", ops.subtract(x, threshold));
}

/** `relu` with the arguments of Keras' function. */
export function relu(
  ops: Ops,
  x: Value,
  { slope, maximum, threshold }: { slope: number; maximum: number | null; threshold: number },
): Value {
  const lower =
    threshold !== 0
      ? ops.unary("threshold-relu", x, { slope, threshold }, "relu")
      : slope === 0
        ? ops.activation("relu", x)
        : ops.activation("leaky", x, { slope });
  if (maximum === null) return lower;
  // Keras clips before it adds the negative part: only what is above is cut.
  return ops.binary("minimum", lower, ops.scalar(maximum), "clip");
}

/** Activations by the names Keras uses in its files. */
const ACTIVATIONS: ReadonlyMap<string, Activation> = new Map<string, Activation>([
  ["linear", (_ops, x) => x],
  ["relu", (ops, x) => ops.activation("relu", x)],
  ["relu6", (ops, x) => ops.activation("clipped-relu", x, { minimum: 0, maximum: 6 })],
  ["leaky_relu", (ops, x) => ops.activation("leaky", x, { slope: 0.2 })],
  ["sigmoid", (ops, x) => ops.activation("logistic", x)],
  ["hard_sigmoid", hardSigmoid],
  ["tanh", (ops, x) => ops.activation("tanh", x)],
  ["softmax", (ops, x) => ops.softmax(x, [x.rank - 1])],
  ["log_softmax", (ops, x) => logSoftmax(ops, x, x.rank - 1)],
  ["softplus", (ops, x) => ops.activation("softplus", x)],
  ["softsign", (ops, x) => ops.activation("softsign", x)],
  ["elu", (ops, x) => ops.activation("elu", x, { alpha: 1, gain: 1 })],
  ["selu", (ops, x) => ops.activation("selu", x, { alpha: SELU_ALPHA, gain: SELU_SCALE })],
  ["celu", (ops, x) => ops.unary("celu", x, { alpha: 1 })],
  ["gelu", (ops, x) => ops.activation("gelu-erf", x)],
  ["exponential", (ops, x) => ops.activation("exp", x)],
  ["swish", (ops, x) => ops.activation("swish", x)],
  ["silu", (ops, x) => ops.activation("swish", x)],
  ["mish", (ops, x) => ops.activation("mish", x)],
  ["hard_silu", hardSwish],
  ["hard_swish", hardSwish],
  ["hard_tanh", (ops, x) => ops.activation("clipped-relu", x, { minimum: -1, maximum: 1 })],
  ["hard_shrink", (ops, x) => ops.unary("hard-shrink", x, { threshold: 0.5 })],
  ["soft_shrink", (ops, x) => ops.unary("soft-shrink", x, { threshold: 0.5 })],
  ["tanh_shrink", (ops, x) => ops.subtract(x, ops.activation("tanh", x))],
  ["squareplus", (ops, x) => ops.unary("squareplus", x, { b: 4 })],
  ["sparse_plus", (ops, x) => ops.unary("sparse-plus", x)],
  ["sparse_sigmoid", (ops, x) => ops.activation("hard-sigmoid", x, { slope: 0.5, offset: 0.5 })],
  ["sparsemax", sparsemax],
  [
    "log_sigmoid",
    (ops, x) => ops.unary("negate", ops.activation("softplus", ops.unary("negate", x))),
  ],
  ["glu", glu],
  ["threshold", (ops, x) => ops.unary("threshold-relu", x, { slope: 0, threshold: 0 })],
]);

/** First half times the logistic of the second. */
export function glu(ops: Ops, x: Value): Value {
  const [left, right] = ops.split(x, x.rank - 1, 2) as [Value, Value];
  return ops.multiply(left, ops.activation("logistic", right));
}

export function logSoftmax(ops: Ops, x: Value, axis: number): Value {
  const shifted = ops.subtract(x, ops.reduce("maximum", x, [axis], true), "shifted");
  const sum = ops.reduce("sum", ops.activation("exp", shifted), [axis], true);
  return ops.subtract(shifted, ops.unary("log", sum));
}

/**
 * Applies the activation that a configuration names under `key`.
 *
 * @throws {InputError} for a function that is not Keras' own
 */
export function activate(call: Call, x: Value, key = "activation", otherwise: Json = null): Value {
  return applyActivation(call, x, call.layer.raw(key) ?? otherwise);
}

/** Applies an activation as Keras serializes it: a name, a function object, or a layer. */
export function applyActivation(call: Call, x: Value, json: Json): Value {
  if (json === null) return x;
  const { layer, ops } = call;
  if (isObject(json)) {
    const className = own(json, "class_name");
    const config = own(json, "config");
    if (className === "function" && typeof config === "string")
      return applyActivation(call, x, config);
    if (
      typeof className === "string" &&
      isObject(config) &&
      own(json, "registered_name") === null
    ) {
      const child = layer.childFrom("activation", json);
      return onlyResult(call, call.run(child, [x]));
    }
  }
  const apply = typeof json === "string" ? ACTIVATIONS.get(json) : undefined;
  if (apply === undefined) {
    const shown = JSON.stringify(json).slice(0, 80);
    throw layer.refused(
      "unsupported",
      `has the activation ${shown}, which is none of Keras' own; replace it by one of ${[...ACTIVATIONS.keys()].slice(0, 8).join(", ")} … or export the model as ONNX`,
    );
  }
  return ops.within(typeof json === "string" ? json : "activation", () =>
    apply(ops, x, layer.dialect),
  );
}

/** x with what the mask leaves out set to a large negative number, and after the softmax to 0 (Keras 3). */
export function maskedSoftmax(
  call: Call,
  x: Value,
  axes: readonly number[],
  mask: Value | undefined,
): Value {
  const { ops, layer } = call;
  if (mask === undefined) return ops.softmax(x, axes);
  if (layer.dialect === 2) {
    // (1 − mask)·(−1e9) is added: a row with nothing left is spread evenly by what it had.
    const adder = ops.affine(mask.as("float"), -LARGE_NEGATIVE, LARGE_NEGATIVE, "adder");
    return ops.softmax(ops.add(x, adder), axes);
  }
  const masked = ops.softmax(ops.where(mask, x, ops.scalar(LARGE_NEGATIVE)), axes);
  return ops.where(mask, masked, ops.scalar(0));
}

function softmaxLayer(call: Call): Value {
  const x = inputOf(call);
  const axes = call.layer.numberList("axis", -1).map((axis) => (axis < 0 ? axis + x.rank : axis));
  return maskedSoftmax(call, x, axes, tensorArgument(call, "mask") ?? x.mask ?? undefined);
}

function prelu(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const shared = layer.raw("shared_axes") === null ? [] : layer.numberList("shared_axes", []);
  const shape = x.shape.slice(1).map((size, k) => (shared.includes(k + 1) ? 1 : size));
  const alpha = ops.weight(layer.weight("alpha", shape));
  const negative = ops.activation("relu", ops.unary("negate", x));
  return ops.subtract(ops.activation("relu", x), ops.multiply(alpha, negative, NEGATIVE_SIDE));
}

/** Keras 2 calls a leaky ReLU's slope `alpha`, Keras 3 `negative_slope`. */
function leakyRelu(call: Call): Value {
  const { layer, ops } = call;
  const alpha = layer.optionalNumber("alpha");
  const slope = layer.optionalNumber("negative_slope") ?? alpha ?? 0.3;
  return ops.activation("leaky", inputOf(call), { slope });
}

function reluLayer(call: Call): Value {
  const { layer, ops } = call;
  return relu(ops, inputOf(call), {
    maximum: layer.optionalNumber("max_value"),
    slope: layer.optionalNumber("negative_slope") ?? 0,
    threshold: layer.optionalNumber("threshold") ?? 0,
  });
}

export const activationLayers: Readonly<Record<string, LayerDefinition>> = {
  Activation: { call: (call) => activate(call, inputOf(call)), masks: "keep" },
  ReLU: { call: reluLayer, masks: "keep" },
  LeakyReLU: { call: leakyRelu, masks: "keep" },
  PReLU: { call: prelu, masks: "keep" },
  ELU: {
    call: (call) =>
      call.ops.activation("elu", inputOf(call), { alpha: call.layer.number("alpha", 1), gain: 1 }),
    masks: "keep",
  },
  Softmax: { call: softmaxLayer, masks: "keep" },
  ThresholdedReLU: {
    call: (call) => {
      const threshold = call.layer.number("theta", 1);
      return call.ops.unary("threshold-relu", inputOf(call), { slope: 0, threshold });
    },
    masks: "keep",
  },
};
