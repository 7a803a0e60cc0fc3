import fc from "fast-check";
import { expect } from "vitest";
import type { Compare } from "../../src/compare/metrics.js";

const finite = { noNaN: true, noDefaultInfinity: true } as const;

/** Values of ordinary size, of any size, and of lengths around a SIMD lane and beyond. */
export const values: fc.Arbitrary<Float32Array> = fc.oneof(
  fc.float32Array({ minLength: 1, maxLength: 40, ...finite }),
  fc.float32Array({ minLength: 1, maxLength: 40, ...finite, min: -8, max: 8 }),
);

/** A number source with a seed, so that long arrays need no shrinking. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const other = (value: number | undefined) => (value === 1 ? 2 : 1);

/** Every comparison keeps these laws; a new implementation is tested by passing it in. */
export function expectCompareLaws(compare: Compare): void {
  identicalIsSame(compare);
  oneBrokenElementIsFound(compare);
  nanNeverPasses(compare);
  infinityOnlyEqualsItself(compare);
  boundOfZeroDemandsEquality(compare);
  lengthsMustAgree(compare);
}

function identicalIsSame(compare: Compare): void {
  fc.assert(
    fc.property(values, (x) => {
      const metrics = compare(x, x.slice(), { bound: new Float32Array(x.length).fill(1) });
      expect(metrics).toMatchObject({
        count: x.length,
        maxAbs: 0,
        maxRel: 0,
        rmse: 0,
        overBound: 0,
      });
      expect(metrics).toMatchObject({ maxAbsIndex: -1, ratio: 0, ratioIndex: -1 });
      expect(metrics).toMatchObject({ nonFiniteMismatch: 0, nonFiniteIndex: -1 });
      if (x.some((value) => value !== 0)) expect(metrics.cosine).toBeCloseTo(1, 12);
      else expect(metrics.cosine).toBeNull();
    }),
  );
}

function oneBrokenElementIsFound(compare: Compare): void {
  fc.assert(
    fc.property(values, fc.nat(), (x, seed) => {
      const index = seed % x.length;
      const broken = x.with(index, other(x[index]));
      const metrics = compare(broken, x, { bound: new Float32Array(x.length) });
      expect(metrics).toMatchObject({ maxAbsIndex: index, ratioIndex: index, overBound: 1 });
      expect(metrics.maxAbs).toBeGreaterThan(0);
      expect(metrics.ratio).toBe(Number.POSITIVE_INFINITY);
    }),
  );
}

function nanNeverPasses(compare: Compare): void {
  fc.assert(
    fc.property(values, fc.nat(), (x, seed) => {
      const index = seed % x.length;
      const bound = new Float32Array(x.length).fill(3e38);
      const nan = x.with(index, Number.NaN);
      for (const metrics of [compare(nan, x, { bound }), compare(x, nan, { bound })]) {
        expect(metrics).toMatchObject({
          nonFiniteMismatch: 1,
          nonFiniteIndex: index,
          overBound: 1,
        });
        expect(metrics).toMatchObject({ maxAbs: Number.POSITIVE_INFINITY, maxAbsIndex: index });
        expect(metrics).toMatchObject({ ratio: Number.POSITIVE_INFINITY, ratioIndex: index });
        expect([metrics.maxRel, metrics.rmse]).toEqual([
          Number.POSITIVE_INFINITY,
          Number.POSITIVE_INFINITY,
        ]);
        expect(metrics.cosine).toBeNull();
      }
      const both = compare(nan, nan.slice());
      expect(both).toMatchObject({ nonFiniteMismatch: 0, nanExpected: 1, nonFiniteExpected: 1 });
    }),
  );
}

function infinityOnlyEqualsItself(compare: Compare): void {
  const at = (value: number) => Float32Array.of(1, 2, value, 4, 5);
  const { POSITIVE_INFINITY: inf, NEGATIVE_INFINITY: minus, NaN: nan } = Number;
  for (const [a, e, mismatch] of [
    [inf, inf, 0],
    [minus, minus, 0],
    [inf, minus, 1],
    [minus, inf, 1],
    [nan, inf, 1],
    [inf, nan, 1],
    [3, inf, 1],
    [inf, 3, 1],
  ] as const) {
    const metrics = compare(at(a), at(e), { bound: new Float32Array(5).fill(1e30) });
    expect(metrics.nonFiniteMismatch).toBe(mismatch);
    expect(metrics.nonFiniteExpected).toBe(Number.isFinite(e) ? 0 : 1);
    expect(metrics.overBound).toBe(mismatch);
    expect(metrics.maxAbs).toBe(mismatch === 0 ? 0 : inf);
  }
}

function boundOfZeroDemandsEquality(compare: Compare): void {
  const x = Float32Array.of(1, 2, 3, 4, 5, 6, 7);
  const zero = new Float32Array(7);
  expect(compare(x, x, { bound: zero })).toMatchObject({
    ratio: null,
    ratioIndex: -1,
    overBound: 0,
  });
  for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const bound = zero.with(3, bad).with(5, 1);
    const near = compare(x.with(3, 4.5).with(5, 6.25), x, { bound });
    expect(near).toMatchObject({ ratio: Number.POSITIVE_INFINITY, ratioIndex: 3, overBound: 1 });
    expect(compare(x, x, { bound })).toMatchObject({ ratio: 0, ratioIndex: -1, overBound: 0 });
  }
}

function lengthsMustAgree(compare: Compare): void {
  const [three, four] = [new Float32Array(3), new Float32Array(4)];
  expect(() => compare(three, four)).toThrow("actual has 3 values, expected 4");
  expect(() => compare(four, four, { bound: three })).toThrow("bound has 3 values, expected 4");
}
