import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PoolAttributes } from "../../src/architecture/attributes.js";
import { channelMaxFamily } from "../../src/operators/channel-max.js";
import { globalPoolFamily } from "../../src/operators/global-pool.js";
import { poolFamily } from "../../src/operators/pool.js";
import { TRIGGER_FACTOR } from "../../src/operators/rounding.js";
import { sumBlocksFamily } from "../../src/operators/sum-blocks.js";
import { expectBounded, expectCopied, expectLowered } from "./family-laws.js";
import { boundOf, judge, runFamily } from "./run-family.js";
import { counting, uniform, valuesOf } from "./values.js";

function pool(
  mode: PoolAttributes["mode"],
  size: number,
  stride: number,
  pads: readonly [top: number, left: number, bottom: number, right: number],
  countPadding = false,
): PoolAttributes {
  const [top, left, bottom, right] = pads;
  const attributes = {
    mode,
    kernel: [size, size],
    strides: [stride, stride],
    countPadding,
  } as const;
  return { ...attributes, pads: { top, left, bottom, right } };
}

/** Any window, also pads as wide as the kernel and wider. */
const anyPool = (mode: PoolAttributes["mode"]) =>
  fc.record({
    mode: fc.constant(mode),
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    pads: fc.record({
      top: fc.integer({ min: 0, max: 5 }),
      left: fc.integer({ min: 0, max: 5 }),
      bottom: fc.integer({ min: 0, max: 5 }),
      right: fc.integer({ min: 0, max: 5 }),
    }),
    countPadding: fc.boolean(),
  });

describe("max pool", () => {
  it("keeps the size with size 2 stride 1: the extra sample is right and bottom", async () => {
    const attributes = pool("max", 2, 1, [0, 0, 1, 1]);
    const input = valuesOf([1, 1, 2, 3], [-5, -1, -2, -4, -3, -6]);
    const result = await expectCopied({ family: poolFamily, attributes, inputs: [input] });
    expect([...result.data]).toEqual([-1, -1, -2, -3, -3, -6]);
  });

  it("gives the lowest float32 where a window lies outside the map", async () => {
    const attributes = pool("max", 1, 1, [0, 0, 2, 0]);
    const input = counting([1, 1, 1, 1]);
    const result = await expectCopied({ family: poolFamily, attributes, inputs: [input] });
    expect([...result.data]).toEqual([0, -3.4028234663852886e38, -3.4028234663852886e38]);
  });

  it("is the definition for every window", () =>
    fc.assert(
      fc.asyncProperty(anyPool("max"), async (attributes) => {
        const inputs = [uniform([2, 2, 5, 4], 7)];
        await expectCopied({ family: poolFamily, attributes, inputs });
      }),
      { numRuns: 25 },
    ));

  it("passes the largest bound of a window on", async () => {
    const attributes = pool("max", 2, 2, [0, 0, 0, 0]);
    const given = { family: poolFamily, attributes, inputs: [uniform([1, 1, 2, 4], 7)] };
    const bound = await boundOf(given, "trigger", [counting([1, 1, 2, 4])]);
    expect([...(bound?.data ?? [])]).toEqual([5, 7]);
    await expectBounded(given);
  });

  it("refuses a window that does not fit", () => {
    expect(() => poolFamily.shape(pool("max", 4, 1, [0, 0, 0, 0]), [[1, 1, 3, 9]])).toThrow(
      "pool: window 4, padded map only 3",
    );
  });
});

describe("average pool", () => {
  const input = valuesOf([1, 1, 2, 2], [1, 2, 3, 4]);

  it("divides by the pixels inside the map, or by the whole window", async () => {
    const given = { family: poolFamily, inputs: [input] };
    const inside = await expectLowered({
      ...given,
      attributes: pool("average", 2, 2, [1, 1, 1, 1]),
    });
    expect([...inside.data]).toEqual([1, 2, 3, 4]);
    const counted = pool("average", 2, 2, [1, 1, 1, 1], true);
    expect([...(await expectLowered({ ...given, attributes: counted })).data]).toEqual([
      0.25, 0.5, 0.75, 1,
    ]);
  });

  it("is the definition for every window; none of its pixels inside gives 0/0", () =>
    fc.assert(
      fc.asyncProperty(anyPool("average"), async (attributes) => {
        const inputs = [uniform([2, 2, 5, 4], 7)];
        await expectLowered({ family: poolFamily, attributes, inputs });
      }),
      { numRuns: 25 },
    ));

  it.each([
    pool("average", 3, 1, [1, 1, 1, 1]),
    pool("average", 3, 2, [1, 1, 1, 1], true),
    pool("average", 2, 2, [2, 0, 0, 2], true),
  ])("has a bound that covers rounding and no more: %j", async (attributes) => {
    await expectBounded({ family: poolFamily, attributes, inputs: [uniform([2, 3, 9, 8], 3)] });
  });
});

