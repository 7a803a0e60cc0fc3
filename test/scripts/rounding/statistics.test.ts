import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  errorOf,
  markdownTable,
  Numbers,
  quantile,
  rmsError,
  roundedUp,
  shown,
  smallestSeen,
  sortedRatios,
} from "../../../scripts/rounding/statistics.js";

describe("ratios and their quantiles", () => {
  it("divides each error by its bound, 0 where nothing is off, infinite where nothing may be", () => {
    const ratios = sortedRatios(
      Float32Array.of(1, 2, 3, 4),
      Float32Array.of(1, 2.5, 3.5, 4),
      Float32Array.of(0, 1, 0, 2),
    );
    expect([...ratios]).toEqual([0, 0, 0.5, Number.POSITIVE_INFINITY]);
    expect([...sortedRatios(Float32Array.of(1), Float32Array.of(2), null)]).toEqual([
      Number.POSITIVE_INFINITY,
    ]);
  });

  it("refuses arrays of different lengths", () => {
    expect(() => sortedRatios(Float32Array.of(1), Float32Array.of(1, 2), null)).toThrow(RangeError);
  });

  it("gives quantiles between the smallest and the largest value, in order", () => {
    fc.assert(
      fc.property(
        fc.float64Array({ minLength: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, p, q) => {
          const sorted = values.sort();
          const [low, high] = [quantile(sorted, Math.min(p, q)), quantile(sorted, Math.max(p, q))];
          expect(low <= high).toBe(true);
          expect(quantile(sorted, 1)).toBe(sorted.at(-1));
          expect(quantile(sorted, 0)).toBe(sorted[0]);
        },
      ),
    );
    expect(quantile(new Float64Array(0), 0.5)).toBeNaN();
  });

  it("takes the root mean square of differences", () => {
    expect(rmsError([1, 2, 3, 4], Float64Array.of(1, 2, 3, 8))).toBe(2);
  });
});

describe("the smallest fault that is seen", () => {
  it("finds a threshold to 5 %, and says when there is none", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-8, max: 0.9, noNaN: true }), (threshold) => {
        const found = smallestSeen((size) => size >= threshold) as number;
        expect(found).toBeGreaterThanOrEqual(threshold);
        expect(found).toBeLessThanOrEqual(1.05 * threshold);
      }),
    );
    expect(smallestSeen(() => false)).toBeNull();
  });
});

describe("the error of a function", () => {
  it("covers every error by a relative part, or an absolute one below some size", () => {
    const exact = Float64Array.of(1e-9, 0.5, 1, 2);
    const unit = 2 ** -24;
    const computed = exact.map((y, k) => (k === 0 ? y + 1e-10 : y * (1 + k * unit)));
    const { ulp, absolute } = errorOf(computed, exact, unit);
    expect(ulp).toBeCloseTo(3, 5);
    expect(absolute).toBeCloseTo(1e-10, 15);
  });
});

describe("made-up numbers", () => {
  it("are the same for one seed, and have the mean and variance they should", () => {
    const values = new Numbers(7).fill(20_000, () => 0);
    const [a, b] = [new Numbers(7), new Numbers(7)];
    for (let k = 0; k < values.length; k++) values[k] = a.normal();
    expect(values[0]).toBe(Math.fround(b.normal()));
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(rmsError(values, new Float64Array(values.length))).toBeCloseTo(1, 1);
  });
});

describe("numbers for tables", () => {
  it("rounds bounds up, never down", () => {
    expect([0, 4.51, 4.5, 0.00123, 3.01e-20].map(roundedUp)).toEqual([
      "0",
      "4.6",
      "4.5",
      "0.0013",
      "3.1e-20",
    ]);
  });

  it("shows few digits, and a dash for nothing", () => {
    expect(
      [null, Number.NaN, 0, Number.POSITIVE_INFINITY, 1.234, 4.71e-7].map((v) => shown(v)),
    ).toEqual(["–", "–", "0", "∞", "1.2", "4.7e-7"]);
  });

  it("writes Markdown tables whose cells cannot break them", () => {
    expect(
      markdownTable([
        ["a", "b"],
        ["1", "x|y"],
      ]),
    ).toBe("| a | b |\n| --- | --- |\n| 1 | x\\|y |");
  });
});
