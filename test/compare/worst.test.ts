import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { worstElements } from "../../src/compare/worst.js";
import { values } from "./laws.js";

describe("worstElements", () => {
  it("ranks by error, with multi-index and both values", () => {
    const expected = new Float32Array(12).fill(1);
    const actual = expected.with(5, 3).with(11, -4).with(2, 1.5);
    expect(worstElements(actual, expected, [3, 4], 2)).toEqual([
      { index: [2, 3], position: 11, actual: -4, expected: 1, error: 5, score: 5 },
      { index: [1, 1], position: 5, actual: 3, expected: 1, error: 2, score: 2 },
    ]);
  });

  it("ranks by error over bound where there is one", () => {
    const bound = Float32Array.of(1, 0.1, 0);
    const worst = worstElements(Float32Array.of(2, 0.5, 0), new Float32Array(3), [3], 3, bound);
    expect(worst.map(({ position }) => position)).toEqual([1, 0]);
  });

  it("puts NaN first", () => {
    const worst = worstElements(Float32Array.of(9, Number.NaN), new Float32Array(2), [2], 1);
    expect(worst[0]).toMatchObject({ position: 1, error: Number.POSITIVE_INFINITY });
  });

  it("equals sorting all errors", () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 6 }), (x, count) => {
        const expected = new Float32Array(x.length);
        const sorted = Array.from(x, (value, position) => ({ position, error: Math.abs(value) }))
          .filter(({ error }) => error > 0)
          .sort((a, b) => b.error - a.error || a.position - b.position);
        const worst = worstElements(x, expected, [x.length], count);
        expect(worst.map(({ position }) => position)).toEqual(
          sorted.slice(0, count).map(({ position }) => position),
        );
      }),
    );
  });
});
