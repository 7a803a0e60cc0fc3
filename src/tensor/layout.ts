import type { Tensor } from "./tensor.js";
import { transpose } from "./transpose.js";

export { transpose } from "./transpose.js";

/** Order of the axes of a rank-4 activation: batch, channels, height, width. */
export type Layout = "nchw" | "nhwc";

/** Order of the axes of a convolution kernel; `o` output channels, `i` input channels of one group. */
export type KernelLayout = "oihw" | "hwio" | "ohwi" | "hwoi";

/** Order of the axes of a dense kernel. */
export type DenseLayout = "oi" | "io";

/** A rank-4 activation in the other layout; tensors of other ranks have no layout and come back as they are. */
export function convertLayout(source: Tensor, from: Layout, to: Layout): Tensor {
  if (from === to || source.shape.length !== 4) return source;
  return transpose(source, to === "nhwc" ? [0, 2, 3, 1] : [0, 3, 1, 2]);
}

/** Orders of a weight's axes, by name. */
export type WeightLayout = KernelLayout | DenseLayout;

/** All of them, for messages. */
export const WEIGHT_LAYOUTS: readonly WeightLayout[] = ["oihw", "hwio", "ohwi", "hwoi", "oi", "io"];

/**
 * The permutation that brings a weight from one order of axes to another, for {@link transpose};
 * `undefined` where the orders are of different ranks.
 */
export function axesBetween(from: WeightLayout, to: WeightLayout): readonly number[] | undefined {
  if (from.length !== to.length) return undefined;
  return [...to].map((axis) => from.indexOf(axis));
}

/** The order in which a weight is stored when its file does not say: `oihw` and `oi`; none for other ranks. */
export function usualLayout(rank: number): WeightLayout | undefined {
  if (rank === 4) return "oihw";
  return rank === 2 ? "oi" : undefined;
}

/** The shape that {@link convertLayout} gives. */
export function shapeInLayout(
  shape: readonly number[],
  from: Layout,
  to: Layout,
): readonly number[] {
  if (from === to || shape.length !== 4) return shape;
  return (to === "nhwc" ? [0, 2, 3, 1] : [0, 3, 1, 2]).map((axis) => shape[axis] ?? 1);
}

/** A convolution kernel stored `[out, in, kH, kW]` in the order asked for. */
export function kernelFromOihw(kernel: Tensor, layout: KernelLayout): Tensor {
  const permutations = {
    oihw: [0, 1, 2, 3],
    hwio: [2, 3, 1, 0],
    ohwi: [0, 2, 3, 1],
    hwoi: [2, 3, 0, 1],
  };
  return layout === "oihw" ? kernel : transpose(kernel, permutations[layout]);
}

/** The inverse of {@link kernelFromOihw}: a kernel in any order back to `[out, in, kH, kW]`. */
export function kernelToOihw(kernel: Tensor, layout: KernelLayout): Tensor {
  const permutations = {
    oihw: [0, 1, 2, 3],
    hwio: [3, 2, 0, 1],
    ohwi: [0, 3, 1, 2],
    hwoi: [2, 3, 0, 1],
  };
  return layout === "oihw" ? kernel : transpose(kernel, permutations[layout]);
}
