import { expect } from "vitest";
import type { OperationKind } from "../../src/architecture/attributes.js";
import type { BoundContext } from "../../src/operators/family.js";
import { TRIGGER_FACTOR } from "../../src/operators/rounding.js";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";
import { boundOf, type FamilyCase, judge, runFamily } from "./run-family.js";
import { uniform } from "./values.js";

/** Largest |actual − expected| / max(1, largest |expected|); equal infinities and NaN count as 0. */
export function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [largest, size] = [0, 1];
  for (let k = 0; k < expected.length; k++) {
    const [a, e] = [actual[k] as number, expected[k] as number];
    if (Object.is(a, e) || a === e) continue;
    const error = Math.abs(a - e);
    largest = Math.max(largest, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
    if (Number.isFinite(e)) size = Math.max(size, Math.abs(e));
  }
  return largest / size;
}

/** The nodes give what the definition says, to a few units of rounding. */
export async function expectLowered<K extends OperationKind>(
  given: FamilyCase<K>,
  tolerance = 4e-7,
): Promise<Tensor> {
  const result = await runFamily(given);
  expect(distance(result.data, judge(given))).toBeLessThanOrEqual(tolerance);
  return result;
}

/** As {@link expectLowered} for operations that only move values: not a bit may differ. */
export async function expectCopied<K extends OperationKind>(given: FamilyCase<K>): Promise<Tensor> {
  const result = await runFamily(given);
  expect([...result.data]).toEqual([...judge(given)]);
  for (const mode of ["trigger", "hard"] as const) expect(await boundOf(given, mode)).toBeNull();
  return result;
}

/** How far over its bound the worst element is: |actual − expected| ÷ bound. */
function excess(actual: ArrayLike<number>, expected: ArrayLike<number>, bound: Tensor): number {
  let worst = 0;
  for (let k = 0; k < expected.length; k++) {
    const error = Math.abs((actual[k] as number) - (expected[k] as number));
    if (error === 0) continue;
    const ratio = error / (bound.data[k] as number);
    worst = Math.max(worst, Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio);
  }
  return worst;
}

/** What the comparison multiplies a bound by. */
const FACTOR: Readonly<Record<BoundContext["mode"], number>> = { trigger: TRIGGER_FACTOR, hard: 1 };

/**
 * Laws of a bound: it covers ONNX Runtime's rounding, with exact inputs and with inputs moved by their
 * bound; it does not cover a fault of `fault` (default one part in ten thousand) of the largest output.
 */
export async function expectBounded<K extends OperationKind>(
  given: FamilyCase<K>,
  fault = 1e-4,
): Promise<void> {
  const result = await runFamily(given);
  const exact = judge(given);
  const moves = given.inputs.map((input, k) => {
    // Not quite 1: the moved value is rounded itself.
    const units = uniform(input.shape, 77 + k, -0.99, 0.99);
    const size = 1e-5;
    const bound = tensor(
      input.shape,
      input.data.map((x) => size * (0.1 + Math.abs(x))),
    );
    const moved = input.data.map(
      (x, at) => x + (units.data[at] as number) * (bound.data[at] as number),
    );
    return { bound, moved: tensor(input.shape, moved) };
  });
  const shifted = await runFamily({ ...given, inputs: moves.map(({ moved }) => moved) });
  for (const mode of ["trigger", "hard"] as const) {
    const bound = await boundOf(given, mode);
    if (bound === null) expect([...result.data], mode).toEqual([...exact]);
    else {
      expect(
        bound.data.every((x) => x >= 0 && Number.isFinite(x)),
        mode,
      ).toBe(true);
      expect(excess(result.data, exact, bound), `${mode}, inputs exact`).toBeLessThanOrEqual(
        FACTOR[mode],
      );
      expect(excess(faulty(result.data, fault), exact, bound), `${mode}, fault`).toBeGreaterThan(
        FACTOR[mode],
      );
    }
    const wider = await boundOf(
      given,
      mode,
      moves.map((move) => move.bound),
    );
    if (wider === null) throw new Error("inputs with bounds gave an exact output");
    expect(excess(shifted.data, exact, wider), `${mode}, inputs moved`).toBeLessThanOrEqual(
      FACTOR[mode],
    );
    const one = await boundOf(
      given,
      mode,
      moves.map((move, k) => (k === 0 ? move.bound : null)),
    );
    expect(one, `${mode}, first input moved`).not.toBeNull();
  }
}

/** The values with the largest one off by a part of it. */
function faulty(values: Float32Array, part: number): Float32Array {
  const largest = values.reduce(
    (at, x, k) => (Math.abs(x) > Math.abs(values[at] ?? 0) ? k : at),
    0,
  );
  return values.with(largest, (values[largest] ?? 0) * (1 + part));
}
