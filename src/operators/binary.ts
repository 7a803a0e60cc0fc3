import type { BinaryFunction } from "../architecture/attributes.js";
import { roundingOf } from "./bound-nodes.js";
import { broadcastIndex, broadcastShape } from "./broadcast.js";
import type { BoundContext, OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { castTo, numberOf, truthOf } from "./nodes-nd.js";
import { total } from "./rounding.js";

/** Element-wise functions of two values, broadcast as numpy does. */
export const binaryFamily: OperatorFamily<"binary"> = {
  kind: "binary",

  shape: (_attributes, inputs) => {
    if (inputs.length !== 2) throw new RangeError(`binary: ${inputs.length} inputs, expected 2`);
    return broadcastShape("binary", inputs);
  },

  lower({ attributes: { function: kind } }, { graph, inputs: [a = "", b = ""], output }) {
    const arithmetic = ARITHMETIC[kind];
    if (arithmetic !== undefined) {
      graph.node(arithmetic, [a, b], {}, output);
      return;
    }
    if (kind === "floor-divide") {
      graph.node("Floor", [graph.node("Div", [a, b])], {}, output);
      return;
    }
    if (kind === "modulo") {
      const whole = graph.node("Floor", [graph.node("Div", [a, b])]);
      graph.node("Sub", [a, graph.node("Mul", [whole, b])], {}, output);
      return;
    }
    numberOf(graph, truthNodes(graph, kind, a, b), output);
  },

  bound: ({ attributes: { function: kind } }, context) => binaryBound(kind, context),

  element({ attributes: { function: kind } }, index, { inputShapes, read }) {
    const at = (input: number) => read(input, broadcastIndex(index, inputShapes[input] ?? []));
    return resultOf(kind, at(0), at(1));
  },

  cost: () => 2,
};

const ARITHMETIC: Partial<Record<BinaryFunction, string>> = {
  add: "Add",
  subtract: "Sub",
  multiply: "Mul",
  divide: "Div",
  power: "Pow",
  maximum: "Max",
  minimum: "Min",
};

function truthNodes(graph: GraphBuilder, kind: BinaryFunction, a: string, b: string): string {
  const compare: Partial<Record<BinaryFunction, string>> = {
    equal: "Equal",
    less: "Less",
    "less-equal": "LessOrEqual",
    greater: "Greater",
    "greater-equal": "GreaterOrEqual",
  };
  const opType = compare[kind];
  if (opType !== undefined) return graph.node(opType, [a, b]);
  if (kind === "not-equal") return graph.node("Not", [graph.node("Equal", [a, b])]);
  const logic = { and: "And", or: "Or", xor: "Xor" }[kind as "and" | "or" | "xor"];
  return graph.node(logic, [truthOf(graph, a), truthOf(graph, b)]);
}

function resultOf(kind: BinaryFunction, a: number, b: number): number {
  const nan = Number.isNaN(a) || Number.isNaN(b);
  switch (kind) {
    case "add":
      return a + b;
    case "subtract":
      return a - b;
    case "multiply":
      return a * b;
    case "divide":
      return a / b;
    case "floor-divide":
      return Math.floor(a / b);
    case "modulo":
      return a - Math.floor(a / b) * b;
    case "power":
      return a ** b;
    case "maximum":
      return nan ? Number.NaN : Math.max(a, b);
    case "minimum":
      return nan ? Number.NaN : Math.min(a, b);
    case "equal":
      return Number(a === b);
    case "not-equal":
      return Number(a !== b);
    case "less":
      return Number(a < b);
    case "less-equal":
      return Number(a <= b);
    case "greater":
      return Number(a > b);
    case "greater-equal":
      return Number(a >= b);
    case "and":
      return Number(a !== 0 && b !== 0);
    case "or":
      return Number(a !== 0 || b !== 0);
    case "xor":
      return Number((a !== 0) !== (b !== 0));
  }
}

function binaryBound(kind: BinaryFunction, context: BoundContext): string | null {
  const {
    graph,
    inputs: [a = "", b = ""],
    output,
    bounds: [ea = null, eb = null],
  } = context;
  const size = (value: string) => graph.node("Abs", [value]);
  const times = (x: string, e: string | null) => e && graph.node("Mul", [size(x), e]);
  const rounding = () => roundingOf(context, size(output), kind === "power" ? 4 : 1);
  switch (kind) {
    case "add":
    case "subtract":
      return total(graph, [rounding(), ea, eb]);
    case "multiply":
      return total(graph, [
        rounding(),
        times(b, ea),
        times(a, eb),
        ea && eb && graph.node("Mul", [ea, eb]),
      ]);
    case "divide": {
      // d(a/b) = (ea + |a/b|·eb)/(|b| − eb); a divisor whose error reaches 0 bounds nothing.
      const upper = total(graph, [ea, times(output, eb)]);
      if (upper === null) return rounding();
      const lower =
        eb === null
          ? size(b)
          : graph.node("Max", [graph.node("Sub", [size(b), eb]), graph.float(0)]);
      return total(graph, [rounding(), graph.node("Div", [upper, lower])]);
    }
    case "maximum":
    case "minimum":
      if (ea === null || eb === null) return total(graph, [ea, eb]);
      return graph.node("Max", [ea, eb]);
    case "and":
    case "or":
    case "xor":
      return null;
    case "power": {
      // |d(a^b)| = |a^b|·(|b|·ea/|a| + |ln|a||·eb)
      const base = ea && graph.node("Div", [graph.node("Mul", [size(b), ea]), size(a)]);
      const exponent = eb && graph.node("Mul", [size(graph.node("Log", [size(a)])), eb]);
      const relative = total(graph, [base, exponent]);
      return total(graph, [rounding(), relative && graph.node("Mul", [size(output), relative])]);
    }
    default:
      return stepBound(kind, context);
  }
}

/** Where errors could turn the answer round, it may be off by a whole step. */
function stepBound(
  kind: BinaryFunction,
  { graph, inputs: [a = "", b = ""], bounds: [ea = null, eb = null] }: BoundContext,
): string | null {
  const error = total(graph, [ea, eb]);
  if (kind === "floor-divide" || kind === "modulo") {
    const step = kind === "modulo" ? graph.node("Abs", [b]) : graph.float(1);
    if (error === null) return null;
    return graph.node("Add", [
      graph.node("Mul", [graph.node("Abs", [error]), graph.float(0)]),
      step,
    ]);
  }
  if (error === null) return null;
  const distance = graph.node("Abs", [graph.node("Sub", [a, b])]);
  return castTo(graph, graph.node("LessOrEqual", [distance, error]), "float");
}
