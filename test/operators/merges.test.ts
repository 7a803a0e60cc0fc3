import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cropFamily } from "../../src/operators/crop.js";
import { linearCombinationFamily } from "../../src/operators/linear-combination.js";
import { mergeFamily } from "../../src/operators/merge.js";
import { resizeFamily } from "../../src/operators/resize.js";
import { upsampleFamily } from "../../src/operators/upsample.js";
import { weightedSumFamily } from "../../src/operators/weighted-sum.js";
import { expectBounded, expectCopied, expectLowered } from "./family-laws.js";
import { boundOf, judge, runFamily } from "./run-family.js";
import { counting, uniform, valuesOf } from "./values.js";

const MODES = ["add", "multiply", "subtract", "maximum", "average"] as const;
const map = [2, 3, 4, 5];
const three = [1, 2, 3].map((seed) => uniform(map, seed));

describe("merge", () => {
  it.each(MODES)("%s of one, two and three inputs", async (mode) => {
    for (const count of [1, 2, 3]) {
      const given = { family: mergeFamily, attributes: { mode }, inputs: three.slice(0, count) };
      await expectLowered(given);
      await expectBounded(given);
    }
  });

  it.each(MODES)("%s repeats an input along axes of size 1", async (mode) => {
    for (const shape of [
      [2, 3, 1, 1],
      [2, 1, 4, 5],
      [1, 3, 1, 5],
    ]) {
      const inputs = [uniform(map, 1), uniform(shape, 2)];
      const given = { family: mergeFamily, attributes: { mode }, inputs };
      expect((await expectLowered(given)).shape).toEqual(map);
      await expectBounded(given);
      await expectLowered({ ...given, inputs: inputs.toReversed() });
    }
  });

  it("has the bound |a|·e_b + |b|·e_a + e_a·e_b of a product, at worst", async () => {
    const inputs = [valuesOf([1], [2]), valuesOf([1], [-3])];
    const bounds = [valuesOf([1], [0.5]), valuesOf([1], [0.25])];
    const bound = await boundOf(
      { family: mergeFamily, attributes: { mode: "multiply" }, inputs },
      "hard",
      bounds,
    );
    expect(bound?.data[0]).toBeCloseTo(2 * 0.25 + 3 * 0.5 + 0.5 * 0.25, 5);
  });

  it("does not broadcast what only would fit", () => {
    const refuse = (inputs: number[][], words: string) =>
      expect(() => mergeFamily.shape({ mode: "add" }, inputs)).toThrow(words);
    refuse(
      [
        [1, 3, 4, 4],
        [1, 2, 4, 4],
      ],
      "merge: inputs [1,3,4,4] and [1,2,4,4], expected equal sizes or 1",
    );
    refuse(
      [
        [1, 3, 4, 4],
        [3, 4, 4],
      ],
      "merge: inputs [1,3,4,4] and [3,4,4], expected equal sizes or 1",
    );
    refuse([], "merge: no inputs, expected at least 1");
  });
});

describe("linear combination", () => {
  it.each([[[0.5, 2]], [[1, -1, 0.3]], [[0.7]], [[1, 1]]])(
    "of coefficients %j",
    async (coefficients) => {
      const inputs = three.slice(0, coefficients.length);
      const given = { family: linearCombinationFamily, attributes: { coefficients }, inputs };
      await expectLowered(given);
      await expectBounded(given);
    },
  );

  it("is exact for one input and a power of two", async () => {
    const given = { family: linearCombinationFamily, attributes: { coefficients: [-0.25] } };
    await expectCopied({ ...given, inputs: [uniform(map, 1)] });
  });

  it("refuses a coefficient too many", () => {
    expect(() => linearCombinationFamily.shape({ coefficients: [1, 2] }, [[1, 2]])).toThrow(
      "linear-combination: 2 coefficients for 1 inputs",
    );
  });
});

describe("weighted sum", () => {
  const normalizations = ["none", "relu", "softmax"] as const;

  it.each(normalizations)(
    "normalised by %s, one weight an input or one a channel",
    async (normalization) => {
      for (const perChannel of [false, true]) {
        const weights = uniform(perChannel ? [3, 3] : [3], 6, -1, 2);
        const attributes = { normalization, epsilon: 1e-4, perChannel };
        const given = {
          family: weightedSumFamily,
          attributes,
          inputs: three,
          weights: { weights },
        };
        await expectLowered(given);
        await expectBounded(given);
      }
    },
  );

  it("gives Darknet's quotient relu(w)/(1e-4 + Σ relu(w)), negative weights left out", () => {
    const attributes = { normalization: "relu", epsilon: 1e-4, perChannel: false } as const;
    const inputs = [valuesOf([1, 1, 1, 1], [10]), valuesOf([1, 1, 1, 1], [100])];
    const weights = { weights: valuesOf([2], [-1, 3]) };
    const [value] = judge({ family: weightedSumFamily, attributes, inputs, weights });
    expect(value).toBeCloseTo((100 * 3) / 3.0001, 8);
  });
});

