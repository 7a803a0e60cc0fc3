import type { OperationOf } from "../architecture/architecture.js";
import type { ActivationFunction } from "../architecture/attributes.js";
import { ACTIVATIONS, type ActivationParameters, type Piece } from "./activation-functions.js";
import type { BoundContext, OperatorFamily } from "./family.js";
import { UNIT_ROUNDOFF } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { logistic } from "./nodes.js";
import { roundings, SMALLEST_NORMAL, scaled, sum, total } from "./rounding.js";
import { onlyInput } from "./shape-rules.js";

/**
 * Element-wise functions.
 *
 * They are lowered so that nothing cancels or overflows: through Exp (0.6 ulp in ONNX Runtime)
 * rather than its Sigmoid (10⁴ ulp at −10), and through comparisons, which keep NaN, rather than
 * Relu and Clip.
 */
export const activationFamily: OperatorFamily<"activation"> = {
  kind: "activation",

  shape(attributes, inputs) {
    parametersOf(attributes);
    return onlyInput("activation", inputs);
  },

  lower({ attributes }, { graph, inputs: [x = ""], output }) {
    const nanFrom = attributes.parameters["nanFrom"];
    if (nanFrom === undefined) {
      LOWER[attributes.function](graph, x, parametersOf(attributes), output);
      return;
    }
    const value = graph.fresh("finite");
    LOWER[attributes.function](graph, x, parametersOf(attributes), value);
    const broken = graph.node("Greater", [x, graph.float(nanFrom)]);
    graph.node("Where", [broken, graph.float(Number.NaN), value], {}, output);
  },

  bound(operation, context) {
    const inputBound = context.bounds[0] ?? null;
    const passed = inputBound === null ? null : passedError(operation, context, inputBound);
    return total(context.graph, [passed, ownError(operation, context)]);
  },

  element({ attributes }, index, { read }) {
    const x = read(0, index);
    if (x > (attributes.parameters["nanFrom"] ?? Number.POSITIVE_INFINITY)) return Number.NaN;
    return ACTIVATIONS[attributes.function].exact(x, parametersOf(attributes));
  },

  cost: () => 10,
};

/**
 * The parameters of an activation, constants that every format agrees on filled in.
 *
 * @throws {RangeError} when one is missing
 */
function parametersOf(attributes: OperationOf<"activation">["attributes"]): ActivationParameters {
  const known = ACTIVATIONS[attributes.function]?.parameters ?? {};
  return Object.fromEntries(
    Object.entries(known).map(([name, otherwise]) => {
      const value = attributes.parameters[name] ?? otherwise;
      if (value === "required") {
        throw new RangeError(`activation ${attributes.function} needs its parameter ${name}`);
      }
      return [name, value];
    }),
  );
}

type Lower = (
  graph: GraphBuilder,
  x: string,
  parameters: ActivationParameters,
  output: string,
) => void;

/** `condition(x, limit) ? yes : no`; NaN compares false, so `no` must be the branch that keeps it. */
function where(
  graph: GraphBuilder,
  [left, comparison, right]: readonly [string, "Less" | "Greater", string],
  yes: string,
  no: string,
  output?: string,
): string {
  return graph.node("Where", [graph.node(comparison, [left, right]), yes, no], {}, output);
}

const lowerLeaky: Lower = (graph, x, { slope = 0 }, output) => {
  graph.node("LeakyRelu", [x], { alpha: { float: slope } }, output);
};

/** Limits a value from both sides; NaN stays. */
function lowerClamp(graph: GraphBuilder, x: string, low: number, high: number, output?: string) {
  const [bottom, top] = [graph.float(low), graph.float(high)];
  const raised = where(graph, [x, "Less", bottom], bottom, x);
  return where(graph, [raised, "Greater", top], top, raised, output);
}

/** A line inside [low, high], lines of slope `slope` that continue it outside. */
function lowerBent(
  graph: GraphBuilder,
  x: string,
  middle: string,
  [low, high, top, slope]: readonly [number, number, number, number],
  output: string,
): void {
  const [bottom, limit, factor] = [graph.float(low), graph.float(high), graph.float(slope)];
  const below = graph.node("Mul", [graph.node("Sub", [x, bottom]), factor]);
  const beyond = graph.node("Mul", [graph.node("Sub", [x, limit]), factor]);
  const above = graph.node("Add", [beyond, graph.float(top)]);
  const upper = where(graph, [x, "Greater", limit], above, middle);
  where(graph, [x, "Less", bottom], below, upper, output);
}

