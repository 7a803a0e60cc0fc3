import type { ActivationFunction } from "../architecture/attributes.js";

/** Values of an activation's parameters by name, defaults filled in. */
export type ActivationParameters = Readonly<Record<string, number>>;

/**
 * One straight piece of a function: it holds from `from` to the next piece's `from`.
 * The last piece reaches to +∞, the first begins at −∞.
 */
export interface Piece {
  readonly from: number;
  /** Largest |f'| on the piece. */
  readonly slope: number;
}

/** What is known of an activation besides its ONNX nodes: its definition and how it passes errors on. */
export interface ActivationDefinition {
  /** Names the parameters; a number is the value of those that no two formats disagree on. */
  readonly parameters?: Readonly<Record<string, number | "required">>;
  /** The definition in float64, written so that nothing cancels. */
  readonly exact: (x: number, parameters: ActivationParameters) => number;
  /** Largest slope, piece by piece; left out for those whose slope is bounded in activation.ts. */
  readonly pieces?: (parameters: ActivationParameters) => readonly Piece[];
  /** Name of its {@link FunctionError}; without it only simple arithmetic rounds. */
  readonly error?: string;
}

const { abs, exp, floor, log1p, tanh } = Math;
const LEFT = Number.NEGATIVE_INFINITY;
const logistic = (x: number) => 1 / (1 + exp(-x));
const everywhere = (slope: number) => () => [{ from: LEFT, slope }];
/** As x·e^x far to the left, where the slope is at most 19·e^−20. */
const fading = (slope: number) => () => [
  { from: LEFT, slope: 4e-8 },
  { from: -20, slope },
];
/** Slopes to the left and right of 0. */
const sides = (left: number, right: number): Piece[] => [
  { from: LEFT, slope: abs(left) },
  { from: 0, slope: abs(right) },
];
const ramp = (low: number, slope: number, high: number, outside: number): Piece[] => [
  { from: LEFT, slope: abs(outside) },
  { from: low, slope: abs(slope) },
  { from: high, slope: abs(outside) },
];
/** NaN stays NaN, as Math.min and Math.max have it too. */
const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

