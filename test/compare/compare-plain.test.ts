import { describe, expect, it } from "vitest";
import { comparePlain } from "../../src/compare/compare-plain.js";
import { expectCompareLaws } from "./laws.js";

describe("comparePlain", () => {
  it("keeps the laws of a comparison", () => {
    expectCompareLaws(comparePlain);
  });

  it("gives the numbers that one computes by hand", () => {
    const metrics = comparePlain(Float32Array.of(3, 4, 0), Float32Array.of(3, 3, 0.5), {
      bound: Float32Array.of(1, 4, 0.25),
      limit: 1.5,
    });
    expect(metrics).toMatchObject({ count: 3, maxAbs: 1, maxAbsIndex: 1, maxRel: 1 });
    expect(metrics).toMatchObject({ ratio: 2, ratioIndex: 2, overBound: 1 });
    expect(metrics.rmse).toBe(Math.sqrt(1.25 / 3));
    expect(metrics.cosine).toBeCloseTo(21 / (5 * Math.sqrt(18.25)), 14);
  });

  it("has no cosine where a side is all zeros", () => {
    expect(comparePlain(new Float32Array(3), Float32Array.of(1, 2, 3)).cosine).toBeNull();
  });

  it("does not overflow where float32 would", () => {
    const metrics = comparePlain(Float32Array.of(3e38), Float32Array.of(-3e38), {
      bound: Float32Array.of(1e-30),
    });
    expect(metrics.maxAbs / 6e38).toBeCloseTo(1, 6);
    expect((metrics.ratio ?? 0) / 6e68).toBeCloseTo(1, 5);
  });
});
