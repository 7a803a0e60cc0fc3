/**
 * Shape of the result when shapes are broadcast as numpy does: aligned at the last axis, size 1 repeated.
 *
 * @throws {RangeError} when two sizes differ and neither is 1
 */
export function broadcastShape(kind: string, shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, k) => {
    const sizes = shapes.map((shape) => shape[shape.length - rank + k] ?? 1);
    const size = sizes.find((candidate) => candidate !== 1) ?? 1;
    if (sizes.some((candidate) => candidate !== 1 && candidate !== size)) {
      throw new RangeError(`${kind}: shapes [${shapes.join("] and [")}] do not fit each other`);
    }
    return size;
  });
}

/** Where an element of the broadcast result comes from in an input of this shape. */
export function broadcastIndex(index: readonly number[], shape: readonly number[]): number[] {
  const skipped = index.length - shape.length;
  return shape.map((size, axis) => (size === 1 ? 0 : (index[axis + skipped] ?? 0)));
}
