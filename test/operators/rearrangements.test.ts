import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatFamily } from "../../src/operators/concat.js";
import { constantFamily } from "../../src/operators/constant.js";
import { fitFamily } from "../../src/operators/fit.js";
import { identityFamily } from "../../src/operators/identity.js";
import { parameterFamily } from "../../src/operators/parameter.js";
import { reorgFamily } from "../../src/operators/reorg.js";
import { reshapeFamily } from "../../src/operators/reshape.js";
import { sliceFamily } from "../../src/operators/slice.js";
import { spaceToDepthFamily } from "../../src/operators/space-to-depth.js";
import { stateFamily } from "../../src/operators/state.js";
import { transposeFamily } from "../../src/operators/transpose.js";
import { expectCopied } from "./family-laws.js";
import { boundOf, runFamily } from "./run-family.js";
import { counting, uniform, valuesOf } from "./values.js";

describe("reorg", () => {
  const square = counting([1, 4, 2, 2]);

  it("gives Darknet's order, which is not space-to-depth", async () => {
    const attributes = { stride: 2, reverse: false };
    const result = await expectCopied({ family: reorgFamily, attributes, inputs: [square] });
    expect(result.shape).toEqual([1, 16, 1, 1]);
    expect([...result.data]).toEqual([0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15]);
  });

  it.each([false, true])("moves every value once, reverse %s", (reverse) =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: fc.integer({ min: 1, max: 2 }),
          stride: fc.integer({ min: 1, max: 3 }),
          channels: fc.integer({ min: 1, max: 3 }),
          height: fc.integer({ min: 1, max: 3 }),
          width: fc.integer({ min: 1, max: 3 }),
        }),
        async ({ batch, stride, channels, height, width }) => {
          const map = [height * stride, width * stride];
          const input = counting([batch, channels * stride ** 2, ...map]);
          const attributes = { stride, reverse };
          const result = await expectCopied({ family: reorgFamily, attributes, inputs: [input] });
          expect(result.data.toSorted()).toEqual(input.data);
        },
      ),
      { numRuns: 10 },
    ),
  );

  it("refuses channels that the square of the stride does not divide", () => {
    expect(() => reorgFamily.shape({ stride: 2, reverse: false }, [[1, 6, 4, 4]])).toThrow(
      "reorg: channels 6, expected a multiple of 4",
    );
    expect(() => reorgFamily.shape({ stride: 2, reverse: false }, [[1, 4, 4, 3]])).toThrow(
      "reorg: width 3, expected a multiple of 2",
    );
  });
});

describe("space-to-depth", () => {
  it("gives Darknet's reorg3d", async () => {
    const result = await expectCopied({
      family: spaceToDepthFamily,
      attributes: { stride: 2 },
      inputs: [counting([1, 4, 2, 2])],
    });
    expect([...result.data]).toEqual([0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]);
  });

  it("moves every value once, in maps that are not square", async () => {
    const result = await expectCopied({
      family: spaceToDepthFamily,
      attributes: { stride: 3 },
      inputs: [counting([2, 2, 3, 6])],
    });
    expect(result.shape).toEqual([2, 18, 1, 2]);
    expect([...result.data].sort((a, b) => a - b)).toEqual([...counting([72]).data]);
  });
});

describe("fit", () => {
  const flat = { rule: "flat", sample: 1, spread: 1 } as const;

  it("takes the memory of an image as one row and fills it with 0 (flat rule)", async () => {
    const attributes = { ...flat, channels: 2, height: 2, width: 2 };
    const few = counting([2, 1, 2, 3]);
    const result = await expectCopied({ family: fitFamily, attributes, inputs: [few] });
    expect([...result.data]).toEqual([0, 1, 2, 3, 4, 5, 0, 0, 6, 7, 8, 9, 10, 11, 0, 0]);
  });

  it("cuts the row where it is too long (flat rule)", async () => {
    const attributes = { ...flat, channels: 1, height: 2, width: 2 };
    const result = await expectCopied({
      family: fitFamily,
      attributes,
      inputs: [counting([2, 2, 2, 2])],
    });
    expect([...result.data]).toEqual([0, 1, 2, 3, 8, 9, 10, 11]);
  });

  it("writes a small map to every second pixel (grid rule)", async () => {
    const attributes = {
      rule: "grid",
      sample: 1,
      spread: 2,
      channels: 1,
      height: 4,
      width: 4,
    } as const;
    const result = await expectCopied({
      family: fitFamily,
      attributes,
      inputs: [valuesOf([1, 1, 2, 2], [1, 2, 3, 4])],
    });
    expect([...result.data]).toEqual([1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0]);
  });

  it.each([
    { sample: 2, spread: 1, channels: 2, height: 3, width: 2, from: [2, 3, 6, 5] },
    { sample: 3, spread: 1, channels: 4, height: 2, width: 2, from: [1, 2, 7, 7] },
    { sample: 1, spread: 2, channels: 2, height: 7, width: 5, from: [1, 3, 3, 2] },
    { sample: 1, spread: 3, channels: 1, height: 4, width: 4, from: [1, 1, 2, 1] },
    { sample: 1, spread: 1, channels: 3, height: 4, width: 4, from: [1, 2, 4, 4] },
  ])("samples or spreads as its definition says: $sample, $spread", async ({ from, ...rest }) => {
    const attributes = { rule: "grid", ...rest } as const;
    await expectCopied({ family: fitFamily, attributes, inputs: [uniform(from, 5)] });
  });
});

