import { sizeOf, stridesOf, type Tensor, tensor } from "./tensor.js";

/** Order of the axes of a rank-4 activation: batch, channels, height, width. */
export type Layout = "nchw" | "nhwc";

/** Order of the axes of a convolution kernel; `o` output channels, `i` input channels of one group. */
export type KernelLayout = "oihw" | "hwio" | "ohwi" | "hwoi";

/** Order of the axes of a dense kernel. */
export type DenseLayout = "oi" | "io";

/**
 * Reorders the axes of a tensor: axis `k` of the result is axis `permutation[k]` of the source.
 *
 * @throws {RangeError} when the permutation is not one of the source's axes
 */
export function transpose(source: Tensor, permutation: readonly number[]): Tensor {
  const rank = source.shape.length;
  if (
    [...permutation].sort((a, b) => a - b).some((axis, k) => axis !== k) ||
    permutation.length !== rank
  ) {
    throw new RangeError(`[${permutation}] is not a permutation of ${rank} axes`);
  }
  const shape = permutation.map((axis) => source.shape[axis] ?? 1);
  const result = new Float32Array(sizeOf(shape));
  const strides = stridesOf(source.shape);
  const step = permutation.map((axis) => strides[axis] ?? 1);
  copyAxis(source.data, result, shape, step, 0, 0, 0);
  return tensor(shape, result);
}

/** Copies one axis and, recursively, those inside it; returns the next free position of `to`. */
function copyAxis(
  from: Float32Array,
  to: Float32Array,
  shape: readonly number[],
  step: readonly number[],
  axis: number,
  read: number,
  write: number,
): number {
  const size = shape[axis] ?? 1;
  const stride = step[axis] ?? 1;
  let next = write;
  if (axis >= shape.length - 1) {
    for (let k = 0, at = read; k < size; k++, at += stride) to[next++] = from[at] as number;
    return next;
  }
  for (let k = 0; k < size; k++)
    next = copyAxis(from, to, shape, step, axis + 1, read + k * stride, next);
  return next;
}

/** A rank-4 activation in the other layout; tensors of other ranks have no layout and come back as they are. */
export function convertLayout(source: Tensor, from: Layout, to: Layout): Tensor {
  if (from === to || source.shape.length !== 4) return source;
  return transpose(source, to === "nhwc" ? [0, 2, 3, 1] : [0, 3, 1, 2]);
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
