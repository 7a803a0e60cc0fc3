import type { AnyTensor } from "../../tensor/tensor.js";

/** How far values lie apart: the largest |actual − expected| ÷ max(1, largest |expected|). */
export type Distance =
  | { readonly kind: "values"; readonly distance: number; readonly index: number }
  /** Not comparable: another shape, or NaN and infinities at other places. */
  | { readonly kind: "other"; readonly what: string };

/**
 * The distance of the suite's rule ("Judging" in its README): `a` agrees with `e` when the shapes are
 * equal, NaN and infinities stand at the same places, and |a − e| ≤ T · max(1, maxAbs). Integers are
 * equal or not: they count as infinitely far.
 */
export function distanceOf(actual: AnyTensor, expected: AnyTensor): Distance {
  if (`${actual.shape}` !== `${expected.shape}`) {
    const what = `shape [${actual.shape.join(", ")}], expected [${expected.shape.join(", ")}]`;
    return { kind: "other", what };
  }
  const floats = expected.dtype.startsWith("float");
  if (floats !== actual.dtype.startsWith("float")) {
    return { kind: "other", what: `${actual.dtype}, expected ${expected.dtype}` };
  }
  return floats
    ? floatDistance(actual.data as Float32Array, expected.data as Float32Array)
    : integerDistance(actual.data, expected.data);
}

function floatDistance(actual: Float32Array, expected: Float32Array): Distance {
  let scale = 1;
  for (const value of expected)
    if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
  let [distance, index] = [0, 0];
  for (let k = 0; k < expected.length; k++) {
    const a = actual[k] as number;
    const e = expected[k] as number;
    if (Object.is(a, e) || a === e) continue;
    if (!Number.isFinite(a) || !Number.isFinite(e)) {
      return { kind: "other", what: `${a} at ${k}, expected ${e}` };
    }
    const far = Math.abs(a - e) / scale;
    if (far > distance) [distance, index] = [far, k];
  }
  return { kind: "values", distance, index };
}

function integerDistance(
  actual: ArrayLike<number | bigint>,
  expected: ArrayLike<number | bigint>,
): Distance {
  for (let k = 0; k < expected.length; k++) {
    // A bool or uint8 may stand beside an int32 of the same value.
    if (BigInt(actual[k] as number) !== BigInt(expected[k] as number)) {
      return { kind: "other", what: `${actual[k]} at ${k}, expected ${expected[k]}` };
    }
  }
  return { kind: "values", distance: 0, index: 0 };
}

/** The first byte that differs, null when none does. */
export function firstDifference(actual: Uint8Array, expected: Uint8Array): string | null {
  if (actual.length !== expected.length) {
    return `${actual.length} bytes, expected ${expected.length}`;
  }
  const k = actual.findIndex((byte, at) => byte !== expected[at]);
  return k < 0 ? null : `byte ${k} is ${actual[k]}, expected ${expected[k]}`;
}
