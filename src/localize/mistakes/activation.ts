import type { ActivationFunction } from "../../architecture/attributes.js";
import { type Mistake, type Mistakes, median, shown, withAttributes } from "./mistake.js";

/** Slopes that libraries have as a default: Darknet .1, tf.nn .2, Keras layers .3, PyTorch .01. */
const SLOPES = [0.1, 0.2, 0.3, 0.01];

/** What one function is taken for, with the parameters it then has. */
const CONFUSED: Partial<
  Record<ActivationFunction, readonly (readonly [ActivationFunction, Record<string, number>])[]>
> = {
  leaky: [
    ["relu", {}],
    ["linear", {}],
    ["elu", { alpha: 1, gain: 1 }],
  ],
  relu: [
    ["clipped-relu", { minimum: 0, maximum: 6 }],
    ["linear", {}],
    ["leaky", { slope: 0.1 }],
    ["leaky", { slope: 0.2 }],
  ],
  "clipped-relu": [
    ["relu", {}],
    ["linear", {}],
  ],
  mish: [
    ["swish", {}],
    ["leaky", { slope: 0.1 }],
    ["relu", {}],
    ["softplus", {}],
    ["linear", {}],
    ["hard-mish", {}],
  ],
  swish: [
    ["mish", {}],
    ["logistic", {}],
    ["relu", {}],
    ["linear", {}],
  ],
  logistic: [
    ["linear", {}],
    ["hard-sigmoid", { slope: 0.2, offset: 0.5 }],
    ["tanh", {}],
    ["swish", {}],
  ],
  "gelu-tanh": [
    ["gelu-erf", {}],
    ["swish", {}],
    ["relu", {}],
  ],
  "gelu-erf": [
    ["gelu-tanh", { linear: 0.7978845608, cubic: 0.0356774081 }],
    ["swish", {}],
    ["relu", {}],
  ],
  "hard-sigmoid": [
    ["hard-sigmoid", { slope: 0.2, offset: 0.5 }],
    ["hard-sigmoid", { slope: 1 / 6, offset: 0.5 }],
    ["logistic", {}],
  ],
  tanh: [
    ["logistic", {}],
    ["linear", {}],
  ],
  elu: [
    ["relu", {}],
    ["selu", { alpha: 1.6732632423543772, gain: 1.0507009873554805 }],
    ["linear", {}],
  ],
};

/** Another slope (fitted from the negative elements), another function, or none at all. */
export const activationMistakes: Mistakes<"activation"> = (suspect) => {
  const { operation } = suspect;
  const { function: name, parameters } = operation.attributes;
  const mistakes: Mistake[] = [];
  const slope = parameters["slope"];
  if (slope !== undefined) {
    for (const found of [fittedSlope(suspect), ...SLOPES]) {
      if (!Number.isFinite(found) || found === slope || isOtherFunction(found, name)) continue;
      mistakes.push({
        cause: `negative slope is ${shown(found)}, expected ${shown(slope)}`,
        operation: withAttributes(operation, { parameters: { ...parameters, slope: found } }),
      });
    }
  }
  if (slope !== undefined && suspect.actual === undefined) {
    const of = (value: number): Mistake => ({
      cause: `negative slope is ${shown(value)}, expected ${shown(slope)}`,
      operation: withAttributes(operation, { parameters: { ...parameters, slope: value } }),
    });
    const value = 1.5 * slope;
    mistakes.push({ ...of(value), search: { expected: slope, value, of } });
  }
  for (const [other, own] of CONFUSED[name] ?? []) {
    mistakes.push({
      cause:
        other === "linear"
          ? `no activation, expected ${name}`
          : `activation is ${other}${list(own)}, expected ${name}`,
      operation: withAttributes(operation, { function: other, parameters: own }),
    });
  }
  return mistakes;
};

/** A leaky with slope 0 or 1 is better told as what it is: a relu, or no activation. */
function isOtherFunction(slope: number, name: ActivationFunction): boolean {
  return name === "leaky" && (Math.abs(slope) < 1e-4 || Math.abs(slope - 1) < 1e-4);
}

function list(parameters: Record<string, number>): string {
  const parts = Object.entries(parameters).map(([name, value]) => `${name} ${shown(value)}`);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

/** y ÷ x where x is negative: the same everywhere when only the slope is wrong. */
function fittedSlope({ actual, inputs }: Parameters<typeof activationMistakes>[0]): number {
  const x = inputs[0]?.data;
  if (actual === undefined || x === undefined) return Number.NaN;
  const quotients: number[] = [];
  const step = Math.max(1, Math.floor(x.length / 20_000));
  for (let i = 0; i < x.length; i += step) {
    const value = x[i] as number;
    if (value < -1e-3) quotients.push((actual[i] as number) / value);
  }
  return Math.fround(Number(median(quotients).toPrecision(5)));
}
