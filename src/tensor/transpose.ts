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
  checkPermutation(source, permutation);
  const shape = permutation.map((axis) => source.shape[axis] ?? 1);
  const result = new Float32Array(sizeOf(shape));
  if (result.length === 0) return tensor(shape, result);
  const axes = mergedAxes(source.shape, permutation);
  const fast = axes.at(-1);
  if (fast === undefined || fast.read === 1) copyRows(source.data, result, axes);
  else copyTiles(source.data, result, axes);
  return tensor(shape, result);
}

function checkPermutation({ shape: { length } }: Tensor, permutation: readonly number[]): void {
  const sorted = [...permutation].sort((a, b) => a - b);
  if (sorted.some((axis, k) => axis !== k) || permutation.length !== length) {
    throw new RangeError(`[${permutation}] is not a permutation of ${length} axes`);
  }
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

/** Neighbours in the source become a column of the result, neighbours of the result were one. */
function copyTiles(from: Float32Array, to: Float32Array, axes: readonly MovedAxis[]): void {
  everyTile(axes, ({ read, write, rows, columns, rowWrite, columnRead }) => {
    for (let row = 0; row < rows; row++) {
      let i = read + row;
      const begin = write + row * rowWrite;
      for (let k = begin; k < begin + columns; k++, i += columnRead) to[k] = from[i] as number;
    }
  });
}

/** How the values of two tensors differ, bit by bit. */
export interface BitDifferences {
  readonly different: number;
  /** Position of the first that differs; -1 for none. */
  readonly first: number;
}

/**
 * Holds a tensor with its axes reordered against values in that order, bit by bit, and moves nothing.
 *
 * @throws {RangeError} when the permutation is not one of the tensor's axes, or the lengths differ
 */
export function differencesReordered(
  source: Tensor,
  permutation: readonly number[],
  expected: Float32Array,
): BitDifferences {
  checkPermutation(source, permutation);
  if (source.data.length !== expected.length) {
    throw new RangeError(`${source.data.length} values against ${expected.length}`);
  }
  const from = bitsOf(source.data);
  const to = bitsOf(expected);
  let different = 0;
  let first = -1;
  if (to.length === 0) return { different, first };
  const note = (k: number): void => {
    different += 1;
    if (first < 0 || k < first) first = k;
  };
  everyTile(mergedAxes(source.shape, permutation), (tile) => {
    const { read, write, rows, columns, rowWrite, columnRead } = tile;
    for (let row = 0; row < rows; row++) {
      let i = read + row;
      const begin = write + row * rowWrite;
      for (let k = begin; k < begin + columns; k++, i += columnRead) {
        if (to[k] !== from[i]) note(k);
      }
    }
  });
  return { different, first };
}

function bitsOf({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}

/**
 * Columns of a tile: two lines of memory of the result. Each column has a stretch of
 * the source of its own, from which neighbours are taken one after the other.
 */
const TILE = 32;

/** A rectangle of values: its rows are neighbours in the source, its columns in the result. */
interface Tile {
  /** Place of its first value in the source and in the result. */
  read: number;
  write: number;
  columns: number;
  readonly rows: number;
  /** From one row to the next in the result. */
  readonly rowWrite: number;
  /** From one column to the next in the source. */
  readonly columnRead: number;
}

/** Calls `visit` with rectangles that make up the result; the object is the same each time. */
function everyTile(axes: readonly MovedAxis[], visit: (tile: Readonly<Tile>) => void): void {
  const last = axes.at(-1) ?? { size: 1, read: 1, write: 1 };
  const row = axes.find((axis) => axis.read === 1 && axis !== last);
  const outer = axes.filter((axis) => axis !== row && axis !== last);
  const tile: Tile = {
    read: 0,
    write: 0,
    columns: 0,
    rows: row?.size ?? 1,
    rowWrite: row?.write ?? 0,
    columnRead: last.read,
  };
  const width = last.read === 1 ? last.size : TILE;
  for (let left = 0; left < last.size; left += width) {
    tile.columns = Math.min(width, last.size - left);
    everyPlace(outer, (read, write) => {
      tile.read = read + left * last.read;
      tile.write = write + left;
      visit(tile);
    });
  }
}

/** Calls `visit` with every place of the axes, in order. */
function everyPlace(
  axes: readonly MovedAxis[],
  visit: (read: number, write: number) => void,
  depth = 0,
  read = 0,
  write = 0,
): void {
  const axis = axes[depth];
  if (axis === undefined) {
    visit(read, write);
    return;
  }
  for (let k = 0; k < axis.size; k++) {
    everyPlace(axes, visit, depth + 1, read + k * axis.read, write + k * axis.write);
  }
}
