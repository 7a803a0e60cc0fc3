import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32FromHalf, halfFromFloat32 } from "../../src/formats/small-floats.js";

const half = (value: number) => halfFromFloat32(Float32Array.of(value))[0];

describe("rounding to half floats", () => {
  it("gives back every half: subnormals, zeros and infinities too", () => {
    const bits = Uint16Array.from({ length: 65_536 }, (_, k) => k).filter(
      (k) => (k & 0x7fff) <= 0x7c00,
    );
    expect(halfFromFloat32(float32FromHalf(bits))).toEqual(bits);
  });

  it("takes the nearest one, and the even one of two", () => {
    const distance = (value: number, bits: number) =>
      Math.abs(value - (float32FromHalf(Uint16Array.of(bits))[0] ?? 0));
    fc.assert(
      fc.property(fc.float({ min: -65_000, max: 65_000, noNaN: true }), (value) => {
        const bits = half(value) ?? 0;
        const best = distance(value, bits);
        const others = [bits - 1, bits + 1].filter((k) => (k & 0x7fff) < 0x7c00 && k >= 0);
        return others.every((k) => best < distance(value, k) || bits % 2 === 0 || best === 0);
      }),
    );
    expect(half(2049)).toBe(half(2048));
    expect(half(2051)).toBe(half(2052));
  });

  it("keeps NaN, and overflows to infinity from half way on", () => {
    expect([half(Number.NaN), half(65_519), half(65_520), half(-1e9)]).toEqual([
      0x7e00, 0x7bff, 0x7c00, 0xfc00,
    ]);
  });
});
