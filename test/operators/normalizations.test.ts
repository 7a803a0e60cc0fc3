import { describe, expect, it } from "vitest";
import { channelNormalizeFamily } from "../../src/operators/channel-normalize.js";
import { l2NormFamily } from "../../src/operators/l2-norm.js";
import { lrnFamily } from "../../src/operators/lrn.js";
import { TRIGGER_FACTOR } from "../../src/operators/rounding.js";
import { softmaxFamily } from "../../src/operators/softmax.js";
import { expectBounded, expectLowered } from "./family-laws.js";
import { boundOf, judge, runFamily } from "./run-family.js";
import { uniform, valuesOf } from "./values.js";

describe("softmax", () => {
  it.each([
    { axis: 1, size: 10, temperature: 1, shape: [2, 10] },
    { axis: 1, size: 5, temperature: 1, shape: [2, 10] },
    { axis: 1, size: 9, temperature: 2.5, shape: [1, 9] },
    { axis: 1, size: 3, temperature: 0.5, shape: [2, 6, 4, 3] },
    { axis: 3, size: 2, temperature: 1, shape: [1, 2, 3, 6] },
  ])(
    "of groups of $size along axis $axis of $shape at temperature $temperature",
    async ({ shape, ...attributes }) => {
      const given = { family: softmaxFamily, attributes, inputs: [uniform(shape, 5, -6, 6)] };
      const result = await expectLowered(given);
      const groups = result.data.length / attributes.size;
      expect(result.data.reduce((a, b) => a + b, 0)).toBeCloseTo(groups, 4);
      await expectBounded(given);
    },
  );

  it("subtracts the maximum: values of 1000 do not overflow", async () => {
    const inputs = [valuesOf([1, 3], [1000, 999, -1000])];
    const attributes = { axis: 1, size: 3, temperature: 1 };
    const result = await expectLowered({ family: softmaxFamily, attributes, inputs });
    expect(result.data[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
    expect(result.data[2]).toBe(0);
  });

  it("has a bound that covers a port which divides by the temperature first, in float32", async () => {
    const f = Math.fround;
    const input = uniform([1, 50], 9, -20, 20);
    const attributes = { axis: 1, size: 50, temperature: 3 };
    const given = { family: softmaxFamily, attributes, inputs: [input] };
    const cooled = input.data.map((x) => x / 3);
    const largest = Math.max(...cooled);
    const powers = cooled.map((x) => Math.exp(f(x - largest)));
    const sum = powers.reduce((a, x) => f(a + x), 0);
    const exact = judge(given);
    for (const [mode, factor] of [
      ["trigger", TRIGGER_FACTOR],
      ["hard", 1],
    ] as const) {
      const bound = await boundOf(given, mode);
      for (const [k, power] of powers.entries()) {
        const error = Math.abs(f(power / sum) - (exact[k] ?? 0));
        expect(error).toBeLessThanOrEqual(factor * (bound?.data[k] ?? 0));
      }
    }
  });

  it("normalises each group by itself", async () => {
    const inputs = [valuesOf([1, 4], [0, 0, 9, 9])];
    const attributes = { axis: 1, size: 2, temperature: 1 };
    const result = await runFamily({ family: softmaxFamily, attributes, inputs });
    expect([...result.data]).toEqual([0.5, 0.5, 0.5, 0.5]);
  });

  it("refuses groups that do not fill the axis", () => {
    expect(() => softmaxFamily.shape({ axis: 1, size: 4, temperature: 1 }, [[1, 10]])).toThrow(
      "softmax: size of axis 1 10, expected a multiple of 4",
    );
  });
});

describe("l2 norm", () => {
  it.each([0, 1e-3])("divides by the length of the channels, epsilon %d", async (epsilon) => {
    const attributes = { axis: 1, epsilon };
    const given = { family: l2NormFamily, attributes, inputs: [uniform([2, 20, 3, 4], 5)] };
    await expectLowered(given);
    await expectBounded(given);
  });

  it("gives 3/5 and 4/5", () => {
    const attributes = { axis: 1, epsilon: 0 };
    const inputs = [valuesOf([1, 2], [3, 4])];
    const [first, second] = judge({ family: l2NormFamily, attributes, inputs });
    expect(first).toBeCloseTo(0.6, 15);
    expect(second).toBeCloseTo(0.8, 15);
  });
});

describe("local response normalisation", () => {
  const attributes = { size: 5, alpha: 0.1, beta: 0.75, kappa: 1, rule: "exact" } as const;

  it.each([
    attributes,
    { ...attributes, rule: "darknet" as const },
    { ...attributes, size: 4 },
    { ...attributes, size: 1, kappa: 2, rule: "darknet" as const },
    { ...attributes, size: 9, beta: 0.5 },
    { ...attributes, size: 40 },
  ])("is its definition: %j", async (given) => {
    const inputs = [uniform([2, 7, 3, 2], 5)];
    await expectLowered({ family: lrnFamily, attributes: given, inputs });
    await expectBounded({ family: lrnFamily, attributes: given, inputs });
  });

  it("has the sums of Darknet's sliding window, which lack channel ⌊size/2⌋ everywhere", () => {
    const x = [1, 2, 3, 4, 5, 6, 7];
    const [size, alpha, kappa] = [5, 1, 1];
    // The library's loop, as it is written: first channel, then add one and take one.
    const norms = [kappa + alpha * x.slice(0, size / 2).reduce((sum, v) => sum + v * v, 0)];
    for (let k = 1; k < x.length; k++) {
      let norm = norms[k - 1] as number;
      const [gone, come] = [k - (size - 1) / 2 - 1, k + Math.floor(size / 2)];
      if (gone >= 0) norm -= alpha * (x[gone] as number) ** 2;
      if (come < x.length) norm += alpha * (x[come] as number) ** 2;
      norms.push(norm);
    }
    const inputs = [valuesOf([1, 7, 1, 1], x)];
    const darknet = { size, alpha, beta: 1, kappa, rule: "darknet" } as const;
    const values = judge({ family: lrnFamily, attributes: darknet, inputs });
    for (const [k, value] of values.entries())
      expect(value).toBeCloseTo((x[k] as number) / (norms[k] as number), 12);
  });
});

describe("channel normalisation", () => {
  it.each(["relu", "softmax", "softmax-maxval"] as const)("%s is its definition", async (mode) => {
    const attributes = { mode, epsilon: 1e-4 };
    const given = {
      family: channelNormalizeFamily,
      attributes,
      inputs: [uniform([2, 6, 3, 4], 5, -4, 4)],
    };
    await expectLowered(given);
    await expectBounded(given);
  });

  it("divides what is positive by its sum, and gives 0 where nothing is", async () => {
    const attributes = { mode: "relu", epsilon: 1e-4 } as const;
    const inputs = [valuesOf([1, 2, 1, 2], [3, -1, 1, -2])];
    const result = await runFamily({ family: channelNormalizeFamily, attributes, inputs });
    expect(result.data[0]).toBeCloseTo(3 / 4.0001, 6);
    expect(result.data[1]).toBe(0);
    expect(result.data[3]).toBe(0);
  });

  it("gives e^x/(ε + Σe^x) without overflow, and ε counts where all x are small", async () => {
    const attributes = { mode: "softmax", epsilon: 1e-4 } as const;
    const large = {
      family: channelNormalizeFamily,
      attributes,
      inputs: [valuesOf([1, 2, 1, 2], [200, -20, 199, -21])],
    };
    const result = await expectLowered(large);
    expect(result.data[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
    expect(result.data[1]).toBeLessThan(1e-4);
    const huge = { ...large, inputs: [valuesOf([1, 2, 1, 2], [1e4, -1e4, 1e30, 0])] };
    await expectLowered(huge);
    const [first, second, third, last] = judge(huge);
    expect([first, second, third]).toEqual([0, 0, 1]);
    expect(last).toBeCloseTo(1 / 1.0001, 9);
  });
});