/** 1 + e^−x, the denominator of the logistic function. */
function logisticDenominator(graph: GraphBuilder, x: string): string {
  return graph.node("Add", [graph.node("Exp", [graph.node("Neg", [x])]), graph.float(1)]);
}

/** e^x − 1 for x ≤ 0 without cancellation: 2t/(1 − t) with t = tanh(x/2). */
function lowerExpMinusOne(graph: GraphBuilder, x: string): string {
  const t = graph.node("Tanh", [scaled(graph, x, 0.5)]);
  return graph.node("Div", [scaled(graph, t, 2), graph.node("Sub", [graph.float(1), t])]);
}

const lowerElu: Lower = (graph, x, { alpha = 1, gain = 1 }, output) => {
  const zero = graph.float(0);
  const negative = where(graph, [x, "Greater", zero], zero, x);
  const left = scaled(graph, lowerExpMinusOne(graph, negative), alpha * gain);
  where(graph, [x, "Less", zero], left, scaled(graph, x, gain), output);
};

/** One entry a function: adds its nodes. */
const LOWER: Readonly<Record<ActivationFunction, Lower>> = {
  linear: (graph, x, _, output) => void graph.node("Identity", [x], {}, output),
  leaky: lowerLeaky,
  revleaky: lowerLeaky,
  relie: lowerLeaky,
  ramp: (graph, x, { slope = 0 }, output) => {
    const zero = graph.float(0);
    const positive = where(graph, [x, "Less", zero], zero, x);
    graph.node("Add", [positive, scaled(graph, x, slope)], {}, output);
  },
  relu: (graph, x, _, output) => {
    const zero = graph.float(0);
    where(graph, [x, "Less", zero], zero, x, output);
  },
  "clipped-relu": (graph, x, { minimum = 0, maximum = 0 }, output) =>
    void lowerClamp(graph, x, minimum, maximum, output),
  hardtan: (graph, x, _, output) => void lowerClamp(graph, x, -1, 1, output),
  lhtan: (graph, x, { slope = 0 }, output) => lowerBent(graph, x, x, [0, 1, 1, slope], output),
  plse: (graph, x, { slope = 0 }, output) => {
    const middle = graph.node("Add", [scaled(graph, x, 0.125), graph.float(0.5)]);
    lowerBent(graph, x, middle, [-4, 4, 1, slope], output);
  },
  "hard-sigmoid": (graph, x, { slope = 0, offset = 0 }, output) => {
    const line = graph.node("Add", [scaled(graph, x, slope), graph.float(offset)]);
    lowerClamp(graph, line, 0, 1, output);
  },
  "hard-mish": (graph, x, _, output) => {
    // x·(x/2 + 1) between −2 and 0; the limits keep x² from overflowing.
    const inside = lowerClamp(graph, x, -2, 0);
    const factor = graph.node("Add", [scaled(graph, inside, 0.5), graph.float(1)]);
    const curve = graph.node("Mul", [inside, factor]);
    where(graph, [x, "Greater", graph.float(0)], x, curve, output);
  },
  stair: (graph, x, _, output) => {
    // With h = ⌊x/2⌋ the larger of h and x − (h + 1): they cross at 2h + 1, and nothing cancels.
    const half = graph.node("Floor", [scaled(graph, x, 0.5)]);
    const line = graph.node("Sub", [x, graph.node("Add", [half, graph.float(1)])]);
    where(graph, [line, "Less", half], half, line, output);
  },
  logistic: (graph, x, _, output) => void logistic(graph, x, output),
  tanh: (graph, x, _, output) => void graph.node("Tanh", [x], {}, output),
  // 2/(1 + e^−x) − 1 = tanh(x/2), which does not cancel.
  loggy: (graph, x, _, output) => void graph.node("Tanh", [scaled(graph, x, 0.5)], {}, output),
  exp: (graph, x, _, output) => void graph.node("Exp", [x], {}, output),
  square: (graph, x, _, output) => void graph.node("Mul", [x, x], {}, output),
  mish: (graph, x, _, output) => {
    // x·tanh(ln(1 + n)) = x·m/(m + 2) with n = e^x, m = n·(n + 2); the quotient is 1 from x = 20 on.
    // What Min may make of a NaN does not matter: the last product has it from x.
    const n = graph.node("Exp", [graph.node("Min", [x, graph.float(20)])]);
    const m = graph.node("Mul", [n, graph.node("Add", [n, graph.float(2)])]);
    const ratio = graph.node("Div", [m, graph.node("Add", [m, graph.float(2)])]);
    graph.node("Mul", [x, ratio], {}, output);
  },
  swish: (graph, x, _, output) =>
    void graph.node("Div", [x, logisticDenominator(graph, x)], {}, output),
  "gelu-tanh": (graph, x, { linear = 0, cubic = 0 }, output) => {
    // ½(1 + tanh z) = 1/(1 + e^−2z), which does not cancel.
    const squared = graph.node("Mul", [x, x]);
    const factor = graph.node("Add", [scaled(graph, squared, 2 * cubic), graph.float(2 * linear)]);
    const z = graph.node("Mul", [x, factor]);
    graph.node("Div", [x, logisticDenominator(graph, z)], {}, output);
  },
  "gelu-erf": (graph, x, _, output) => {
    const erf = graph.node("Erf", [scaled(graph, x, Math.SQRT1_2)]);
    const half = graph.node("Add", [scaled(graph, erf, 0.5), graph.float(0.5)]);
    graph.node("Mul", [x, half], {}, output);
  },
  elu: lowerElu,
  selu: lowerElu,
  softplus: (graph, x, _, output) => void graph.node("Softplus", [x], {}, output),
  softsign: (graph, x, _, output) => void graph.node("Softsign", [x], {}, output),
};