describe("concat, slice, reshape, transpose, identity", () => {
  it("joins along any axis, in the order of the inputs", async () => {
    for (const axis of [1, 2, 3]) {
      const inputs = [4, 1, 3].map((size, k) => uniform([2, 5, 5, 5].with(axis, size), k));
      await expectCopied({ family: concatFamily, attributes: { axis }, inputs });
    }
  });

  it("knows a reversed concatenation from the right one", async () => {
    const [a, b] = [uniform([1, 2, 2, 2], 1), uniform([1, 2, 2, 2], 2)];
    const given = { family: concatFamily, attributes: { axis: 1 } };
    const right = await runFamily({ ...given, inputs: [a, b] });
    expect(right).not.toEqual(await runFamily({ ...given, inputs: [b, a] }));
  });

  it("has no bound for the part that is exact, and the input's for the other", async () => {
    const inputs = [uniform([1, 1, 1, 2], 1), uniform([1, 1, 1, 2], 2)];
    const bounds = [null, valuesOf([1, 1, 1, 2], [3, 4])];
    const bound = await boundOf(
      { family: concatFamily, attributes: { axis: 1 }, inputs },
      "hard",
      bounds,
    );
    expect([...(bound?.data ?? [])]).toEqual([0, 0, 3, 4]);
  });

  it("refuses maps of different sizes", () => {
    expect(() =>
      concatFamily.shape({ axis: 1 }, [
        [1, 2, 3, 3],
        [1, 2, 3, 4],
      ]),
    ).toThrow("concat: inputs [1,2,3,3] and [1,2,3,4], expected equal sizes but for axis 1");
  });

  it("takes a range of an axis and refuses one outside it", async () => {
    const given = { family: sliceFamily, inputs: [uniform([2, 6, 3, 2], 1)] };
    await expectCopied({ ...given, attributes: { axis: 1, start: 2, end: 5 } });
    await expectCopied({ ...given, attributes: { axis: 3, start: 1, end: 2 } });
    expect(() => sliceFamily.shape({ axis: 1, start: 2, end: 7 }, [[2, 6, 3, 2]])).toThrow(
      "slice: elements [2, 7) of axis 1 of [2,6,3,2]",
    );
  });

  it("reshapes in C order and keeps the batch", async () => {
    const given = { family: reshapeFamily, inputs: [uniform([2, 3, 4, 5], 1)] };
    const result = await expectCopied({ ...given, attributes: { shape: [20, 3] } });
    expect(result.shape).toEqual([2, 20, 3]);
    expect(() => reshapeFamily.shape({ shape: [61] }, [[2, 3, 4, 5]])).toThrow(
      "reshape: input [2,3,4,5] has 120 elements, [2,61] needs 122",
    );
  });

  it("permutes axes", async () => {
    const given = { family: transposeFamily, inputs: [uniform([2, 3, 4, 5], 1)] };
    const result = await expectCopied({ ...given, attributes: { permutation: [0, 2, 3, 1] } });
    expect(result.shape).toEqual([2, 4, 5, 3]);
    await expectCopied({ ...given, attributes: { permutation: [3, 0, 1, 2] } });
    expect(() => transposeFamily.shape({ permutation: [0, 1, 1] }, [[2, 3, 4]])).toThrow(
      "transpose: [0,1,1] is no permutation of the axes of [2,3,4]",
    );
  });

  it("passes values and bounds through unchanged", async () => {
    const input = valuesOf([1, 4], [Number.NaN, Number.POSITIVE_INFINITY, -0, 1e-42]);
    const given = { family: identityFamily, attributes: {}, inputs: [input] };
    await expectCopied(given);
    const bound = valuesOf([1, 4], [1, 2, 3, 4]);
    expect(await boundOf(given, "trigger", [bound])).toEqual(bound);
  });
});

describe("constant, parameter, state", () => {
  it("is constant even where the input is not a number", async () => {
    const input = valuesOf([1, 3], [Number.NaN, Number.POSITIVE_INFINITY, 2]);
    const given = { family: constantFamily, attributes: { value: 0 }, inputs: [input] };
    expect([...(await expectCopied(given)).data]).toEqual([0, 0, 0]);
    const tenth = await expectCopied({ ...given, attributes: { value: 0.1 } });
    expect(tenth.data[0]).toBe(Math.fround(0.1));
  });

  it("repeats a stored tensor over the batch of its input, once without input", async () => {
    const value = uniform([3, 2, 1], 4);
    const given = { family: parameterFamily, attributes: { shape: [3, 2, 1] }, weights: { value } };
    const alone = await expectCopied({ ...given, inputs: [] });
    expect(alone.shape).toEqual([1, 3, 2, 1]);
    const two = await expectCopied({ ...given, inputs: [counting([2, 1])] });
    expect([...two.data]).toEqual([...value.data, ...value.data]);
  });

  it("is zero at first and then what it is given", async () => {
    const attributes = { shape: [2, 3], next: "later" };
    const first = await expectCopied({ family: stateFamily, attributes, inputs: [] });
    expect([...first.data]).toEqual([0, 0, 0, 0, 0, 0]);
    const remembered = uniform([2, 3], 4);
    const second = await expectCopied({ family: stateFamily, attributes, inputs: [remembered] });
    expect(second).toEqual(remembered);
  });
});
