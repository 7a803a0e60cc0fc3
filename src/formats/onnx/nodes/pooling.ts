import type { NodeOperation, NodeReader, NodeView } from "./node-view.js";
import { Steps } from "./steps.js";
import { overMap, windowsOf } from "./windows.js";

/** Operators that make one number of a window, or of the whole map. */
export const POOLING: Readonly<Record<string, NodeReader>> = {
  AveragePool: (view) => pool(view, "average"),
  GlobalAveragePool: (view) => globalPool(view, "average"),
  GlobalMaxPool: (view) => globalPool(view, "max"),
  MaxPool: (view) => pool(view, "max"),
};

function pool(view: NodeView, mode: "max" | "average"): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  const kernel = view.ints("kernel_shape") ?? [];
  if (operand === undefined || view.which !== 0) return null;
  const windows = windowsOf(view, operand.shape, kernel);
  const countPadding = view.int("count_include_pad", 0) === 1;
  // What an average counts in windows beyond the pads is told in no two places alike.
  const unclear = mode === "average" && countPadding && view.int("ceil_mode", 0) === 1;
  if (windows === null || unclear || windows.dilations.some((step) => step !== 1)) return null;
  const common = { mode, countPadding: mode === "max" || countPadding };
  const { shape } = view.output;
  const steps = new Steps();
  const x = steps.use(operand);
  if (operand.shape.length === 4) {
    return steps.end(steps.emit("pooled", "pool", [x], { ...common, ...overMap(windows) }, shape));
  }
  const { strides, before: padsBefore, after: padsAfter } = windows;
  const attributes = { ...common, kernel, strides, padsBefore, padsAfter, channelAxis: 1 };
  return steps.end(steps.emit("pooled", "pool-nd", [x], attributes, shape));
}

function globalPool(view: NodeView, mode: "max" | "average"): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined || operand.shape.length < 3) return null;
  const steps = new Steps();
  const x = steps.use(operand);
  if (operand.shape.length === 4) {
    return steps.end(steps.emit("pooled", "global-pool", [x], { mode }, view.output.shape));
  }
  const space = operand.shape.map((_, axis) => axis).slice(2);
  return steps.end(steps.reduce("pooled", mode === "max" ? "maximum" : "mean", x, space));
}
