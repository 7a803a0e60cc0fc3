import { NEGATIVE_SIDE } from "../../../architecture/architecture.js";
import type {
  ActivationFunction,
  BinaryFunction,
  ElementwiseFunction,
} from "../../../architecture/attributes.js";
import type { NodeOperation, NodeReader, NodeView } from "./node-view.js";
import { type Step, Steps } from "./steps.js";

/** Operators that compute each element from the elements at its place. */
export const POINTWISE: Readonly<Record<string, NodeReader>> = {
  ...activations(),
  ...functions(),
  ...pairs(),
  Clip: clip,
  HardSwish: hardSwish,
  Max: (view) => folded(view, "maximum"),
  Mean: (view) => merged(view, "average"),
  Min: (view) => folded(view, "minimum"),
  Pow: power,
  PRelu: parametricRelu,
  Shrink: shrink,
  Sum: (view) => merged(view, "add"),
  Swish: swish,
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

type Parameters = Readonly<Record<string, number>>;

/** What a node makes of its first input. */
function ofFirst(
  view: NodeView,
  compute: (steps: Steps, x: Step) => Step,
): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined) return null;
  const steps = new Steps();
  return steps.end(compute(steps, steps.use(operand)));
}

function activation(view: NodeView, name: ActivationFunction, parameters: Parameters = {}) {
  return ofFirst(view, (steps, x) => steps.activation("active", name, x, parameters));
}

function elementwise(view: NodeView, name: ElementwiseFunction, parameters: Parameters = {}) {
  return ofFirst(view, (steps, x) => steps.elementwise("each", name, x, parameters));
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
    Celu: (view) => elementwise(view, "celu", { alpha: view.float("alpha", 1) }),
    ThresholdedRelu: (view) =>
      elementwise(view, "threshold-relu", { slope: 0, threshold: view.float("alpha", 1) }),
  };
}

/** Readers of operators that differ by the name of a function alone. */
function named<F extends string>(
  names: Readonly<Record<string, F>>,
  read: (view: NodeView, name: F) => readonly NodeOperation[] | null,
): Record<string, NodeReader> {
  return Object.fromEntries(
    Object.entries(names).map(([operator, name]) => [
      operator,
      (view: NodeView) => read(view, name),
    ]),
  );
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
  return named(names, elementwise);
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
    Mul: "multiply",
    Or: "or",
    Sub: "subtract",
    Xor: "xor",
  };
  return named(names, folded);
}

/** Two inputs, or more one after the other. */
function folded(view: NodeView, name: BinaryFunction): readonly NodeOperation[] | null {
  const operands = view.operands(view.arity);
  if (operands === undefined) return null;
  const steps = new Steps();
  const [first, ...others] = operands.map((operand) => steps.use(operand));
  if (first === undefined) return null;
  return steps.end(
    others.reduce((sum, one, k) => steps.binary(`with_${k + 1}`, name, sum, one), first),
  );
}

/** The sum or the mean of any number of inputs, broadcast as numpy does. */
function merged(view: NodeView, mode: "add" | "average"): readonly NodeOperation[] | null {
  const operands = view.operands(view.arity);
  if (operands === undefined) return null;
  const { shape } = view.output;
  const steps = new Steps();
  const inputs = operands.map((operand, k) => {
    const x = steps.use(operand);
    const missing = shape.length - x.shape.length;
    return missing === 0
      ? x
      : steps.view(`wide_${k}`, x, [...shape.slice(0, missing).fill(1), ...x.shape]);
  });
  return steps.end(steps.emit("merged", "merge", inputs, { mode }, shape));
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
  return ofFirst(view, (steps, x) => {
    const gate = steps.activation("gate", "hard-sigmoid", x, { slope: 1 / 6, offset: 0.5 });
    return steps.binary("gated", "multiply", x, gate);
  });
}

/** x·sigmoid(alpha·x). */
function swish(view: NodeView): readonly NodeOperation[] | null {
  const alpha = view.float("alpha", 1);
  return ofFirst(view, (steps, x) => {
    const steep = alpha === 1 ? x : steps.affine("steep", x, alpha, 0);
    return steps.binary("gated", "multiply", x, steps.activation("gate", "logistic", steep));
  });
}

/** max(x, 0) + slope·min(x, 0): so written an error of x may carry it over 0 and is bounded all the same. */
function parametricRelu(view: NodeView): readonly NodeOperation[] | null {
  const operands = view.operands(2);
  if (operands === undefined) return null;
  const steps = new Steps();
  const [x, slope] = operands.map((operand) => steps.use(operand)) as [Step, Step];
  const below = steps.binary("below", "minimum", x, steps.scalar("zero", 0));
  const left = steps.binary(NEGATIVE_SIDE, "multiply", slope, below);
  return steps.end(steps.binary("whole", "add", steps.activation("right", "relu", x), left));
}

/** 0 within ±lambd, moved by the bias towards it outside: hard without a bias, soft where both are the same. */
function shrink(view: NodeView): readonly NodeOperation[] | null {
  const [threshold, bias] = [view.float("lambd", 0.5), view.float("bias", 0)];
  if (bias === 0) return elementwise(view, "hard-shrink", { threshold });
  return bias === threshold ? elementwise(view, "soft-shrink", { threshold }) : null;
}

/** The exponents that people write: a square and a root round once, a power in general does not. */
function power(view: NodeView): readonly NodeOperation[] | null {
  const exponent = view.numbers(1);
  if (exponent?.length === 1 && exponent[0] === 2) return activation(view, "square");
  if (exponent?.length === 1 && exponent[0] === 0.5) return elementwise(view, "sqrt");
  return folded(view, "power");
}

function choice(view: NodeView): readonly NodeOperation[] | null {
  const operands = view.operands(3);
  if (operands === undefined) return null;
  const steps = new Steps();
  const inputs = operands.map((operand) => steps.use(operand));
  return steps.end(steps.emit("chosen", "where", inputs, {}, view.output.shape));
}
