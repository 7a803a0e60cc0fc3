import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareTolerance } from "../../src/compare/tolerance.js";
import { values } from "./laws.js";

const of = (...x: number[]) => Float32Array.from(x);

describe("compareTolerance", () => {
  it("accepts an error equal to the tolerance and refuses the next larger one", () => {
    const exact = { atol: 0.5, rtol: 0.25 };
    expect(compareTolerance(of(5.5), of(4), exact)).toEqual({
      count: 1,
      over: 0,
      ratio: 1,
      ratioIndex: 0,
    });
    expect(compareTolerance(of(5.5000005), of(4), exact).over).toBe(1);
  });

  it("takes both parts together, and the relative one from the expected side", () => {
    expect(compareTolerance(of(103), of(100), { atol: 1, rtol: 0.02 }).over).toBe(0);
    expect(compareTolerance(of(100), of(50), { atol: 0, rtol: 0.5 }).over).toBe(1);
  });

  it("never passes NaN nor a different infinity", () => {
    const wide = { atol: 1e300, rtol: 1 };
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    expect(compareTolerance(of(nan, 1, nan), of(1, nan, nan), wide).over).toBe(3);
    expect(compareTolerance(of(inf, -inf, 1), of(-inf, inf, inf), wide).over).toBe(3);
    expect(compareTolerance(of(inf, -inf), of(inf, -inf), wide).over).toBe(0);
  });

  it("with zero tolerances accepts equal values only, and then has no ratio", () => {
    fc.assert(
      fc.property(values, fc.nat(), (x, seed) => {
        const zero = { atol: 0, rtol: 0 };
        const same = compareTolerance(x, x.slice(), zero);
        expect(same).toEqual({ count: x.length, over: 0, ratio: null, ratioIndex: -1 });
        const index = seed % x.length;
        const broken = compareTolerance(x.with(index, x[index] === 1 ? 2 : 1), x, zero);
        expect(broken).toMatchObject({
          over: 1,
          ratio: Number.POSITIVE_INFINITY,
          ratioIndex: index,
        });
      }),
    );
  });

  it("does not depend on the number of elements", () => {
    const expected = new Float32Array(100_000).fill(1);
    const result = compareTolerance(expected.with(77_777, 1.01), expected, { atol: 0, rtol: 1e-3 });
    expect(result).toMatchObject({ over: 1, ratioIndex: 77_777 });
  });

  it("refuses a negative tolerance", () => {
    expect(() => compareTolerance(of(1), of(1), { atol: -1, rtol: 0 })).toThrow("atol -1");
    expect(() => compareTolerance(of(1), of(1), { atol: 0, rtol: Number.NaN })).toThrow("rtol NaN");
  });
});
