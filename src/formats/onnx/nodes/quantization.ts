import type { NodeOperation, NodeReader, NodeView, Operand } from "./node-view.js";
import { convolved } from "./products.js";
import { type Step, Steps } from "./steps.js";

/** Operators of quantized values: whole numbers q that stand for (q − zero point)·scale. */
export const QUANTIZATION: Readonly<Record<string, NodeReader>> = {
  ConvInteger: (view) => integerProduct(view, convolved),
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamicQuantize,
  MatMulInteger: (view) => integerProduct(view, multiplied),
  QLinearConv: (view) => requantized(view, convolved),
  QLinearMatMul: (view) => requantized(view, multiplied),
  QuantizeLinear: quantize,
};

/** Inputs by name; `null` where one that is there is not known. */
function inputsOf<N extends string>(
  view: NodeView,
  steps: Steps,
  places: Readonly<Record<N, number>>,
): Partial<Record<N, Step>> | null {
  const inputs: Partial<Record<N, Step>> = {};
  for (const [name, position] of Object.entries(places) as [N, number][]) {
    if (!view.has(position)) continue;
    const operand = view.wholeOperand(position) ?? vectorOf(view, position);
    if (operand === undefined) return null;
    inputs[name] = steps.use(operand);
  }
  return inputs;
}

/** Zero points and scales that are no weights: a few numbers. */
function vectorOf(view: NodeView, position: number): Operand | undefined {
  const values = view.numbers(position);
  if (values === undefined || values.length === 0) return undefined;
  const shape = values.length === 1 ? [] : [values.length];
  const part = `input_${position}`;
  const stored: NodeOperation = {
    kind: "fill",
    part,
    inputs: [],
    attributes: { shape, values },
    shape,
  };
  return { name: `./${part}`, shape, parts: [stored] };
}

/** A scale or zero point that holds for each place of an axis, or for all. */
function along(steps: Steps, part: string, vector: Step, rank: number, axis: number): Step {
  const count = vector.shape.reduce((product, size) => product * size, 1);
  if (count === 1) return vector.shape.length === 0 ? vector : steps.view(part, vector, []);
  const shape = Array.from({ length: rank }, (_, k) => (k === axis ? count : 1));
  return steps.view(part, vector, shape);
}

/** What both directions read: a value, and its scale and zero point along their axis. */
function scaledInputs(
  view: NodeView,
  steps: Steps,
): {
  readonly x: Step;
  readonly scale: Step;
  readonly zero: Step | undefined;
  readonly axis: number;
} | null {
  const { x, scale, zero } = inputsOf(view, steps, { x: 0, scale: 1, zero: 2 }) ?? {};
  if (x === undefined || scale === undefined || view.int("block_size", 0) !== 0) return null;
  const rank = x.shape.length;
  const axis = view.axis("axis", 1, rank);
  return { x, scale: along(steps, "scale", scale, rank, axis), zero, axis };
}

/** (x − zero point)·scale. */
function dequantize(view: NodeView): readonly NodeOperation[] | null {
  const steps = new Steps();
  const inputs = scaledInputs(view, steps);
  if (inputs === null) return null;
  const { x, scale, zero, axis } = inputs;
  return steps.end(
    steps.binary("scaled", "multiply", less(steps, "centred", x, zero, axis), scale),
  );
}

function less(steps: Steps, part: string, x: Step, zero: Step | undefined, axis: number): Step {
  if (zero === undefined) return x;
  const zeros = along(steps, `${part}_zero`, zero, x.shape.length, axis);
  return steps.binary(part, "subtract", x, zeros);
}

/** x ÷ scale rounded to even, moved by the zero point, cut to what the type holds. */
function quantize(view: NodeView): readonly NodeOperation[] | null {
  const steps = new Steps();
  const inputs = scaledInputs(view, steps);
  if (inputs === null) return null;
  const { x, scale, zero, axis } = inputs;
  const quotient = steps.binary("quotient", "divide", x, scale);
  return ended(view, steps, quotient, zero && along(steps, "zero", zero, x.shape.length, axis));
}

/** Rounded, moved, and cut to the type of the output. */
function ended(
  view: NodeView,
  steps: Steps,
  exact: Step,
  zero: Step | undefined,
): readonly NodeOperation[] | null {
  const limits = LIMITS[view.output.type];
  if (limits === undefined) return null;
  const [minimum, maximum] = limits;
  const whole = steps.elementwise("whole", "round", exact);
  const moved = zero === undefined ? whole : steps.binary("moved", "add", whole, zero);
  return steps.end(steps.activation("cut", "clipped-relu", moved, { minimum, maximum }));
}

