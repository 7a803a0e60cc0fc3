import type { ReduceFunction } from "../../../architecture/attributes.js";
import type { NodeOperation, NodeReader, NodeView } from "./node-view.js";
import { windowsOf } from "./windows.js";

/** Operators that make one number of many. */
export const POOLING: Readonly<Record<string, NodeReader>> = {
  AveragePool: (view) => pool(view, "average"),
  GlobalAveragePool: (view) => globalPool(view, "average"),
  GlobalMaxPool: (view) => globalPool(view, "max"),
  MaxPool: (view) => pool(view, "max"),
  ReduceMax: (view) => reduction(view, "maximum"),
  ReduceMean: (view) => reduction(view, "mean"),
  ReduceMin: (view) => reduction(view, "minimum"),
  ReduceProd: (view) => reduction(view, "product"),
  ReduceSum: (view) => reduction(view, "sum"),
  Softmax: softmax,
};

function pool(view: NodeView, mode: "max" | "average"): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  const kernel = view.ints("kernel_shape") ?? [];
  if (operand?.shape.length !== 4 || view.which !== 0) return null;
  const windows = windowsOf(view, operand.shape, kernel);
  const countPadding = view.int("count_include_pad", 0) === 1;
  // What an average counts in windows beyond the pads is told in no two places alike.
  const unclear = mode === "average" && countPadding && view.int("ceil_mode", 0) === 1;
  if (windows === null || unclear || windows.dilations.some((step) => step !== 1)) return null;
  const { strides, before, after } = windows;
  const attributes = {
    mode,
    kernel: kernel as readonly [number, number],
    strides: strides as readonly [number, number],
    pads: {
      top: before[0] ?? 0,
      left: before[1] ?? 0,
      bottom: after[0] ?? 0,
      right: after[1] ?? 0,
    },
    countPadding: mode === "max" || countPadding,
  } as const;
  const { shape } = view.output;
  return [...operand.parts, { kind: "pool", inputs: [operand.name], attributes, shape }];
}

function globalPool(view: NodeView, mode: "max" | "average"): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand?.shape.length !== 4) return null;
  const { shape } = view.output;
  return [
    ...operand.parts,
    { kind: "global-pool", inputs: [operand.name], attributes: { mode }, shape },
  ];
}

/** Axes are an attribute, or (from operator set 13 or 18 on) an input. */
function reduction(view: NodeView, name: ReduceFunction): readonly NodeOperation[] | null {
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
  const attributes = { function: name, axes, keepAxes: view.int("keepdims", 1) === 1 };
  const { shape } = view.output;
  return [...operand.parts, { kind: "reduce", inputs: [operand.name], attributes, shape }];
}

/** Before operator set 13 it went over all axes from one on: the same where that is the last. */
function softmax(view: NodeView): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined) return null;
  const rank = operand.shape.length;
  const axis = view.axis("axis", view.opset >= 13 ? -1 : 1, rank);
  if (view.opset < 13 && axis !== rank - 1) return null;
  const attributes = { axis, size: operand.shape[axis] ?? 1, temperature: 1 };
  const { shape } = view.output;
  return [...operand.parts, { kind: "softmax", inputs: [operand.name], attributes, shape }];
}
