import type { ResizeAttributes } from "../../../architecture/attributes.js";
import type { NodeOperation, NodeReader, NodeView } from "./node-view.js";
import { Steps } from "./steps.js";

/** Operators that change the size of a map. */
export const RESIZING: Readonly<Record<string, NodeReader>> = {
  Resize: (view) => resize(view, view.text("coordinate_transformation_mode", "half_pixel")),
  Upsample: (view) => resize(view, "asymmetric"),
};

const COORDINATES: Readonly<Record<string, ResizeAttributes["coordinates"]>> = {
  align_corners: "align-corners",
  asymmetric: "asymmetric",
  half_pixel: "half-pixel",
  half_pixel_symmetric: "half-pixel-symmetric",
  pytorch_half_pixel: "half-pixel-of-many",
  tf_half_pixel_for_nn: "half-pixel-unshifted",
};
const ROUNDING: Readonly<Record<string, ResizeAttributes["nearestRounding"]>> = {
  ceil: "ceil",
  floor: "floor",
  round_prefer_ceil: "round-prefer-ceil",
  round_prefer_floor: "round-prefer-floor",
};

/** Nearest or linear, of a map's height and width or of a row; cubic, volumes and crops are left to the runtime. */
function resize(view: NodeView, told: string): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  const scales = operand === undefined ? null : scalesOf(view, operand.shape);
  const rule = ruleOf(view, told);
  const { shape } = view.output;
  if (operand === undefined || scales === null || rule === null) return null;
  const isMap = operand.shape.length === 4;
  const fixed = `${operand.shape.slice(0, 2)}` === `${shape.slice(0, 2)}`;
  if (!fixed || !(isMap || operand.shape.length === 3)) return null;
  const steps = new Steps();
  const x = steps.use(operand);
  const [height, width] = isMap ? [shape[2] ?? 1, shape[3] ?? 1] : [1, shape[2] ?? 1];
  const [high, wide] = isMap ? [scales[2] ?? 1, scales[3] ?? 1] : [1, scales[2] ?? 1];
  const attributes = { ...rule, height, width, scales: [high, wide] as const };
  if (isMap) return steps.end(steps.emit("resized", "resize", [x], attributes, shape));
  const map = steps.view("map", x, x.shape.toSpliced(2, 0, 1));
  const resized = steps.emit("resized", "resize", [map], attributes, shape.toSpliced(2, 0, 1));
  return steps.end(steps.view("row", resized, shape));
}

function ruleOf(
  view: NodeView,
  told: string,
): Pick<ResizeAttributes, "mode" | "coordinates" | "nearestRounding"> | null {
  const mode = MODES[view.text("mode", "nearest")];
  const coordinates = COORDINATES[told];
  const old = view.opset < 11;
  const nearestRounding = ROUNDING[old ? "floor" : view.text("nearest_mode", "round_prefer_floor")];
  if (mode === undefined || coordinates === undefined || nearestRounding === undefined) return null;
  if (view.int("antialias", 0) === 1 || view.int("exclude_outside", 0) === 1) return null;
  if (view.text("keep_aspect_ratio_policy", "stretch") !== "stretch") return null;
  return { mode, coordinates: old ? "asymmetric" : coordinates, nearestRounding };
}

const MODES: Readonly<Record<string, ResizeAttributes["mode"]>> = {
  linear: "bilinear",
  nearest: "nearest",
};

/** What each axis is multiplied by: as told, or the quotient of both sizes. */
function scalesOf(view: NodeView, input: readonly number[]): readonly number[] | null {
  const position = view.node.op_type === "Upsample" || view.opset < 11 ? 1 : 2;
  const told = view.floats("scales") ?? view.numbers(position) ?? [];
  const quotients = input.map((size, axis) => (view.output.shape[axis] ?? 1) / size);
  if (told.length === 0) return quotients;
  const axes = view.ints("axes") ?? told.map((_, axis) => axis);
  if (axes.length !== told.length) return null;
  return quotients.map((quotient, axis) => {
    const at = axes.findIndex((one) => (one < 0 ? one + input.length : one) === axis);
    return at < 0 ? quotient : (told[at] ?? quotient);
  });
}
