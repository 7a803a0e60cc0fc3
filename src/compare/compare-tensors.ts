import type { Tensor } from "../tensor/tensor.js";
import type { Compare, CompareOptions, Metrics } from "./metrics.js";

/** Why two tensors are not the same, or that they are; cheapest and most telling first. */
export type TensorVerdict =
  | {
      readonly kind: "shape";
      readonly actual: readonly number[];
      readonly expected: readonly number[];
    }
  /** No elements: a comparison of nothing proves nothing. */
  | { readonly kind: "empty" }
  /** NaN in `expected`, or NaN and infinities at other places than there. */
  | { readonly kind: "non-finite"; readonly metrics: Metrics }
  | { readonly kind: "same" | "differs"; readonly metrics: Metrics };

/**
 * Compares two tensors: shapes, then NaN and infinities, then values. They are the same when no
 * element is over the bound, or, without a bound, when all elements are equal.
 */
export function compareTensors(
  actual: Tensor,
  expected: Tensor,
  compare: Compare,
  options: CompareOptions = {},
): TensorVerdict {
  const sameShape =
    actual.shape.length === expected.shape.length &&
    actual.shape.every((size, axis) => size === expected.shape[axis]);
  if (!sameShape) return { kind: "shape", actual: actual.shape, expected: expected.shape };
  if (expected.data.length === 0) return { kind: "empty" };
  const metrics = compare(actual.data, expected.data, options);
  if (metrics.nonFiniteMismatch > 0 || metrics.nanExpected > 0) {
    return { kind: "non-finite", metrics };
  }
  const wrong = options.bound === undefined ? metrics.maxAbs > 0 : metrics.overBound > 0;
  return { kind: wrong ? "differs" : "same", metrics };
}
