import type { Architecture, Operation } from "../../architecture/architecture.js";
import { familyOf } from "../../operators/families.js";
import { UNIT_ROUNDOFF } from "../../operators/family.js";
import { sizeOf } from "../../tensor/tensor.js";
import { AMPLIFIED, sumError } from "./derivative.js";
import { randomNumbers } from "./random.js";

/** Roundings that a library's own functions come to (its exponentials, its mish): see docs/tolerance.md. */
const FUNCTION_ROUNDINGS = 16;
/** So many draws of rounding errors. */
export const DRAWS = 5;

/**
 * Factors 1 + ε on every element that an operation gives, ε being of the size of a float32 library's rounding errors
 * ({@link AMPLIFIED}). A factor on a value multiplies the gradient that goes back through it as well: so the derivative
 * of a loss with such factors is off by what roundings forward *and* backward come to.
 *
 * ε: √n·u with n the terms of the longest sum that the element takes part in: of the operation itself, of its
 * transpose on the way back, or over all places in the gradient of a weight.
 */
export function roundingFactors(
  architecture: Architecture,
  seed: number,
): (operation: Operation) => Float64Array {
  const shapes = new Map(architecture.weights.map(({ name, shape }) => [name, shape]));
  const random = randomNumbers(seed);
  return (operation) => {
    const functions = operation.kind === "activation" ? FUNCTION_ROUNDINGS * UNIT_ROUNDOFF : 0;
    const size = AMPLIFIED * (sumError(longestSum(architecture, operation, shapes)) + functions);
    // Uniform numbers from −1 to 1 have a root mean square of 1/√3.
    return Float64Array.from(
      { length: sizeOf(operation.shape) },
      () => 1 + Math.sqrt(3) * size * random(),
    );
  };
}

function longestSum(
  architecture: Architecture,
  operation: Operation,
  shapes: ReadonlyMap<string, readonly number[]>,
): number {
  const inputs = inputShapes(architecture, operation);
  const own = familyOf(operation.kind).cost(operation, inputs);
  const [filters = 1, ...rest] = shapes.get(operation.weights["kernel"] ?? "") ?? [];
  const back = filters * sizeOf(rest.slice(1));
  return Math.max(own, back, placesOf(operation));
}

/** Terms of a weight's gradient: places of the output, all images of the batch. */
export function placesOf({ weights, shape }: Operation): number {
  if (Object.keys(weights).length === 0) return 1;
  return sizeOf(shape) / (shape[1] ?? 1);
}

/** Shapes of what an operation reads. */
export function inputShapes(
  { inputs, operations }: Architecture,
  operation: Operation,
): (readonly number[])[] {
  return operation.inputs.map(
    (id) =>
      operations.find((one) => one.id === id)?.shape ??
      inputs.find(({ name }) => name === id)?.shape ??
      [],
  );
}
