import type { Pads } from "../../../architecture/attributes.js";
import type { NodeView } from "./node-view.js";

/** Windows over the space axes of a value, nothing implicit. */
export interface Windows {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Elements added in front of and behind each axis. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/**
 * The windows of a convolution or a pool: `auto_pad` resolved, and `ceil_mode` as more elements behind.
 * Their number follows from the output's shape, so no rule for it is repeated here.
 *
 * @param input - shape of what they go over, batch and channels first
 * @returns `null` where a window would begin before the pads that the file tells
 */
export function windowsOf(
  view: NodeView,
  input: readonly number[],
  kernel: readonly number[],
): Windows | null {
  const space = input.slice(2);
  if (space.length !== kernel.length) return null;
  const ones = kernel.map(() => 1);
  const strides = view.ints("strides") ?? ones;
  const dilations = view.ints("dilations") ?? ones;
  const needed = kernel.map((size, axis) => {
    const window = (dilations[axis] ?? 1) * (size - 1) + 1;
    const windows = view.output.shape[axis + 2] ?? 1;
    return (windows - 1) * (strides[axis] ?? 1) + window - (space[axis] ?? 1);
  });
  const auto = view.text("auto_pad", "NOTSET");
  const pads = view.ints("pads") ?? [];
  const before = needed.map((all, axis) => {
    if (auto === "SAME_UPPER") return Math.max(0, Math.floor(all / 2));
    if (auto === "SAME_LOWER") return Math.max(0, Math.ceil(all / 2));
    return auto === "VALID" ? 0 : (pads[axis] ?? 0);
  });
  const told = auto === "NOTSET" ? pads.slice(kernel.length) : [];
  const after = needed.map((all, axis) => Math.max(all - (before[axis] ?? 0), told[axis] ?? 0, 0));
  return { kernel, strides, dilations, before, after };
}

/** What both layers over maps need to know of their windows. */
export interface MapWindows {
  readonly kernel: readonly [height: number, width: number];
  readonly strides: readonly [height: number, width: number];
  readonly pads: Pads;
}

/** Windows over height and width. */
export function overMap({ kernel, strides, before, after }: Windows): MapWindows {
  const [top = 0, left = 0] = before;
  const [bottom = 0, right = 0] = after;
  return {
    kernel: kernel as readonly [number, number],
    strides: strides as readonly [number, number],
    pads: { top, left, bottom, right },
  };
}
