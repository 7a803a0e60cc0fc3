import { InputError } from "../../errors.js";
import { elementsOf } from "../stored-dtype.js";
import type { TensorSlice } from "./messages.js";

/** One slice with its place resolved against the shape of the whole tensor. */
export interface Box {
  readonly starts: readonly number[];
  readonly lengths: readonly number[];
  /** Number of elements. */
  readonly elements: number;
}

/**
 * Most slices of one tensor: partitioned variables have one for each parameter server, a few hundred
 * at most; the check below compares each pair.
 */
const MAX_SLICES = 1024;

/**
 * Resolves the slices of a tensor and checks that they cover each element exactly once.
 *
 * @throws {InputError} `shape` or `limit`
 */
export function boxesOf(
  shape: readonly number[],
  slices: readonly TensorSlice[],
  where: string,
): Box[] {
  if (slices.length > MAX_SLICES) {
    throw new InputError(
      "limit",
      `${where}: is in ${slices.length} slices, expected at most ${MAX_SLICES}`,
    );
  }
  const boxes = slices.map((slice) => boxOf(shape, slice, where));
  const covered = boxes.reduce((sum, { elements }) => sum + elements, 0);
  const clash = boxes.some((a, k) => boxes.slice(k + 1).some((b) => overlap(a, b)));
  if (clash || covered !== elementsOf(shape)) {
    throw new InputError(
      "shape",
      `${where}: its ${slices.length} slices ${clash ? "overlap" : `cover ${covered} elements`}, expected to cover shape [${shape.join(", ")}] once`,
    );
  }
  return boxes;
}

function boxOf(shape: readonly number[], slice: TensorSlice, where: string): Box {
  const starts = slice.map(({ start }) => start);
  const lengths = slice.map(({ length }, axis) => length ?? shape[axis] ?? 0);
  const fits = lengths.every((length, axis) => (starts[axis] ?? 0) + length <= (shape[axis] ?? 0));
  const elements = elementsOf(lengths);
  if (slice.length !== shape.length || !fits || elements === undefined) {
    throw new InputError(
      "shape",
      `${where}: slice from [${starts.join(", ")}] of size [${lengths.join(", ")}] is not in shape [${shape.join(", ")}]`,
    );
  }
  return { starts, lengths, elements };
}

function overlap(a: Box, b: Box): boolean {
  if (a.elements === 0 || b.elements === 0) return false;
  return a.starts.every((start, axis) => {
    const other = b.starts[axis] ?? 0;
    return start < other + (b.lengths[axis] ?? 0) && other < start + (a.lengths[axis] ?? 0);
  });
}

/** Copies the values of a slice to their place in the whole tensor; `size` is the bytes of one element. */
export function copyBox(
  whole: Uint8Array,
  shape: readonly number[],
  values: Uint8Array,
  box: Box,
  size: number,
): void {
  const { starts, lengths } = box;
  if (box.elements === 0) return;
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((n, s) => n * s, size));
  // From the last axis outwards, axes spanned whole make one run with the axis before them.
  let runAxis = shape.length - 1;
  while (runAxis > 0 && lengths[runAxis] === shape[runAxis]) runAxis -= 1;
  const run = shape.length === 0 ? size : (lengths[runAxis] ?? 0) * (strides[runAxis] ?? 0);
  let from = 0;
  const copyAxis = (axis: number, offset: number): void => {
    const start = offset + (starts[axis] ?? 0) * (strides[axis] ?? 0);
    if (axis >= runAxis) {
      whole.set(values.subarray(from, from + run), start);
      from += run;
      return;
    }
    for (let k = 0; k < (lengths[axis] ?? 0); k++) {
      copyAxis(axis + 1, start + k * (strides[axis] ?? 0));
    }
  };
  copyAxis(0, 0);
}
