import type { AnyTensor } from "../../tensor/tensor.js";
import type { KerasManifest } from "./manifest.js";

/** How far a value may lie from the recorded one: "Judging" in the suite's README. */
export interface Rule {
  /** Of the tap's largest value (at least 1), or of each element (at least 1). */
  readonly relative: number;
  /** Twice the distance between the libraries themselves. */
  readonly absolute: number;
  readonly relativeTo: "tap" | "element";
}

/** The rule of a case. */
export function ruleOf({ area, id, alsoAgrees }: KerasManifest): Rule {
  return {
    relative: area === "C" ? 1e-4 : 1e-5,
    absolute: 2 * Math.max(0, ...alsoAgrees.map(({ maxAbs = 0 }) => maxAbs)),
    relativeTo: id.startsWith("act-") ? "element" : "tap",
  };
}

/** Largest distance in units of the tolerance: at most 1 agrees; infinite where NaN or an infinity stands on one side only. */
export function distance(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  rule: Rule,
): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 1;
  for (let i = 0; i < expected.length; i++) {
    const size = Math.abs(expected[i] as number);
    if (size > largest && size < Number.POSITIVE_INFINITY) largest = size;
  }
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i] as number, expected[i] as number];
    if (a === e || (Number.isNaN(a) && Number.isNaN(e))) continue;
    const size = rule.relativeTo === "tap" ? largest : Math.max(1, Math.abs(e));
    const far = Math.abs(a - e) / Math.max(rule.relative * size, rule.absolute);
    if (!Number.isFinite(far)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, far);
  }
  return worst;
}

/**
 * How far the libraries themselves are apart in a tap, where rounding alone can explain it: then they follow the same
 * rule, and no one is exact. 0 where their answers differ by more than rounding, which is a difference of rules.
 *
 * The suite grants rows of tiny variance twice the distance of the libraries under `alsoAgrees`; where the manifest has that
 * distance under `disagrees` instead, this goes beyond the letter of its rule and is counted as such. It is there for
 * LayerNormalization of values near 1000 that differ by 0.001. Keras and our lowering compute the same steps in the same order,
 * x·g + (beta − mean·g) with g = gamma·rsqrt(variance + epsilon), and cancel all but a few bits of the products. Of eight such
 * rows five come out bit for bit, two are off by the last bit of the mean (ONNX Runtime adds six values in another order than
 * Eigen does), one by the last bit of the root: TensorFlow's rsqrt is the processor's estimate (RSQRTPS, a table of the chip)
 * and one step of Newton, which no operator of ONNX computes. Such a bit is 0.016 to 0.03 in the result, where the rule asks
 * for 1e-5; Keras on PyTorch is 0.049 away.
 *
 * @param bounds - how far right answers may lie apart, element by element
 */
export function roundingApart(
  { disagrees }: KerasManifest,
  tap: string,
  bounds: Float32Array | undefined,
): number {
  const widest = bounds?.reduce((a, b) => Math.max(a, b), 0) ?? 0;
  const apart = disagrees.flatMap(({ differs = [] }) =>
    differs.filter(({ tap: name }) => name === tap).map(({ maxAbs }) => maxAbs),
  );
  return Math.max(0, ...apart.filter((distance) => distance <= widest));
}

/** Values of any recorded dtype as float64. */
export function numbersOf(tensor: AnyTensor): Float64Array {
  return tensor.dtype === "int64"
    ? Float64Array.from(tensor.data, Number)
    : Float64Array.from(tensor.data);
}
