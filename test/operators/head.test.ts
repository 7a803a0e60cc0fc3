import { describe, expect, it } from "vitest";
import type { HeadAttributes } from "../../src/architecture/attributes.js";
import { headFamily } from "../../src/operators/head.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { expectBounded, expectCopied, expectLowered } from "./family-laws.js";
import { boundOf, runFamily } from "./run-family.js";
import { counting, uniform, valuesOf } from "./values.js";

const plain: HeadAttributes = {
  type: "yolo",
  anchors: 2,
  classes: 3,
  coords: 4,
  logistic: [0, 1, 4, 5, 6, 7],
  affine: { planes: [0, 1], scale: 1, offset: 0 },
  softmaxClasses: false,
  order: "planes",
  anchorSizes: [],
  side: 0,
};
const region: HeadAttributes = { ...plain, type: "region", softmaxClasses: true };

const CASES: readonly (readonly [string, HeadAttributes, readonly number[]])[] = [
  ["yolo v3", plain, [2, 16, 3, 5]],
  [
    "yolo v4, scale_x_y",
    { ...plain, affine: { planes: [0, 1], scale: 1.2, offset: -0.1 } },
    [2, 16, 3, 5],
  ],
  [
    "yolo with new_coords",
    { ...plain, logistic: [], affine: { planes: [0, 1], scale: 2, offset: -0.5 } },
    [1, 16, 2, 3],
  ],
  [
    "gaussian yolo",
    { ...plain, type: "gaussian-yolo", coords: 8, logistic: [0, 1, 2, 3, 5, 7, 8, 9, 10, 11] },
    [1, 24, 2, 3],
  ],
  ["region of pjreddie", { ...region, logistic: [0, 1, 4] }, [2, 16, 3, 5]],
  ["region of AlexeyAB", { ...region, logistic: [4], order: "cells" }, [2, 16, 3, 5]],
  [
    "region without softmax",
    { ...region, logistic: [4], order: "cells", softmaxClasses: false },
    [1, 16, 3, 5],
  ],
  [
    "detection with softmax",
    { ...plain, type: "detection", side: 2, logistic: [], softmaxClasses: true },
    [2, 52],
  ],
];

describe("head", () => {
  it.each(CASES)("%s is its definition and has a bound", async (_, attributes, shape) => {
    const given = { family: headFamily, attributes, inputs: [uniform(shape, 5, -3, 3)] };
    const result = await expectLowered(given);
    expect(result.shape).toEqual(headFamily.shape(attributes, [shape]));
    await expectBounded(given);
  });

  const run = (attributes: HeadAttributes, ...inputs: Tensor[]) =>
    runFamily({ family: headFamily, attributes, inputs });

  it("has no bound and changes nothing where nothing is computed", async () => {
    const attributes = { ...plain, logistic: [] };
    const result = await expectCopied({
      family: headFamily,
      attributes,
      inputs: [counting([1, 16, 2, 2])],
    });
    expect(result).toEqual(counting([1, 16, 2, 2]));
  });

  it("has bound 0 for planes that it copies, beside planes that it computes", async () => {
    const given = { family: headFamily, attributes: plain, inputs: [uniform([1, 16, 1, 1], 2)] };
    const bound = await boundOf(given, "trigger");
    const zero = [...(bound?.data ?? [])].map((value) => value === 0);
    const anchor = [false, false, true, true, false, false, false, false];
    expect(zero).toEqual([...anchor, ...anchor]);
  });

  it("gives 0 and 1, not NaN, for logits of ±100 and beyond", async () => {
    const logits = [-100, 100, -1000, 1000, -89, 89, -3e38, 3e38];
    const attributes = { ...plain, anchors: 1, logistic: [0, 1, 2, 3, 4, 5, 6, 7] };
    const result = await run(attributes, valuesOf([1, 8, 1, 1], logits));
    expect([...result.data].map((value) => Math.round(value))).toEqual([0, 1, 0, 1, 0, 1, 0, 1]);
    expect(Math.max(...result.data.filter((_, k) => k % 2 === 0))).toBeLessThan(1e-37);
  });

  it("is exact to a few units where ONNX Runtime's Sigmoid has lost all digits", async () => {
    const attributes = { ...plain, anchors: 1, logistic: [0, 1, 2, 3, 4, 5, 6, 7] };
    const logits = [-5, -10, -15, -17.8, -30, -50, -70, -85];
    const result = await run(attributes, valuesOf([1, 8, 1, 1], logits));
    for (const [k, value] of result.data.entries()) {
      const exact = 1 / (1 + Math.exp(-Math.fround(logits[k] ?? 0)));
      expect(Math.abs(value - exact) / exact).toBeLessThan(3e-7);
    }
  });

  it("puts a cell's anchors side by side in AlexeyAB's region, planes one after another in pjreddie's", async () => {
    const attributes: HeadAttributes = {
      ...region,
      classes: 1,
      logistic: [],
      softmaxClasses: false,
    };
    // Two anchors of six entries at two cells; value = 10·plane + cell.
    const input = valuesOf(
      [1, 12, 1, 2],
      Array.from({ length: 24 }, (_, k) => 10 * (k >> 1) + (k & 1)),
    );
    const cells = await run({ ...attributes, order: "cells" }, input);
    expect([...cells.data].slice(0, 13)).toEqual([
      0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 1,
    ]);
    expect((await run(attributes, input)).data).toEqual(input.data);
  });

  it("takes the softmax of a detection over each cell's classes alone", async () => {
    const attributes: HeadAttributes = {
      ...plain,
      type: "detection",
      side: 1,
      classes: 2,
      logistic: [],
      softmaxClasses: true,
    };
    const result = await run(attributes, valuesOf([1, 4], [7, 7, 5, 6]));
    expect([...result.data]).toEqual([0.5, 0.5, 5, 6]);
  });

  it("refuses channels that its anchors and classes do not make", () => {
    expect(() => headFamily.shape(plain, [[1, 17, 3, 3]])).toThrow(
      "head: 17 channels, expected 2 anchors of 8",
    );
    const detection: HeadAttributes = {
      ...plain,
      type: "detection",
      side: 3,
      softmaxClasses: true,
    };
    expect(() => headFamily.shape(detection, [[1, 20]])).toThrow("head: 3²·3 class numbers of 20");
  });
});
