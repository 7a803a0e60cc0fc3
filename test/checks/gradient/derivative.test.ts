import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { derivativeOf, type Line } from "../../../src/checks/gradient/derivative.js";

function along(line: Line, noisy: readonly Line[] = []): Parameters<typeof derivativeOf>[0] {
  return { line, noisy, step: 1e-5, magnitude: 1, storage: 1e-8 };
}

describe("the derivative along a line", () => {
  it("is that of any smooth function", () => {
    const coefficient = fc.double({ min: -3, max: 3, noNaN: true });
    fc.assert(
      fc.property(coefficient, coefficient, coefficient, (a, b, c) => {
        const found = derivativeOf(along((t) => a * Math.sin(t) + b * t * t + c * Math.exp(t)));
        expect(found?.value).toBeCloseTo(a + c, 7);
      }),
    );
  });

  it("is none where a kink lies at the point itself", () => {
    expect(derivativeOf(along((t) => Math.max(t, 0)))).toBeNull();
    expect(derivativeOf(along((t) => Math.abs(t) + t))).toBeNull();
  });

  it.each([9e-6, 3e-6, -7e-6, -6e-7])(
    "is found by a smaller step where a kink lies at %f, between the first points",
    (kink) => {
      const found = derivativeOf(along((t) => 3 * t + Math.max(t - kink, 0)));
      expect(found?.value).toBeCloseTo(kink < 0 ? 4 : 3, 6);
    },
  );

  it("has a tolerance of so many roundings as the trial ones show, but for the one that met a kink", () => {
    const noisy = [1.000016, 0.999984, 1.000016, 2].map((factor) => (t: number) => factor * t);
    const { tolerance = 0 } = derivativeOf(along((t) => t, noisy)) ?? {};
    // 16e-6 ÷ 16 (amplified) × 8 (safety).
    expect(tolerance).toBeGreaterThan(7e-6);
    expect(tolerance).toBeLessThan(9e-6);
  });
});
