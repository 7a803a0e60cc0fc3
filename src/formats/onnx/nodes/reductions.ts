import type { LinearMap, ReduceFunction } from "../../../architecture/attributes.js";
import type { NodeOperation, NodeReader, NodeView } from "./node-view.js";
import { norm } from "./normalization.js";
import { type Step, Steps } from "./steps.js";

/** Operators that combine the elements along some axes. */
export const REDUCTIONS: Readonly<Record<string, NodeReader>> = {
  CumSum: cumulativeSum,
  LogSoftmax: logSoftmax,
  ReduceL1: (view) => reduction(view, (steps, x, axes) => norm(steps, x, 1, axes)),
  ReduceL2: (view) => reduction(view, (steps, x, axes) => norm(steps, x, 2, axes)),
  ReduceLogSum: (view) => reduction(view, logSum),
  ReduceLogSumExp: (view) => reduction(view, logSumExp),
  ReduceMax: plain("maximum"),
  ReduceMean: plain("mean"),
  ReduceMin: plain("minimum"),
  ReduceProd: plain("product"),
  ReduceSum: plain("sum"),
  ReduceSumSquare: (view) => reduction(view, sumOfSquares),
  Softmax: softmax,
};

/** What becomes of the axes; they stay, with size 1. */
type Reduce = (steps: Steps, x: Step, axes: readonly number[]) => Step;

function plain(name: ReduceFunction): NodeReader {
  return (view) => {
    const keepAxes = view.int("keepdims", 1) === 1;
    return reduction(view, (steps, x, axes) => steps.reduce("reduced", name, x, axes, keepAxes));
  };
}

/** Axes are an attribute, or (from operator set 13 or 18 on) an input. None are all, or as told none. */
function reduction(view: NodeView, reduce: Reduce): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined) return null;
  const rank = operand.shape.length;
  const told = view.ints("axes") ?? (view.has(1) ? view.numbers(1) : []);
  if (told === undefined) return null;
  if (told.length === 0 && view.int("noop_with_empty_axes", 0) === 1) return null;
  const axes =
    told.length === 0
      ? operand.shape.map((_, axis) => axis)
      : told.map((axis) => (axis < 0 ? axis + rank : axis)).sort((a, b) => a - b);
  const steps = new Steps();
  const reduced = reduce(steps, steps.use(operand), axes);
  const { shape } = view.output;
  const same = `${reduced.shape}` === `${shape}`;
  return steps.end(same ? reduced : steps.view("shaped", reduced, shape));
}

function sumOfSquares(steps: Steps, x: Step, axes: readonly number[]): Step {
  return steps.reduce("sum", "sum", steps.activation("squares", "square", x), axes);
}

function logSum(steps: Steps, x: Step, axes: readonly number[]): Step {
  return steps.elementwise("log", "log", steps.reduce("sum", "sum", x, axes));
}

/** log Σ e^x, the largest element taken out first. */
function logSumExp(steps: Steps, x: Step, axes: readonly number[]): Step {
  const largest = steps.reduce("largest", "maximum", x, axes);
  const below = steps.binary("below", "subtract", x, largest);
  const log = logSum(steps, steps.activation("powers", "exp", below), axes);
  return steps.binary("whole", "add", log, largest);
}

/** x − max − log Σ e^(x − max) along one axis. */
function logSoftmax(view: NodeView): readonly NodeOperation[] | null {
  return alongOneAxis(view, (steps, x, axis) => {
    const below = steps.binary(
      "below",
      "subtract",
      x,
      steps.reduce("largest", "maximum", x, [axis]),
    );
    const log = logSum(steps, steps.activation("powers", "exp", below), [axis]);
    return steps.binary("log_softmax", "subtract", below, log);
  });
}

function softmax(view: NodeView): readonly NodeOperation[] | null {
  return alongOneAxis(view, (steps, x, axis) => {
    const attributes = { axis, size: x.shape[axis] ?? 1, temperature: 1 };
    return steps.emit("softmax", "softmax", [x], attributes, x.shape);
  });
}

/** Before operator set 13 the axis was the first of those that count as one. */
function alongOneAxis(
  view: NodeView,
  apply: (steps: Steps, x: Step, axis: number) => Step,
): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined) return null;
  const { shape } = operand;
  const old = view.opset < 13;
  const axis = view.axis("axis", old ? 1 : -1, shape.length);
  const steps = new Steps();
  const x = steps.use(operand);
  if (!old || axis === shape.length - 1) return steps.end(apply(steps, x, axis));
  const count = (sizes: readonly number[]) => sizes.reduce((product, size) => product * size, 1);
  const flat = steps.view("flat", x, [count(shape.slice(0, axis)), count(shape.slice(axis))]);
  return steps.end(steps.view("shaped", apply(steps, flat, 1), shape));
}

/** Longest axis that is summed up: its map has as many weights as that squared. */
const MAX_SUMMED = 512;

/** Each element with those before it (behind it: `reverse`), itself left out where `exclusive`. */
function cumulativeSum(view: NodeView): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  const [told] = view.numbers(1) ?? [];
  if (operand === undefined || told === undefined) return null;
  const axis = told < 0 ? told + operand.shape.length : told;
  const size = operand.shape[axis] ?? 1;
  if (size > MAX_SUMMED) return null;
  const [exclusive, reverse] = [view.int("exclusive", 0), view.int("reverse", 0)];
  const counts = (row: number, column: number) =>
    (reverse === 1 ? column - row : row - column) >= exclusive;
  const values = Array.from({ length: size * size }, (_, k) =>
    counts(Math.floor(k / size), k % size) ? 1 : 0,
  );
  const matrix: LinearMap = { rows: size, columns: size, values };
  const steps = new Steps();
  const x = steps.use(operand);
  return steps.end(steps.emit("summed", "resample", [x], { axis, matrix }, operand.shape));
}