/** Abramowitz & Stegun's erf by its series (|x| < 3) and the continued fraction of erfc; within 1e-15. */
function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 0) return -erf(-x);
  if (x >= 3) return 1 - erfcFraction(x);
  let term = x;
  let sum = x;
  for (let n = 1; abs(term) > 1e-17 * abs(sum); n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** erfc for x ≥ 3: e^(−x²)/√π / (x + ½/(x + 1/(x + 3/2/(x + …)))). */
function erfcFraction(x: number): number {
  let tail = x;
  for (let k = 60; k >= 1; k--) tail = x + k / 2 / tail;
  return exp(-x * x) / Math.sqrt(Math.PI) / tail;
}

/** Φ(x), the normal distribution, accurate for large negative x as well. */
function normal(x: number): number {
  const z = x / Math.SQRT2;
  return z < -3 ? erfcFraction(-z) / 2 : (1 + erf(z)) / 2;
}

/**
 * Every activation. Definitions of Darknet's own functions: AlexeyAB/darknet `src/activations.h`,
 * checked against the conformance suite's `act-*` cases.
 */
export const ACTIVATIONS: Readonly<Record<ActivationFunction, ActivationDefinition>> = {
  linear: { exact: (x) => x },
  leaky: {
    parameters: { slope: "required" },
    exact: (x, { slope = 0 }) => (x < 0 ? slope * x : x),
    pieces: ({ slope = 0 }) => sides(slope, 1),
  },
  revleaky: {
    parameters: { slope: 0.1 },
    exact: (x, { slope = 0 }) => (x < 0 ? slope * x : x),
    pieces: ({ slope = 0 }) => sides(slope, 1),
  },
  relie: {
    parameters: { slope: 0.01 },
    exact: (x, { slope = 0 }) => (x < 0 ? slope * x : x),
    pieces: ({ slope = 0 }) => sides(slope, 1),
  },
  ramp: {
    parameters: { slope: 0.1 },
    exact: (x, { slope = 0 }) => (x < 0 ? 0 : x) + slope * x,
    pieces: ({ slope = 0 }) => sides(slope, 1 + slope),
  },
  relu: { exact: (x) => (x < 0 ? 0 : x), pieces: () => sides(0, 1) },
  "clipped-relu": {
    parameters: { minimum: 0, maximum: "required" },
    exact: (x, { minimum = 0, maximum = 0 }) => clamp(x, minimum, maximum),
    pieces: ({ minimum = 0, maximum = 0 }) => ramp(minimum, 1, maximum, 0),
  },
  hardtan: { exact: (x) => clamp(x, -1, 1), pieces: () => ramp(-1, 1, 1, 0) },
  lhtan: {
    parameters: { slope: 0.001 },
    exact: (x, { slope = 0 }) => (x < 0 ? slope * x : x > 1 ? slope * (x - 1) + 1 : x),
    pieces: ({ slope = 0 }) => ramp(0, 1, 1, slope),
  },
  plse: {
    parameters: { slope: 0.01 },
    exact: (x, { slope = 0 }) =>
      x < -4 ? slope * (x + 4) : x > 4 ? slope * (x - 4) + 1 : 0.125 * x + 0.5,
    pieces: ({ slope = 0 }) => ramp(-4, 0.125, 4, slope),
  },
  "hard-sigmoid": {
    parameters: { slope: "required", offset: "required" },
    exact: (x, { slope = 0, offset = 0 }) => clamp(slope * x + offset, 0, 1),
    pieces: ({ slope = 1, offset = 0 }) => ramp(-offset / slope, slope, (1 - offset) / slope, 0),
  },
  "hard-mish": {
    exact: (x) => (x > 0 ? x : x > -2 ? (x * x) / 2 + x : x <= -2 ? 0 : x),
    pieces: () => ramp(-2, 1, Number.POSITIVE_INFINITY, 0),
  },
  stair: {
    // x − ⌊x⌋ + ⌊x/2⌋ between odd and even numbers, ⌊x/2⌋ between even and odd ones: continuous.
    exact: (x) => floor(x / 2) + (abs(floor(x)) % 2 === 0 ? 0 : x - floor(x)),
    pieces: everywhere(1),
  },
  logistic: { exact: logistic, error: "logistic" },
  tanh: { exact: tanh, error: "tanh" },
  loggy: { exact: (x) => tanh(x / 2), error: "logistic" },
  exp: { exact: exp, error: "exp" },
  square: { exact: (x) => x * x },
  mish: {
    exact: (x) => x * tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))),
    // Largest slope 1.08842 at x = 1.4915.
    pieces: fading(1.0885),
    error: "mish",
  },
  swish: {
    exact: (x) => x * logistic(x),
    // Largest slope 1.09984 at x = 2.3994.
    pieces: fading(1.0999),
    error: "swish",
  },
  "gelu-tanh": {
    parameters: { linear: "required", cubic: "required" },
    exact: (x, { linear = 0, cubic = 0 }) => x * logistic(2 * (linear * x + cubic * x ** 3)),
    // Largest slope 1.1290 with either form and the usual constants.
    pieces: everywhere(1.13),
    error: "gelu",
  },
  "gelu-erf": { exact: (x) => x * normal(x), pieces: everywhere(1.13), error: "gelu" },
  elu: {
    parameters: { alpha: 1, gain: 1 },
    exact: (x, { alpha = 1, gain = 1 }) => gain * (x < 0 ? alpha * Math.expm1(x) : x),
    pieces: ({ alpha = 1, gain = 1 }) => sides(alpha * gain, gain),
    error: "elu",
  },
  selu: {
    parameters: { alpha: "required", gain: "required" },
    exact: (x, { alpha = 1, gain = 1 }) => gain * (x < 0 ? alpha * Math.expm1(x) : x),
    pieces: ({ alpha = 1, gain = 1 }) => sides(alpha * gain, gain),
    error: "selu",
  },
  softplus: {
    exact: (x) => (x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))),
    pieces: everywhere(1),
    error: "softplus",
  },
  softsign: { exact: (x) => x / (1 + abs(x)), pieces: everywhere(1) },
};
