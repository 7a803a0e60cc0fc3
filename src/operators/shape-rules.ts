/** Sizes of a rank-4 value. */
export type MapShape = readonly [batch: number, channels: number, height: number, width: number];

/**
 * Shape of the only input.
 *
 * @throws {RangeError} when there is not exactly one
 */
export function onlyInput(kind: string, inputs: readonly (readonly number[])[]): readonly number[] {
  const [first] = inputs;
  if (first === undefined || inputs.length > 1)
    throw new RangeError(`${kind}: ${inputs.length} inputs, expected 1`);
  return first;
}

/**
 * Sizes of the only input, a map.
 *
 * @throws {RangeError} when it is not one input of rank 4
 */
export function onlyMap(kind: string, inputs: readonly (readonly number[])[]): MapShape {
  const shape = onlyInput(kind, inputs);
  const [batch = 0, channels = 0, height = 0, width = 0] = shape;
  if (shape.length !== 4)
    throw new RangeError(`${kind}: input [${shape}], expected [batch, channels, height, width]`);
  return [batch, channels, height, width];
}

/**
 * Size of one axis.
 *
 * @throws {RangeError} when the shape has no such axis
 */
export function sizeOfAxis(kind: string, shape: readonly number[], axis: number): number {
  const size = shape[axis];
  if (size === undefined) throw new RangeError(`${kind}: input [${shape}] has no axis ${axis}`);
  return size;
}

/**
 * `size / divisor`.
 *
 * @throws {RangeError} when it leaves a rest
 */
export function divide(kind: string, what: string, size: number, divisor: number): number {
  const quotient = size / divisor;
  if (!Number.isInteger(quotient))
    throw new RangeError(`${kind}: ${what} ${size}, expected a multiple of ${divisor}`);
  return quotient;
}

/** Shape of the first input, when all have the same.
 *
 * @throws {RangeError} when there is none or they differ
 */
export function equalShapes(
  kind: string,
  inputs: readonly (readonly number[])[],
): readonly number[] {
  const [first] = inputs;
  if (first === undefined) throw new RangeError(`${kind}: no inputs, expected at least 1`);
  const other = inputs.find((shape) => `${shape}` !== `${first}`);
  if (other !== undefined)
    throw new RangeError(`${kind}: inputs [${first}] and [${other}], expected equal shapes`);
  return first;
}

/** An index with one axis set to another position. */
export function withAxis(index: readonly number[], axis: number, position: number): number[] {
  return index.map((old, k) => (k === axis ? position : old));
}

/** Row-major position of a multi-index. */
export function positionOf(index: readonly number[], shape: readonly number[]): number {
  return index.reduce((at, k, axis) => at * (shape[axis] ?? 1) + k, 0);
}
