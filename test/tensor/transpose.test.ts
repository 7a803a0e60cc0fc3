import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { indexOf, sizeOf, tensor } from "../../src/tensor/tensor.js";
import { differencesReordered, transpose } from "../../src/tensor/transpose.js";

const shapes = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom(1, 31, 33, 65)), { maxLength: 5 })
  .filter((shape) => sizeOf(shape) < 40_000);
const permuted = shapes.chain((shape) =>
  fc.tuple(fc.constant(shape), fc.shuffledSubarray([...shape.keys()], { minLength: shape.length })),
);
const numbered = (shape: readonly number[]) =>
  tensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, k) => k),
  );

describe("reordering the axes of a tensor", () => {
  it("puts every element where its index, reordered, says", () => {
    fc.assert(
      fc.property(permuted, ([shape, permutation]) => {
        const source = numbered(shape);
        const result = transpose(source, permutation);
        expect(result.shape).toEqual(permutation.map((axis) => shape[axis]));
        result.data.forEach((value, at) => {
          const index = indexOf(at, result.shape);
          const from = shape.map((_, axis) => index[permutation.indexOf(axis)] ?? 0);
          const position = from.reduce((sum, k, axis) => sum * (shape[axis] ?? 1) + k, 0);
          if (value !== position) throw new Error(`${value} at ${index}, expected ${position}`);
        });
      }),
    );
  });

  it("is undone by the inverse permutation", () => {
    fc.assert(
      fc.property(permuted, ([shape, permutation]) => {
        const source = numbered(shape);
        const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
        const back = transpose(transpose(source, permutation), inverse);
        expect(back).toEqual(source);
        expect(back.data).not.toBe(source.data);
      }),
    );
  });

  it("refuses what is no permutation of the axes", () => {
    for (const wrong of [
      [0, 1],
      [0, 0, 1],
      [0, 1, 3],
      [0, 1, 2, 3],
    ]) {
      expect(() => transpose(numbered([2, 3, 4]), wrong)).toThrow(RangeError);
    }
  });
});

describe("holding a tensor against values in another order of axes", () => {
  it("finds what comparing the reordered copy finds", () => {
    fc.assert(
      fc.property(permuted, fc.array(fc.nat(), { maxLength: 4 }), ([shape, permutation], wrong) => {
        const source = numbered(shape);
        const expected = transpose(source, permutation).data;
        const places = [...new Set(wrong.map((k) => k % expected.length))].filter((k) => k >= 0);
        for (const k of places) expected[k] = -1;
        expect(differencesReordered(source, permutation, expected)).toEqual({
          different: places.length,
          first: places.length === 0 ? -1 : Math.min(...places),
        });
      }),
    );
  });

  it("tells 0 from -0 and holds NaN equal to the same NaN", () => {
    const value = tensor([2, 1], Float32Array.of(0, Number.NaN));
    const other = Float32Array.of(-0, Number.NaN);
    expect(differencesReordered(value, [1, 0], other)).toEqual({ different: 1, first: 0 });
  });

  it("refuses other lengths", () => {
    expect(() => differencesReordered(numbered([2]), [0], new Float32Array(3))).toThrow(RangeError);
  });
});