/** What the error of the input becomes: the largest slope near each element times it. */
function passedError(
  { attributes }: OperationOf<"activation">,
  { graph, inputs: [x = ""], output }: BoundContext,
  bound: string,
): string {
  const parameters = parametersOf(attributes);
  const times = (...slope: string[]) =>
    graph.node("Mul", [bound, sum(graph, ...(slope as [string]))]);
  const one = () => graph.float(1);
  /** bound·(slope + curvature·bound), never more than `range` (nor 0·∞). */
  const limited = (slope: string, curvature: number, range: number) => {
    const near = graph.node("Min", [bound, graph.float(100)]);
    const steepest = sum(graph, slope, scaled(graph, near, curvature));
    return graph.node("Min", [graph.node("Mul", [near, steepest]), graph.float(range)]);
  };
  switch (attributes.function) {
    case "linear":
      return bound;
    case "square": {
      const double = scaled(graph, graph.node("Abs", [x]), 2);
      return times(double, bound);
    }
    case "exp": {
      // e^(x+e) − e^x ≤ y·e·e^e; the limit is beyond any use and keeps 0·∞ away.
      const power = graph.node("Exp", [graph.node("Min", [bound, graph.float(80)])]);
      return times(graph.node("Mul", [output, power]));
    }
    case "logistic": {
      // f' = y(1 − y); |f''| ≤ 0.0963; the values lie within 1 of each other.
      const slope = graph.node("Mul", [output, graph.node("Sub", [one(), output])]);
      return limited(graph.node("Abs", [slope]), 0.1, 1);
    }
    case "tanh":
    case "loggy": {
      // f' = 1 − y² (half of it for tanh(x/2)); |f''| ≤ 0.77; the values lie within 2 of each other.
      const factor = attributes.function === "tanh" ? 1 : 0.5;
      const square = graph.node("Mul", [output, output]);
      const slope = graph.node("Abs", [graph.node("Sub", [one(), square])]);
      return limited(scaled(graph, slope, factor), 0.77 * factor, 2);
    }
    default: {
      const pieces = ACTIVATIONS[attributes.function].pieces?.(parameters) ?? [];
      return graph.node("Mul", [bound, steepest(graph, x, bound, pieces)]);
    }
  }
}

/** Slope of the ramp that stands for a step: wide as nothing beside a bound, so steep that it is one for float32. */
const STEP = 1e30;

