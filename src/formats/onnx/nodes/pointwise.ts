import type {
  ActivationFunction,
  BinaryFunction,
  ElementwiseFunction,
} from "../../../architecture/attributes.js";
import type { NodeOperation, NodeReader, NodeView } from "./node-view.js";

/** Operators that compute each element from the elements at its place. */
export const POINTWISE: Readonly<Record<string, NodeReader>> = {
  ...activations(),
  ...functions(),
  ...pairs(),
  Clip: clip,
  HardSwish: hardSwish,
  Pow: power,
  Where: choice,
};

/** A tensor of numbers that are the same at every run. */
export function constant(
  { output: { shape } }: NodeView,
  values: readonly number[],
): readonly NodeOperation[] {
  const same = values.length > 0 && values.every((value) => Object.is(value, values[0]));
  const attributes = { shape, values: same ? values.slice(0, 1) : values };
  return [{ kind: "fill", inputs: [], attributes, shape }];
}

/** An activation of the first input. */
function activation(
  view: NodeView,
  name: ActivationFunction,
  parameters: Readonly<Record<string, number>> = {},
): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined) return null;
  const attributes = { function: name, parameters };
  return [
    ...operand.parts,
    { kind: "activation", inputs: [operand.name], attributes, shape: view.output.shape },
  ];
}

/** 2/√π and √(2/π): of the two ways to write Gelu. */
const GELU_LINEAR = Math.sqrt(2 / Math.PI);

function activations(): Record<string, NodeReader> {
  return {
    Relu: (view) => activation(view, "relu"),
    LeakyRelu: (view) => activation(view, "leaky", { slope: view.float("alpha", 0.01) }),
    Sigmoid: (view) => activation(view, "logistic"),
    Tanh: (view) => activation(view, "tanh"),
    Exp: (view) => activation(view, "exp"),
    Mish: (view) => activation(view, "mish"),
    Softplus: (view) => activation(view, "softplus"),
    Softsign: (view) => activation(view, "softsign"),
    Elu: (view) => activation(view, "elu", { alpha: view.float("alpha", 1), gain: 1 }),
    Selu: (view) =>
      activation(view, "selu", {
        alpha: view.float("alpha", 1.6732631921768188),
        gain: view.float("gamma", 1.0507010221481323),
      }),
    HardSigmoid: (view) =>
      activation(view, "hard-sigmoid", {
        slope: view.float("alpha", 0.2),
        offset: view.float("beta", 0.5),
      }),
    Gelu: (view) =>
      view.text("approximate", "none") === "tanh"
        ? activation(view, "gelu-tanh", { linear: GELU_LINEAR, cubic: 0.044715 * GELU_LINEAR })
        : activation(view, "gelu-erf"),
  };
}

function elementwise(
  view: NodeView,
  name: ElementwiseFunction,
  parameters: Readonly<Record<string, number>> = {},
): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined) return null;
  const attributes = { function: name, parameters };
  return [
    ...operand.parts,
    { kind: "elementwise", inputs: [operand.name], attributes, shape: view.output.shape },
  ];
}

function functions(): Record<string, NodeReader> {
  const names: Readonly<Record<string, ElementwiseFunction>> = {
    Abs: "abs",
    Ceil: "ceil",
    Cos: "cos",
    Erf: "erf",
    Floor: "floor",
    IsNaN: "is-nan",
    Log: "log",
    Neg: "negate",
    Not: "not",
    Reciprocal: "reciprocal",
    Round: "round",
    Sign: "sign",
    Sin: "sin",
    Sqrt: "sqrt",
  };
  return Object.fromEntries(
    Object.entries(names).map(([operator, name]) => [
      operator,
      (view: NodeView) => elementwise(view, name),
    ]),
  );
}

function pairs(): Record<string, NodeReader> {
  const names: Readonly<Record<string, BinaryFunction>> = {
    Add: "add",
    And: "and",
    Div: "divide",
    Equal: "equal",
    Greater: "greater",
    GreaterOrEqual: "greater-equal",
    Less: "less",
    LessOrEqual: "less-equal",
    Max: "maximum",
    Min: "minimum",
    Mul: "multiply",
    Or: "or",
    Sub: "subtract",
    Xor: "xor",
  };
  return Object.fromEntries(
    Object.entries(names).map(([operator, name]) => [
      operator,
      (view: NodeView) => binary(view, name),
    ]),
  );
}

function binary(view: NodeView, name: BinaryFunction): readonly NodeOperation[] | null {
  const operands = view.arity === 2 ? view.operands(2) : undefined;
  if (operands === undefined) return null;
  return [
    ...operands.flatMap(({ parts }) => parts),
    {
      kind: "binary",
      inputs: operands.map((operand) => operand.name),
      attributes: { function: name },
      shape: view.output.shape,
    },
  ];
}

/** Limits from both sides; without an upper one at 0 it is a Relu. Other one-sided limits are left to the runtime. */
function clip(view: NodeView): readonly NodeOperation[] | null {
  const [low, high] = limits(view);
  if (low === 0 && high === Number.POSITIVE_INFINITY) return activation(view, "relu");
  if (!(Number.isFinite(low) && Number.isFinite(high))) return null;
  return activation(view, "clipped-relu", { minimum: low, maximum: high });
}

/** Until operator set 11 the limits were attributes; ±FLT_MAX means none. */
function limits(view: NodeView): readonly [number, number] {
  const none = (value: number) => (Math.abs(value) > 3.4e38 ? Math.sign(value) * Infinity : value);
  const of = (position: number, name: string, otherwise: number) => {
    if (view.has(position)) return view.numbers(position)?.[0] ?? Number.NaN;
    return none(view.float(name, otherwise));
  };
  return [of(1, "min", -Infinity), of(2, "max", Infinity)];
}

/** x·max(0, min(1, x/6 + ½)). */
function hardSwish(view: NodeView): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined) return null;
  const { shape } = view.output;
  const gate = { function: "hard-sigmoid", parameters: { slope: 1 / 6, offset: 0.5 } } as const;
  return [
    ...operand.parts,
    { kind: "activation", part: "gate", inputs: [operand.name], attributes: gate, shape },
    {
      kind: "binary",
      inputs: [operand.name, "./gate"],
      attributes: { function: "multiply" },
      shape,
    },
  ];
}

/** The exponents that people write: a square and a root round once, a power in general does not. */
function power(view: NodeView): readonly NodeOperation[] | null {
  const exponent = view.numbers(1);
  if (exponent?.length === 1 && exponent[0] === 2) return activation(view, "square");
  if (exponent?.length === 1 && exponent[0] === 0.5) return elementwise(view, "sqrt");
  return binary(view, "power");
}

function choice(view: NodeView): readonly NodeOperation[] | null {
  const operands = view.operands(3);
  if (operands === undefined) return null;
  return [
    ...operands.flatMap(({ parts }) => parts),
    {
      kind: "where",
      inputs: operands.map(({ name }) => name),
      attributes: {},
      shape: view.output.shape,
    },
  ];
}