describe("global pool", () => {
  it("is the mean or the maximum of the map", async () => {
    const inputs = [uniform([2, 3, 13, 17], 3)];
    const attributes = { mode: "average" } as const;
    const mean = await expectLowered({ family: globalPoolFamily, attributes, inputs });
    expect(mean.shape).toEqual([2, 3, 1, 1]);
    await expectCopied({ family: globalPoolFamily, attributes: { mode: "max" }, inputs });
  });

  it.each(["average", "max"] as const)(
    "%s has a bound that covers rounding and no more",
    async (mode) => {
      const inputs = [uniform([2, 3, 13, 17], 3, 0, 2)];
      await expectBounded({ family: globalPoolFamily, attributes: { mode }, inputs });
    },
  );

  it("has a bound that covers a plain loop in float32, which sums in one order", async () => {
    const input = uniform([1, 1, 40, 40], 3, 0, 2);
    const given = { family: globalPoolFamily, attributes: { mode: "average" } as const };
    const sum = input.data.reduce((a, x) => Math.fround(a + x), 0);
    const error = Math.abs(
      Math.fround(sum / 1600) - (judge({ ...given, inputs: [input] })[0] ?? 0),
    );
    expect(error).toBeGreaterThan(0);
    for (const [mode, factor] of [
      ["trigger", TRIGGER_FACTOR],
      ["hard", 1],
    ] as const) {
      const bound = await boundOf({ ...given, inputs: [input] }, mode);
      expect(error, mode).toBeLessThanOrEqual(factor * (bound?.data[0] ?? 0));
    }
  });

  it("is far from a mean over the width alone", async () => {
    const inputs = [uniform([1, 1, 5, 5], 3)];
    const given = { family: globalPoolFamily, attributes: { mode: "average" } as const, inputs };
    const bound = await boundOf(given, "hard");
    const [first] = (await runFamily(given)).data;
    const wrong = [...(inputs[0]?.data ?? [])].slice(0, 5).reduce((a, b) => a + b, 0) / 5;
    expect(Math.abs(wrong - (first ?? 0))).toBeGreaterThan(bound?.data[0] ?? 0);
  });
});

describe("channel max", () => {
  it.each([2, 3, 4, 6])(
    "takes every %i-th channel, also when they do not divide evenly",
    async (channels) => {
      const given = {
        family: channelMaxFamily,
        attributes: { channels },
        inputs: [uniform([2, 6, 2, 3], 8, -4, -1)],
      };
      await expectCopied(given);
      await expectBounded(given);
    },
  );

  it("takes channels k, k + out, not neighbours", () => {
    const inputs = [valuesOf([1, 4, 1, 1], [1, 2, 4, 3])];
    expect([...judge({ family: channelMaxFamily, attributes: { channels: 2 }, inputs })]).toEqual([
      4, 3,
    ]);
  });
});

describe("sum of blocks", () => {
  it.each([1, 0.5, -0.3])("sums and multiplies by %d", async (gain) => {
    const attributes = { factor: [2, 3], gain } as const;
    const given = { family: sumBlocksFamily, attributes, inputs: [uniform([2, 2, 4, 6], 8)] };
    await expectLowered(given);
    await expectBounded(given);
  });

  it("refuses a map that does not divide into blocks", () => {
    expect(() => sumBlocksFamily.shape({ factor: [2, 2], gain: 1 }, [[1, 1, 5, 4]])).toThrow(
      "sum-blocks: height 5, expected a multiple of 2",
    );
  });
});

describe("what only maps go through", () => {
  it("refuses other ranks and several inputs", () => {
    expect(() => globalPoolFamily.shape({ mode: "max" }, [[2, 3]])).toThrow(
      "global-pool: input [2,3], expected [batch, channels, height, width]",
    );
    expect(() =>
      channelMaxFamily.shape({ channels: 1 }, [
        [1, 1, 1, 1],
        [1, 1, 1, 1],
      ]),
    ).toThrow("channel-max: 2 inputs, expected 1");
  });
});