/** The largest slope of the pieces that [x − bound, x + bound] touches, never less. */
function steepest(graph: GraphBuilder, x: string, bound: string, pieces: readonly Piece[]): string {
  const [first, second, ...others] = pieces;
  if (first === undefined) return graph.float(0);
  if (second === undefined) return graph.float(first.slope);
  if (others.length === 0) return steeperSide(graph, x, bound, [first, second]);
  const left = graph.node("Sub", [x, bound]);
  const right = graph.node("Add", [x, bound]);
  const zero = graph.float(0);
  let slope = zero;
  for (const [k, piece] of pieces.entries()) {
    const value = graph.float(piece.slope);
    const next = pieces[k + 1]?.from ?? Number.POSITIVE_INFINITY;
    // Kept unless the interval lies wholly on one side.
    let here = value;
    if (Number.isFinite(piece.from)) {
      here = where(graph, [right, "Less", graph.float(piece.from)], zero, here);
    }
    if (Number.isFinite(next)) {
      here = where(graph, [left, "Greater", graph.float(next)], zero, here);
    }
    slope = graph.node("Max", [slope, here]);
  }
  return slope;
}

/**
 * {@link steepest} of two pieces, the usual case: the gentler slope only where the whole interval lies on its side.
 * As a clipped line, since a choice by a comparison takes the runtime twenty times as long.
 */
function steeperSide(
  graph: GraphBuilder,
  x: string,
  bound: string,
  [left, right]: readonly [Piece, Piece],
): string {
  const rises = right.slope >= left.slope;
  const nearest = graph.node(rises ? "Add" : "Sub", [x, bound]);
  const beyond = right.from === 0 ? nearest : graph.node("Sub", [nearest, graph.float(right.from)]);
  const [gentle, steep] = [left.slope, right.slope].toSorted((a, b) => a - b) as [number, number];
  const line = sum(graph, scaled(graph, beyond, rises ? STEP : -STEP), graph.float(steep));
  return graph.node("Clip", [line, graph.float(gentle), graph.float(steep)]);
}

/** Functions that only choose between numbers that are there already. */
const EXACT: ReadonlySet<ActivationFunction> = new Set(["linear", "relu", "hardtan"]);

/**
 * Absolute rounding, in units of u, of the usual ways to compute a function beyond a few units of the
 * result: `size` units of |x|, `one` units of 1 (elu as e^x − 1 cancels near 0, tanh(ln(1 + e^x)) too); to the left of
 * `from` no more than there.
 */
const CANCELLATION: Readonly<
  Partial<Record<ActivationFunction, { size?: number; one?: number; from?: number }>>
> = {
  // ½(1 + slope)·x + ½(1 − slope)·|x| is a way to write it.
  leaky: { size: 1 },
  revleaky: { size: 1 },
  relie: { size: 1 },
  ramp: { size: 1 },
  // As 2/(1 + e^−2x) − 1.
  tanh: { one: 2 },
  lhtan: { one: 0.01 },
  plse: { size: 0.125, one: 1 },
  "hard-sigmoid": { one: 1 },
  "hard-mish": { size: 1 },
  stair: { size: 1, one: 1 },
  loggy: { one: 2 },
  // Below −17 e^x is lost beside 1 and nothing is left that could cancel.
  mish: { size: 2, from: -20 },
  "gelu-tanh": { size: 2 },
  "gelu-erf": { size: 2 },
  elu: { one: 2 },
  selu: { one: 4 },
  softplus: { one: 2 },
};

function leftEnd(graph: GraphBuilder, x: string, from: number | undefined): string {
  return from === undefined ? x : graph.node("Max", [x, graph.float(from)]);
}

/** Rounding of the function itself: measured error of the function, and of the arithmetic around it. */
function ownError(
  { attributes }: OperationOf<"activation">,
  { graph, inputs: [x = ""], output, functionError, mode }: BoundContext,
): string | null {
  if (EXACT.has(attributes.function)) return null;
  const { error } = ACTIVATIONS[attributes.function];
  const { ulp, absolute } = error === undefined ? { ulp: 0, absolute: 0 } : functionError(error);
  const { size = 0, one = 0, from } = CANCELLATION[attributes.function] ?? {};
  const simple = mode === "hard" ? 6 : 1;
  const constant = absolute + simple * one * UNIT_ROUNDOFF + SMALLEST_NORMAL;
  return sum(
    graph,
    roundings(graph, output, ulp + simple),
    size === 0 ? null : roundings(graph, leftEnd(graph, x, from), simple * size),
    graph.float(constant),
  );
}
