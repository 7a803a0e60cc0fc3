import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { kernelModule } from "../../scripts/build-compare-kernel.js";
import { comparePlain } from "../../src/compare/compare-plain.js";
import { compareWasm, residentCompare } from "../../src/compare/compare-wasm.js";
import type { Compare, Metrics } from "../../src/compare/metrics.js";
import { expectCompareLaws, numbers } from "./laws.js";

const SPECIALS = [Number.NaN, Infinity, -Infinity, 3.4e38, -3.4e38, 1e-45, -1e-40, 0, -0, 1];

interface Arrays {
  readonly actual: Float32Array;
  readonly expected: Float32Array;
  readonly bound: Float32Array;
}

/** Activations with rounding noise, and `specials` extreme values strewn in. */
function arrays(seed: number, length: number, specials: number): Arrays {
  const random = numbers(seed);
  const expected = Float32Array.from({ length }, () => (random() - 0.5) * 8);
  const actual = expected.map((e) => (random() < 0.3 ? e : e * (1 + (random() - 0.5) * 1e-6)));
  const bound = expected.map((e) => (random() < 0.1 ? 0 : Math.abs(e) * 1e-6 * random()));
  for (let k = 0; k < specials; k++) {
    const at = Math.floor(random() * length);
    const value = SPECIALS[Math.floor(random() * SPECIALS.length)] ?? 0;
    const target = [actual, expected, bound][Math.floor(random() * 3)];
    if (target !== undefined) target[at] = value;
    if (random() < 0.5) actual[at] = expected[at] = value;
  }
  return { actual, expected, bound };
}

/** Everything but the sums must be the very same; those are added in another order. */
function expectEqual(found: Metrics, wanted: Metrics): void {
  const { rmse, cosine, ...exact } = found;
  expect(wanted).toMatchObject(exact);
  if (wanted.cosine === null || cosine === null) expect(cosine).toBe(wanted.cosine);
  else expect(Math.abs(cosine - wanted.cosine)).toBeLessThan(1e-12);
  if (Number.isFinite(wanted.rmse)) {
    expect(Math.abs(rmse - wanted.rmse)).toBeLessThanOrEqual(1e-12 * wanted.rmse);
  } else expect(rmse).toBe(wanted.rmse);
}

describe("compareWasm", () => {
  it("is what the .wat file assembles to", async () => {
    const committed = readFileSync(new URL("../../src/compare/kernel.ts", import.meta.url), "utf8");
    expect(committed).toBe(await kernelModule());
  });

  it("keeps the laws of a comparison, also for arrays longer than a block", () => {
    expectCompareLaws(compareWasm);
    const padding = 17_000;
    // The same laws in the middle of something long, so that the kernel and not the plain loop runs.
    const inside: Compare = (actual, expected, options = {}) => {
      const long = (x: Float32Array, fill: number) => {
        const y = new Float32Array(x.length + 2 * padding).fill(fill);
        y.set(x, padding);
        return y;
      };
      const bound = options.bound === undefined ? {} : { bound: long(options.bound, 0) };
      if (actual.length !== expected.length) return comparePlain(actual, expected);
      if (options.bound !== undefined && options.bound.length !== actual.length) {
        return comparePlain(actual, expected, options);
      }
      const found = compareWasm(long(actual, 0), long(expected, 0), { ...options, ...bound });
      const place = (index: number) => (index < 0 ? index : index - padding);
      return {
        ...found,
        count: actual.length,
        maxAbsIndex: place(found.maxAbsIndex),
        ratioIndex: place(found.ratioIndex),
        nonFiniteIndex: place(found.nonFiniteIndex),
      };
    };
    expectCompareLaws(inside);
  });

  it("equals the plain loop on noise, NaN, infinities, huge and tiny values", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 64, max: 50_000 }),
        fc.constantFrom(0, 0, 1, 3, 200),
        fc.constantFrom(0.25, 1, 4),
        (seed, length, specials, limit) => {
          const { actual, expected, bound } = arrays(seed, length, specials);
          expectEqual(compareWasm(actual, expected), comparePlain(actual, expected));
          const options = { bound, limit };
          expectEqual(
            compareWasm(actual, expected, options),
            comparePlain(actual, expected, options),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it("equals the plain loop when all specials are as large as float32 goes", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { actual, expected, bound } = arrays(seed, 9000, 0);
        const random = numbers(seed);
        for (let k = 0; k < 20; k++) {
          const target = random() < 0.5 ? actual : expected;
          target[Math.floor(random() * 9000)] = random() < 0.5 ? 3e38 : -3e38;
        }
        expectEqual(
          compareWasm(actual, expected, { bound }),
          comparePlain(actual, expected, { bound }),
        );
      }),
    );
  });

  it("takes views of shared memory and of odd offsets", () => {
    const { actual, expected } = arrays(7, 10_000, 0);
    const shared = new Float32Array(new SharedArrayBuffer(40_004), 4);
    shared.set(actual);
    const views = shared.subarray(1);
    expectEqual(
      compareWasm(views, expected.subarray(1)),
      comparePlain(actual.subarray(1), expected.subarray(1)),
    );
  });

  it("compares in place what lies in a WebAssembly memory, and anything else as well", () => {
    const Memory = (
      globalThis as never as { WebAssembly: { Memory: new (x: object) => { buffer: ArrayBuffer } } }
    ).WebAssembly.Memory;
    const memory = new Memory({ initial: 4 });
    const { actual, expected, bound } = arrays(3, 20_001, 5);
    const inside = [actual, expected, bound].map((x, k) => {
      const view = new Float32Array(memory.buffer, 4 + k * 80_008, x.length);
      view.set(x);
      return view;
    }) as [Float32Array, Float32Array, Float32Array];
    const compare = residentCompare(memory);
    const wanted = comparePlain(actual, expected, { bound });
    expectEqual(compare(inside[0], inside[1], { bound: inside[2] }), wanted);
    expectEqual(compare(inside[0], inside[1]), comparePlain(actual, expected));
    expectEqual(compare(actual, inside[1], { bound }), wanted);
  });
});
