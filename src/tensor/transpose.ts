import { sizeOf, stridesOf, type Tensor, tensor } from "./tensor.js";

/**
 * Reorders the axes of a tensor: axis `k` of the result is axis `permutation[k]` of the source.
 *
 * The result is a copy in any case. Large weights and maps go through here: neighbours in memory,
 * on either side, are moved together.
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
  if (result.length === 0) return tensor(shape, result);
  const axes = mergedAxes(source.shape, permutation);
  const fast = axes.at(-1);
  if (fast === undefined || fast.read === 1) copyRows(source.data, result, axes);
  else copyTiles(source.data, result, axes);
  return tensor(shape, result);
}

/** One axis of the result: how far apart its elements lie in both memories. */
interface MovedAxis {
  readonly size: number;
  readonly read: number;
  readonly write: number;
}

/** The result's axes, those of size 1 left out and those that stay neighbours made one. */
function mergedAxes(shape: readonly number[], permutation: readonly number[]): MovedAxis[] {
  const strides = stridesOf(shape);
  const axes: MovedAxis[] = [];
  let write = 1;
  for (const axis of permutation.toReversed()) {
    const [size, read] = [shape[axis] ?? 1, strides[axis] ?? 1];
    if (size === 1) continue;
    const inner = axes[0];
    if (inner !== undefined && read === inner.size * inner.read) {
      axes[0] = { ...inner, size: size * inner.size };
    } else axes.unshift({ size, read, write });
    write *= size;
  }
  return axes;
}

/** The last axis stays the last: whole rows are copied. */
function copyRows(from: Float32Array, to: Float32Array, axes: readonly MovedAxis[]): void {
  const length = axes.at(-1)?.size ?? 1;
  everyPlace(axes.slice(0, -1), (read, write) => {
    to.set(from.subarray(read, read + length), write);
  });
}

/** Side of a square that is moved at once: its lines of memory on each side fit into the first cache. */
const TILE = 32;

/** What lies next to each other in the source becomes a column: square by square. */
function copyTiles(from: Float32Array, to: Float32Array, axes: readonly MovedAxis[]): void {
  const column = axes.findIndex(({ read }) => read === 1);
  const last = axes[axes.length - 1] as MovedAxis;
  const { size, write } = axes[column] as MovedAxis;
  const outer = axes.filter((_, k) => k !== column && k !== axes.length - 1);
  everyPlace(outer, (readAt, writeAt) => {
    for (let top = 0; top < size; top += TILE) {
      const bottom = Math.min(size, top + TILE);
      for (let left = 0; left < last.size; left += TILE) {
        const right = Math.min(last.size, left + TILE);
        for (let i = top; i < bottom; i++) {
          let reading = readAt + i + left * last.read;
          const end = writeAt + i * write + right;
          for (let k = end - right + left; k < end; k++, reading += last.read) {
            to[k] = from[reading] as number;
          }
        }
      }
    }
  });
}

/** Calls `visit` with every place of the axes, in order. */
function everyPlace(
  axes: readonly MovedAxis[],
  visit: (read: number, write: number) => void,
  read = 0,
  write = 0,
): void {
  const [axis, ...inner] = axes;
  if (axis === undefined) {
    visit(read, write);
    return;
  }
  for (let k = 0; k < axis.size; k++) {
    everyPlace(inner, visit, read + k * axis.read, write + k * axis.write);
  }
}