const LIMITS: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
};

/** Scale and zero point from the smallest and the largest element, 0 among them: uint8. */
function dynamicQuantize(view: NodeView): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined) return null;
  const steps = new Steps();
  const x = steps.use(operand);
  const axes = x.shape.map((_, axis) => axis);
  const none = steps.scalar("none", 0);
  const extreme = (part: "maximum" | "minimum") =>
    steps.binary(part, part, steps.reduce(`${part}_of_all`, part, x, axes, false), none);
  const [high, low] = [extreme("maximum"), extreme("minimum")];
  const range = steps.binary("range", "subtract", high, low);
  const scale = steps.binary("scale", "divide", range, steps.scalar("levels", 255));
  if (view.which === 1) return steps.end(scale);
  const below = steps.binary("below", "divide", steps.elementwise("depth", "negate", low), scale);
  const zero = steps.activation(
    "zero",
    "clipped-relu",
    steps.elementwise("zero_whole", "round", below),
    {
      minimum: 0,
      maximum: 255,
    },
  );
  if (view.which === 2) return steps.end(zero);
  return ended(view, steps, steps.binary("quotient", "divide", x, scale), zero);
}

/** A sum of products of whole numbers; `null` where its form is not known. */
type Product = (view: NodeView, steps: Steps, a: Step, b: Step) => Step | null;

function multiplied(_view: NodeView, steps: Steps, a: Step, b: Step): Step | null {
  const stack = "abcdefgh".slice(0, Math.max(0, a.shape.length - 2));
  if (a.shape.length < 2) return null;
  if (b.shape.length === 2) return steps.contract("product", `${stack}xy,yz->${stack}xz`, [a, b]);
  const sameStacks = `${a.shape.slice(0, -2)}` === `${b.shape.slice(0, -2)}`;
  if (b.shape.length !== a.shape.length || !sameStacks) return null;
  return steps.contract("product", `${stack}xy,${stack}yz->${stack}xz`, [a, b]);
}

/** Axis of a kernel's output channels: along it scales and zero points may differ. */
function outputAxis(view: NodeView, kernel: Step): number {
  return /Conv/.test(view.node.op_type ?? "") ? 0 : kernel.shape.length - 1;
}

/** Whole numbers in, their sums out: int32, which nothing rounds. */
function integerProduct(view: NodeView, product: Product): readonly NodeOperation[] | null {
  const steps = new Steps();
  const { a, b, zeroA, zeroB } = inputsOf(view, steps, { a: 0, b: 1, zeroA: 2, zeroB: 3 }) ?? {};
  if (a === undefined || b === undefined || (zeroA?.shape.length ?? 0) > 0) return null;
  const left = less(steps, "left", a, zeroA, 0);
  const sums = product(view, steps, left, less(steps, "right", b, zeroB, outputAxis(view, b)));
  return sums && steps.end(sums);
}

/** The sum of products of what the whole numbers stand for, quantized again. */
function requantized(view: NodeView, product: Product): readonly NodeOperation[] | null {
  const steps = new Steps();
  const places = { a: 0, scaleA: 1, zeroA: 2, b: 3, scaleB: 4, zeroB: 5, scale: 6, zero: 7 };
  const inputs = inputsOf(view, steps, { ...places, bias: 8 });
  const { a, scaleA, zeroA, b, scaleB, zeroB, scale, zero, bias } = inputs ?? {};
  if (!(a && scaleA && b && scaleB && scale)) return null;
  const axis = outputAxis(view, b);
  const left = less(steps, "left", a, zeroA, 0);
  const sums = product(view, steps, left, less(steps, "right", b, zeroB, axis));
  if (sums === null) return null;
  const rank = sums.shape.length;
  const channelAxis = axis === 0 ? 1 : rank - 1;
  const biased =
    bias === undefined
      ? sums
      : steps.binary("biased", "add", sums, along(steps, "bias", bias, rank, channelAxis));
  const both = steps.binary("both_scales", "multiply", scaleA, scaleB);
  const factor = steps.binary("factor", "divide", both, scale);
  const exact = steps.binary(
    "exact",
    "multiply",
    biased,
    along(steps, "factors", factor, rank, channelAxis),
  );
  return ended(view, steps, exact, zero);
}