describe("upsample", () => {
  it("repeats each pixel, by other factors along both axes", async () => {
    const attributes = { factor: [2, 3], gain: 1 } as const;
    const given = { family: upsampleFamily, attributes, inputs: [counting([1, 1, 2, 2])] };
    const result = await expectCopied(given);
    expect(result.shape).toEqual([1, 1, 4, 6]);
    expect([...result.data.subarray(0, 12)]).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]);
    await expectBounded(given);
  });

  it("multiplies by its gain: exact for a half, rounded for a third", async () => {
    const inputs = [uniform([2, 3, 4, 3], 4)];
    const given = { family: upsampleFamily, inputs };
    await expectCopied({ ...given, attributes: { factor: [2, 2], gain: 0.5 } });
    await expectLowered({ ...given, attributes: { factor: [2, 2], gain: 1 / 3 } });
    await expectBounded({ ...given, attributes: { factor: [2, 2], gain: 1 / 3 } });
  });
});

describe("crop", () => {
  const inputs = [uniform([1, 2, 6, 5], 4, 0, 1)];
  const place = { top: 1, left: 2, height: 4, width: 2 };

  it("cuts a rectangle; 2x − 1 is Darknet's adjustment", async () => {
    const plain = { family: cropFamily, attributes: { ...place, gain: 1, offset: 0 }, inputs };
    await expectCopied(plain);
    const adjusted = { ...plain, attributes: { ...place, gain: 2, offset: -1 } };
    await expectLowered(adjusted);
    await expectBounded(adjusted);
    await expectBounded({ ...plain, attributes: { ...place, gain: 0.3, offset: 0.1 } });
  });

  it("refuses a rectangle that leaves the map", () => {
    const attributes = { ...place, left: 4, gain: 1, offset: 0 };
    expect(() => cropFamily.shape(attributes, [[1, 2, 6, 5]])).toThrow(
      "crop: 4×2 at row 1, column 4 is not inside 6×5",
    );
  });
});

describe("resize", () => {
  const anyResize = fc.record({
    mode: fc.constantFrom("nearest", "bilinear"),
    height: fc.integer({ min: 1, max: 9 }),
    width: fc.integer({ min: 1, max: 9 }),
    coordinates: fc.constantFrom("half-pixel", "align-corners", "asymmetric"),
    nearestRounding: fc.constantFrom("floor", "round-prefer-floor", "round-prefer-ceil"),
  } as const);

  it("is the definition for every rule and size", () =>
    fc.assert(
      fc.asyncProperty(anyResize, async (attributes) => {
        const given = { family: resizeFamily, attributes, inputs: [uniform([1, 2, 4, 5], 4)] };
        if (attributes.mode === "nearest") await expectCopied(given);
        else await expectLowered(given);
      }),
      { numRuns: 25 },
    ));

  const row = async (
    coordinates: "half-pixel" | "align-corners" | "asymmetric",
    mode: "nearest" | "bilinear",
    values: readonly number[],
    width: number,
    nearestRounding: "floor" | "round-prefer-floor" | "round-prefer-ceil" = "floor",
  ) => {
    const attributes = { mode, height: 1, width, coordinates, nearestRounding };
    const inputs = [valuesOf([1, 1, 1, values.length], values)];
    return [...(await runFamily({ family: resizeFamily, attributes, inputs })).data];
  };

  it("knows the three rules of coordinates apart", async () => {
    expect(await row("align-corners", "bilinear", [0, 0.5, 1], 5)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(await row("half-pixel", "bilinear", [0, 1], 4)).toEqual([0, 0.25, 0.75, 1]);
    expect(await row("asymmetric", "bilinear", [0, 1], 4)).toEqual([0, 0.5, 1, 1]);
  });

  it("knows the roundings of a place between two pixels", async () => {
    // Places of 4 → 2: ½ and 2½.
    const values = [0, 1, 2, 3];
    expect(await row("half-pixel", "nearest", values, 2, "floor")).toEqual([0, 2]);
    expect(await row("half-pixel", "nearest", values, 2, "round-prefer-floor")).toEqual([0, 2]);
    expect(await row("half-pixel", "nearest", values, 2, "round-prefer-ceil")).toEqual([1, 3]);
  });

  it("has a bound for bilinear, the input's for nearest", async () => {
    const attributes = {
      height: 7,
      width: 8,
      coordinates: "half-pixel",
      nearestRounding: "floor",
    } as const;
    const given = { family: resizeFamily, inputs: [uniform([1, 3, 13, 5], 4)] };
    await expectBounded({ ...given, attributes: { ...attributes, mode: "bilinear" } });
    await expectBounded({ ...given, attributes: { ...attributes, mode: "nearest" } });
  });
});
