import type { DarknetManifest } from "./manifest.js";

/** How far a value may lie from the recorded one: the rules under "Judging" in the suite's README. */
export interface Rule {
  readonly tolerance: number;
  /** Of the layer's largest value (at least 1), or of each element (at least 1). */
  readonly relativeTo: "layer" | "element";
}

/** The rule for a case. */
export function ruleOf({ area, id }: DarknetManifest): Rule {
  return {
    tolerance: area === "F" ? 1e-4 : 2e-5,
    relativeTo: id.startsWith("act-") ? "element" : "layer",
  };
}

/**
 * Largest distance between both, in units of the tolerance: at most 1 agrees. Infinite where NaN or
 * an infinity stands on one side only.
 */
export function distance(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  rule: Rule,
): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 1;
  for (let i = 0; i < expected.length; i++) {
    const e = Math.abs(expected[i] as number);
    if (e > largest && e < Number.POSITIVE_INFINITY) largest = e;
  }
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i] as number, expected[i] as number];
    if (Object.is(a, e) || a === e) continue;
    const unit =
      rule.tolerance * (rule.relativeTo === "layer" ? largest : Math.max(1, Math.abs(e)));
    const far = Math.abs(a - e) / unit;
    if (!Number.isFinite(far)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, far);
  }
  return worst;
}
