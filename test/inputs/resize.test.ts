import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { letterboxDarknet, resizeDarknet } from "../../src/inputs/resize.js";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";

const row = (...values: number[]) => tensor([1, 1, values.length], Float32Array.from(values));

const images = fc
  .tuple(
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 2, max: 9 }),
    fc.integer({ min: 1, max: 9 }),
  )
  .chain(([channels, height, width]) => {
    const length = channels * height * width;
    return fc
      .float32Array({ minLength: length, maxLength: length, min: 0, max: 1, noNaN: true })
      .map((data): Tensor => tensor([channels, height, width], data));
  });

const sizes = fc.integer({ min: 2, max: 20 });

describe("resizeDarknet", () => {
  it("aligns corners: three pixels to five, three to two", () => {
    const image = tensor([1, 2, 3], Float32Array.of(0, 0.5, 1, 0, 0.5, 1));
    const first = (width: number) => [...resizeDarknet(image, width, 2).data.slice(0, width)];
    expect(first(5)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(first(2)).toEqual([0, 1]);
  });

  it("leaves the last row black where its position rounds below the last row", () => {
    const white = tensor([1, 240, 1], new Float32Array(240).fill(1));
    const { data } = resizeDarknet(white, 1, 416);
    expect(data[415]).toBeLessThan(1e-4);
    expect(data[414]).toBeGreaterThan(0.99);
    const safe = tensor([1, 239, 1], new Float32Array(239).fill(1));
    expect(resizeDarknet(safe, 1, 416).data[415]).toBe(1);
  });

  it("gives NaN for a height of one, as the library's division of 0 by 0 does", () => {
    const image = tensor([1, 2, 2], Float32Array.of(1, 1, 1, 1));
    expect([...resizeDarknet(image, 3, 1).data]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });

  it("returns an image of the right size as it is", () => {
    const image = row(1, 2, 3);
    expect(resizeDarknet(image, 3, 1)).toBe(image);
  });

  it("stays between the smallest and the largest value, but for a black last row", () => {
    fc.assert(
      fc.property(images, sizes, sizes, (image, width, height) => {
        const { data, shape } = resizeDarknet(image, width, height);
        expect(shape).toEqual([image.shape[0], height, width]);
        const [low, high] = [Math.min(...image.data), Math.max(...image.data)];
        const bodies = data.filter((_, i) => Math.floor(i / width) % height !== height - 1);
        for (const value of bodies) {
          expect(value).toBeGreaterThanOrEqual(low - 1e-6);
          expect(value).toBeLessThanOrEqual(high + 1e-6);
        }
      }),
    );
  });

  it("reproduces a linear ramp", () => {
    fc.assert(
      fc.property(sizes, sizes, (from, to) => {
        const ramp = row(...Array.from({ length: from }, (_, i) => i / (from - 1)));
        const twoRows = tensor([1, 2, from], Float32Array.of(...ramp.data, ...ramp.data));
        const { data } = resizeDarknet(twoRows, to, 2);
        for (let i = 0; i < to; i++) expect(data[i]).toBeCloseTo(i / (to - 1), 5);
      }),
    );
  });

  it("refuses a size below one and what is no planar image", () => {
    expect(() => resizeDarknet(row(1, 2), 0, 1)).toThrow("size 0x1, expected from 1");
    expect(() => resizeDarknet(tensor([2, 2], new Float32Array(4)), 1, 1)).toThrow("[2,2]");
  });
});

describe("letterboxDarknet", () => {
  it("puts a 3x2 image into the middle of 4x4: grey, image, image, grey", () => {
    const image = tensor([1, 2, 3], new Float32Array(6).fill(1));
    const { data } = letterboxDarknet(image, 4, 4);
    const rows = [0, 1, 2, 3].map((r) => [...data.subarray(4 * r, 4 * r + 4)]);
    expect(rows[0]).toEqual([0.5, 0.5, 0.5, 0.5]);
    expect(rows[1]).toEqual([1, 1, 1, 1]);
    expect(rows[3]).toEqual([0.5, 0.5, 0.5, 0.5]);
  });

  it("refuses an image so flat that no row of it would remain", () => {
    const line = tensor([1, 1, 100], new Float32Array(100));
    expect(() => letterboxDarknet(line, 32, 32)).toThrow("size 32x0");
  });

  it("is the resize where the aspect ratio is the frame's", () => {
    fc.assert(
      fc.property(images, (image) => {
        const [, height = 1, width = 1] = image.shape;
        const [w, h] = [2 * width, 2 * height];
        expect(letterboxDarknet(image, w, h)).toEqual(resizeDarknet(image, w, h));
      }),
    );
  });
});
