import type { ResizeAttributes } from "../../../architecture/attributes.js";
import type { NodeOperation, NodeReader, NodeView } from "./node-view.js";

/** Operators that change the size of a map. */
export const RESIZING: Readonly<Record<string, NodeReader>> = {
  Resize: (view) => resize(view, view.text("coordinate_transformation_mode", "half_pixel")),
  Upsample: (view) => resize(view, "asymmetric"),
};

const COORDINATES: Readonly<Record<string, ResizeAttributes["coordinates"]>> = {
  align_corners: "align-corners",
  asymmetric: "asymmetric",
  half_pixel: "half-pixel",
};
const ROUNDING: Readonly<Record<string, ResizeAttributes["nearestRounding"]>> = {
  floor: "floor",
  round_prefer_ceil: "round-prefer-ceil",
  round_prefer_floor: "round-prefer-floor",
};

/** Nearest or bilinear, of a map's height and width, to whole multiples or to a size that is told. */
function resize(view: NodeView, told: string): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  const { shape } = view.output;
  if (operand?.shape.length !== 4 || `${operand.shape.slice(0, 2)}` !== `${shape.slice(0, 2)}`) {
    return null;
  }
  const mode = { nearest: "nearest", linear: "bilinear" }[view.text("mode", "nearest")];
  const coordinates = COORDINATES[told];
  const old = view.opset < 11;
  const rounding = ROUNDING[old ? "floor" : view.text("nearest_mode", "round_prefer_floor")];
  if (mode === undefined || coordinates === undefined || rounding === undefined) return null;
  if (view.int("antialias", 0) === 1 || view.int("exclude_outside", 0) === 1) return null;
  if (!isPlainScale(view, operand.shape)) return null;
  const [height, width] = shape.slice(2) as [number, number];
  const attributes = {
    mode: mode as ResizeAttributes["mode"],
    height,
    width,
    coordinates: old ? "asymmetric" : coordinates,
    nearestRounding: rounding,
  } as const;
  return [...operand.parts, { kind: "resize", inputs: [operand.name], attributes, shape }];
}

/** A scale that gives no whole size is another rule than the quotient of both sizes. */
function isPlainScale(view: NodeView, input: readonly number[]): boolean {
  const position = view.node.op_type === "Upsample" || view.opset < 11 ? 1 : 2;
  const scales = view.ints("scales") ?? view.numbers(position);
  if (scales === undefined || scales.length === 0) return true;
  return scales.every((scale, axis) => scale * (input[axis] ?? 1) === view.output.shape[axis]);
}
