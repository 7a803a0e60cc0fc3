import type { OperationOf } from "../architecture/architecture.js";
import type { ElementwiseFunction } from "../architecture/attributes.js";
import { roundingOf } from "./bound-nodes.js";
import type { BoundContext, OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { castTo, numberOf, truthOf } from "./nodes-nd.js";
import { scaled, total } from "./rounding.js";
import { onlyInput } from "./shape-rules.js";

type Parameters = Readonly<Record<string, number>>;

/** What is known of one function. */
interface Definition {
  /** The definition in float64. */
  readonly exact: (x: number, parameters: Parameters) => number;
  readonly lower: (graph: GraphBuilder, x: string, parameters: Parameters, output: string) => void;
  /** Largest |f'| within the bound `e` of `x`: a number, or the name of a value. */
  readonly slope: (
    graph: GraphBuilder,
    x: string,
    e: string,
    parameters: Parameters,
  ) => number | string;
  /** Simple roundings of the result; 0 for exact functions. */
  readonly roundings: number;
  /** Values of the input's size, times this, are rounded as well: where the function subtracts such. */
  readonly inputRoundings?: (parameters: Parameters) => number;
  /** Height of a step that an error may carry `x` over. */
  readonly step?: (parameters: Parameters) => number;
  /** Distance from `x` to the nearest step; without it a step is taken to be near everywhere. Steps lie 1 apart. */
  readonly distance?: (graph: GraphBuilder, x: string) => string;
  /** Name of its {@link FunctionError}: the transcendental in it. */
  readonly error?: string;
}

/** Element-wise functions beside the activations: arithmetic of one value, and Keras' shrinking functions. */
export const elementwiseFamily: OperatorFamily<"elementwise"> = {
  kind: "elementwise",
  shape: (_attributes, inputs) => onlyInput("elementwise", inputs),
  lower: ({ attributes }, { graph, inputs: [x = ""], output }) => {
    FUNCTIONS[attributes.function].lower(graph, x, attributes.parameters, output);
  },
  bound: (operation, context) => elementwiseBound(operation, context),
  element: ({ attributes }, index, { read }) =>
    FUNCTIONS[attributes.function].exact(read(0, index), attributes.parameters),
  cost: () => 8,
};

function elementwiseBound(
  { attributes }: OperationOf<"elementwise">,
  context: BoundContext,
): string | null {
  const {
    graph,
    inputs: [x = ""],
    output,
    bounds: [e = null],
  } = context;
  const { slope, roundings, inputRoundings, step, distance, error } =
    FUNCTIONS[attributes.function];
  const size = graph.node("Abs", [output]);
  const own = total(graph, [
    roundings === 0 ? null : roundingOf(context, size, roundings),
    inputRoundings === undefined
      ? null
      : scaled(
          graph,
          roundingOf(context, graph.node("Abs", [x]), 4),
          inputRoundings(attributes.parameters),
        ),
  ]);
  let transcendental: string | null = null;
  if (error !== undefined) {
    const { ulp, absolute } = context.functionError(error);
    const relative = scaled(graph, size, ulp * 2 ** -24);
    transcendental = graph.node("Add", [relative, graph.float(absolute)]);
  }
  if (e === null) return total(graph, [own, transcendental]);
  const factor = slope(graph, x, e, attributes.parameters);
  const passed =
    typeof factor === "number" ? scaled(graph, e, factor) : graph.node("Mul", [e, factor]);
  const height = step?.(attributes.parameters) ?? 0;
  const jump =
    height === 0
      ? null
      : scaled(
          graph,
          distance ? crossed(graph, distance(graph, x), e) : graph.node("Sign", [e]),
          height,
        );
  return total(graph, [own, transcendental, passed, jump]);
}

/** How many steps, 1 apart, an error `e` may carry a value over whose nearest one is this far. */
function crossed(graph: GraphBuilder, distance: string, e: string): string {
  const beyond = graph.node("Sub", [e, distance]);
  const steps = graph.node("Add", [graph.node("Floor", [beyond]), graph.float(1)]);
  return graph.node("Relu", [steps]);
}

/** |x − the nearest whole number|, and |x − the nearest half| = ½ less that. */
function toWhole(graph: GraphBuilder, x: string): string {
  return graph.node("Abs", [graph.node("Sub", [x, graph.node("Round", [x])])]);
}

function toHalf(graph: GraphBuilder, x: string): string {
  return graph.node("Sub", [graph.float(0.5), toWhole(graph, x)]);
}

const always = (slope: number) => () => slope;
const simple =
  (opType: string) => (graph: GraphBuilder, x: string, _: Parameters, output: string) => {
    graph.node(opType, [x], {}, output);
  };
/** |x| − e, kept away from 0: where errors reach the pole nothing is bounded, which a huge slope says. */
function nearest(graph: GraphBuilder, x: string, e: string): string {
  const distance = graph.node("Sub", [graph.node("Abs", [x]), e]);
  return graph.node("Max", [distance, graph.float(1e-30)]);
}

/** One entry a function. */
const FUNCTIONS: Readonly<Record<ElementwiseFunction, Definition>> = {
  abs: { exact: Math.abs, lower: simple("Abs"), slope: always(1), roundings: 0 },
  negate: { exact: (x) => -x, lower: simple("Neg"), slope: always(1), roundings: 0 },
  expm1: {
    exact: Math.expm1,
    // 2t/(1 − t) with t = tanh(x/2) cancels nothing; beyond 1 the plain difference does not either.
    lower: (graph, x, _, output) => {
      const one = graph.float(1);
      const t = graph.node("Tanh", [scaled(graph, graph.node("Min", [x, one]), 0.5)]);
      const small = graph.node("Div", [scaled(graph, t, 2), graph.node("Sub", [one, t])]);
      const large = graph.node("Sub", [graph.node("Exp", [x]), one]);
      graph.node("Where", [graph.node("Less", [x, one]), small, large], {}, output);
    },
    slope: (graph, x, e) => graph.node("Exp", [graph.node("Add", [x, e])]),
    roundings: 4,
    error: "elu",
  },
  log: {
    exact: Math.log,
    lower: simple("Log"),
    slope: (graph, x, e) => graph.node("Reciprocal", [nearest(graph, x, e)]),
    roundings: 0,
    error: "log",
  },
  log1p: {
    exact: Math.log1p,
    lower: (graph, x, _, output) => {
      graph.node("Log", [graph.node("Add", [x, graph.float(1)])], {}, output);
    },
    slope: (graph, x, e) =>
      graph.node("Reciprocal", [nearest(graph, graph.node("Add", [x, graph.float(1)]), e)]),
    roundings: 1,
    error: "softplus",
  },
  sqrt: {
    exact: Math.sqrt,
    lower: simple("Sqrt"),
    slope: (graph, x, e) =>
      scaled(graph, graph.node("Reciprocal", [graph.node("Sqrt", [nearest(graph, x, e)])]), 0.5),
    roundings: 1,
  },
  rsqrt: {
    exact: (x) => 1 / Math.sqrt(x),
    // In double: rounded once, as TensorFlow's is, not by the root and the quotient.
    lower: (graph, x, _, output) => {
      const root = graph.node("Sqrt", [castTo(graph, x, "double")]);
      castTo(graph, graph.node("Reciprocal", [root]), "float", output);
    },
    slope: (graph, x, e) => {
      const low = nearest(graph, x, e);
      const power = graph.node("Mul", [low, graph.node("Sqrt", [low])]);
      return scaled(graph, graph.node("Reciprocal", [power]), 0.5);
    },
    roundings: 3,
  },
  reciprocal: {
    exact: (x) => 1 / x,
    lower: (graph, x, _, output) => void graph.node("Div", [graph.float(1), x], {}, output),
    slope: (graph, x, e) => {
      const low = nearest(graph, x, e);
      return graph.node("Reciprocal", [graph.node("Mul", [low, low])]);
    },
    roundings: 1,
  },
  sign: { exact: Math.sign, lower: simple("Sign"), slope: always(0), roundings: 0, step: () => 1 },
  floor: {
    exact: Math.floor,
    lower: simple("Floor"),
    slope: always(0),
    roundings: 0,
    step: () => 1,
    distance: toWhole,
  },
  ceil: {
    exact: Math.ceil,
    lower: simple("Ceil"),
    slope: always(0),
    roundings: 0,
    step: () => 1,
    distance: toWhole,
  },
  round: {
    exact: roundHalfEven,
    lower: simple("Round"),
    slope: always(0),
    roundings: 0,
    step: () => 1,
    distance: toHalf,
  },
  sin: { exact: Math.sin, lower: simple("Sin"), slope: always(1), roundings: 1, error: "tanh" },
  cos: { exact: Math.cos, lower: simple("Cos"), slope: always(1), roundings: 1, error: "tanh" },
  erf: { exact: erf, lower: simple("Erf"), slope: always(1.13), roundings: 1, error: "gelu" },
  not: {
    exact: (x) => (x === 0 ? 1 : 0),
    lower: (graph, x, _, output) => {
      numberOf(graph, graph.node("Not", [truthOf(graph, x)]), output);
    },
    slope: always(0),
    roundings: 0,
  },
  "is-nan": {
    exact: (x) => Number(Number.isNaN(x)),
    lower: (graph, x, _, output) => {
      numberOf(graph, graph.node("IsNaN", [x]), output);
    },
    slope: always(0),
    roundings: 0,
  },
  affine: {
    exact: (x, { scale = 1, offset = 0 }) => x * scale + offset,
    lower: (graph, x, { scale = 1, offset = 0 }, output) => {
      const product = graph.node(
        "Mul",
        [x, graph.float(scale)],
        {},
        offset === 0 ? output : undefined,
      );
      if (offset !== 0) graph.node("Add", [product, graph.float(offset)], {}, output);
    },
    slope: (_graph, _x, _e, { scale = 1 }) => Math.abs(scale),
    roundings: 3,
    // Product and offset may cancel, and both constants are rounded themselves.
    inputRoundings: ({ scale = 1 }) => Math.abs(scale),
  },
  power: {
    exact: (x, { exponent = 1 }) => x ** exponent,
    lower: (graph, x, { exponent = 1 }, output) => {
      if (exponent === 2) graph.node("Mul", [x, x], {}, output);
      else graph.node("Pow", [x, graph.float(exponent)], {}, output);
    },
    slope: (graph, x, e, { exponent = 1 }) => {
      const size = graph.node("Add", [graph.node("Abs", [x]), e]);
      const base = exponent < 1 ? nearest(graph, x, e) : size;
      return scaled(
        graph,
        graph.node("Pow", [base, graph.float(exponent - 1)]),
        Math.abs(exponent),
      );
    },
    roundings: 4,
  },
  "threshold-relu": {
    exact: (x, { slope = 0, threshold = 0 }) =>
      x <= threshold ? (slope === 0 ? 0 : slope * (x - threshold)) : x,
    lower: (graph, x, { slope = 0, threshold = 0 }, output) => {
      const limit = graph.float(threshold);
      const below =
        slope === 0 ? graph.float(0) : scaled(graph, graph.node("Sub", [x, limit]), slope);
      graph.node("Where", [graph.node("LessOrEqual", [x, limit]), below, x], {}, output);
    },
    slope: (_graph, _x, _e, { slope = 0 }) => Math.max(1, Math.abs(slope)),
    roundings: 2,
    step: ({ threshold = 0 }) => Math.abs(threshold),
  },
  celu: {
    exact: (x, { alpha = 1 }) => (x > 0 ? x : alpha * Math.expm1(x / alpha)),
    lower: (graph, x, { alpha = 1 }, output) => {
      const zero = graph.float(0);
      const positive = graph.node("Greater", [x, zero]);
      const t = graph.node("Tanh", [
        scaled(graph, graph.node("Where", [positive, zero, x]), 0.5 / alpha),
      ]);
      const left = graph.node("Div", [
        scaled(graph, t, 2 * alpha),
        graph.node("Sub", [graph.float(1), t]),
      ]);
      graph.node("Where", [positive, x, left], {}, output);
    },
    slope: always(1),
    roundings: 4,
    error: "elu",
  },
  "hard-shrink": {
    exact: (x, { threshold = 0.5 }) => (Math.abs(x) <= threshold ? 0 : x),
    lower: (graph, x, { threshold = 0.5 }, output) => {
      const small = graph.node("LessOrEqual", [graph.node("Abs", [x]), graph.float(threshold)]);
      graph.node("Where", [small, graph.float(0), x], {}, output);
    },
    slope: always(1),
    roundings: 0,
    step: ({ threshold = 0.5 }) => threshold,
  },
  "soft-shrink": {
    exact: (x, { threshold = 0.5 }) =>
      x > threshold ? x - threshold : x < -threshold ? x + threshold : Number.isNaN(x) ? x : 0,
    lower: (graph, x, { threshold = 0.5 }, output) => {
      const [high, low] = [graph.float(threshold), graph.float(-threshold)];
      const above = graph.node("Sub", [x, high]);
      const below = graph.node("Add", [x, high]);
      // NaN compares false and passes through the last branch: x − x is 0 for numbers, NaN for NaN.
      const inside = graph.node("Mul", [
        graph.node("Max", [graph.node("Min", [x, high]), low]),
        graph.float(0),
      ]);
      const upper = graph.node("Where", [graph.node("Greater", [x, high]), above, inside]);
      graph.node("Where", [graph.node("Less", [x, low]), below, upper], {}, output);
    },
    slope: always(1),
    roundings: 1,
  },
  squareplus: {
    exact: (x, { b = 4 }) => (x + Math.sqrt(x * x + b)) / 2,
    lower: (graph, x, { b = 4 }, output) => {
      const root = graph.node("Sqrt", [
        graph.node("Add", [graph.node("Mul", [x, x]), graph.float(b)]),
      ]);
      graph.node("Mul", [graph.node("Add", [x, root]), graph.float(0.5)], {}, output);
    },
    slope: always(1),
    // For negative x the sum cancels: the error is that of |x|.
    roundings: 4,
    inputRoundings: () => 1,
  },
  "sparse-plus": {
    exact: (x) => (x <= -1 ? 0 : x < 1 ? 0.25 * (x + 1) ** 2 : x),
    lower: (graph, x, _, output) => {
      const one = graph.float(1);
      const shifted = graph.node("Add", [x, one]);
      const curve = graph.node("Mul", [graph.node("Mul", [shifted, shifted]), graph.float(0.25)]);
      const upper = graph.node("Where", [graph.node("Less", [x, one]), curve, x]);
      const low = graph.node("LessOrEqual", [x, graph.float(-1)]);
      graph.node("Where", [low, graph.float(0), upper], {}, output);
    },
    slope: always(1),
    roundings: 4,
  },
};

function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** erf by its series for small arguments and by Simpson's rule to 6 otherwise: within 1e-12. */
function erf(x: number): number {
  if (x < 0) return -erf(-x);
  if (!(x < 6)) return Number.isNaN(x) ? x : 1;
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 && n < 400; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
