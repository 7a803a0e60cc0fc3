import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LowerBounds } from "../../src/lower/lower.js";
import { TRIGGER_FACTOR } from "../../src/operators/rounding.js";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";
import { modelOf, noise, run } from "./harness.js";

const f = Math.fround;
const functionError = () => ({ ulp: 4, absolute: 0 });
const bounds = (mode: LowerBounds["mode"], tap: string): LowerBounds => ({
  mode,
  cut: new Set(["input"]),
  functionError,
  outputs: [{ tap, name: "bound" }],
});

/** Orders in which libraries add up products in float32; each step is rounded. */
const ORDERS: Readonly<Record<string, (terms: Float32Array) => number>> = {
  "one after the other": (terms) => terms.reduce((sum, term) => f(sum + term), 0),
  backwards: (terms) => terms.reduceRight((sum, term) => f(sum + term), 0),
  pairwise,
  "eight lanes": (terms) => lanes(terms, 8),
  "sixteen lanes in blocks of 256": (terms) => {
    let sum = 0;
    for (let k = 0; k < terms.length; k += 256)
      sum = f(sum + lanes(terms.subarray(k, k + 256), 16));
    return sum;
  },
};

function pairwise(terms: Float32Array): number {
  if (terms.length <= 2) return terms.reduce((sum, term) => f(sum + term), 0);
  const half = terms.length >> 1;
  return f(pairwise(terms.subarray(0, half)) + pairwise(terms.subarray(half)));
}

function lanes(terms: Float32Array, count: number): number {
  const sums = new Float32Array(count);
  for (const [k, term] of terms.entries()) sums[k % count] = (sums[k % count] as number) + term;
  return pairwise(sums);
}

/** Positive first, then negative: the worst order there is. */
const unlucky = (terms: Float32Array) =>
  Float32Array.from(terms)
    .sort()
    .reverse()
    .reduce((sum, term) => f(sum + term), 0);

const UNITS = 32;
const SIZES = [9, 27, 144, 576, 1024, 4608];
const INPUTS: Readonly<Record<string, (x: number) => number>> = {
  normal: (x) => x,
  leaky: (x) => f(x < 0 ? 0.1 * x : x),
  positive: (x) => Math.abs(x),
};

async function sums(size: number, shape: (x: number) => number, mode: "trigger" | "hard") {
  const kernel = noise([UNITS, size], size);
  const plain = noise([1, size], size + 1);
  const input = tensor([1, size], plain.data.map(shape));
  const weights = { kernel, bias: noise([UNITS], 7) };
  const model = modelOf({ input: [1, size] }, [
    { id: "y", kind: "dense", attributes: { units: UNITS }, weights },
  ]);
  const result = await run(model, { input }, [{ tap: "y", name: "y" }], {
    bounds: bounds(mode, "y"),
  });
  const terms = Array.from({ length: UNITS }, (_, unit) => {
    const products = input.data.map((x, k) => f(x * (kernel.data[unit * size + k] as number)));
    return Float32Array.of(...products, weights.bias.data[unit] as number);
  });
  return { terms, y: (result["y"] as Tensor).data, bound: (result["bound"] as Tensor).data };
}

describe.each(SIZES)("a sum of %i products", (size) => {
  it.each(Object.entries(INPUTS))(
    "stays below its bounds in every usual order: %s inputs",
    async (_, shape) => {
      const trigger = await sums(size, shape, "trigger");
      const hard = await sums(size, shape, "hard");
      let largest = 0;
      for (const [unit, terms] of trigger.terms.entries()) {
        for (const order of Object.values(ORDERS)) {
          const error = Math.abs(order(terms) - (trigger.y[unit] as number));
          largest = Math.max(largest, error / (trigger.bound[unit] as number));
          expect(error).toBeLessThanOrEqual(hard.bound[unit] as number);
        }
        const error = Math.abs(unlucky(terms) - (trigger.y[unit] as number));
        expect(error).toBeLessThanOrEqual(hard.bound[unit] as number);
      }
      expect(largest).toBeLessThan(TRIGGER_FACTOR);
      // And the trigger is no wider than that: rounding comes within a factor of 100 of it.
      expect(largest).toBeGreaterThan(TRIGGER_FACTOR / 100);
    },
  );

  it("is over its trigger when an input is 2 % off, the slope of the activation before it", async () => {
    const { terms, y, bound } = await sums(size, (x) => x, "trigger");
    const wrong = await sums(size, (x) => f(x < 0 ? 1.02 * x : x), "trigger");
    const seen = terms.filter((_, unit) => {
      const error = Math.abs((wrong.y[unit] as number) - (y[unit] as number));
      return error > TRIGGER_FACTOR * (bound[unit] as number);
    });
    expect(seen.length).toBeGreaterThan(0.9 * UNITS);
  });
});

describe("a convolution and its leaky activation", () => {
  it.each([9, 144, 1024, 4608])(
    "show a slope of 0.102 instead of 0.1 over %i terms",
    async (terms) => {
      const channels = terms === 9 ? 1 : terms / (terms % 9 === 0 ? 9 : 1);
      const side = terms % 9 === 0 ? 3 : 1;
      const attributes = {
        filters: 8,
        kernel: [side, side],
        strides: [1, 1],
        pads: { top: 0, left: 0, bottom: 0, right: 0 },
        dilations: [1, 1],
        groups: 1,
        sampling: "grid",
      } as const;
      const model = modelOf({ input: [1, channels, 8, 8] }, [
        {
          id: "c",
          kind: "conv",
          attributes,
          weights: { kernel: noise([8, channels, side, side], 3) },
        },
        {
          id: "y",
          kind: "activation",
          attributes: { function: "leaky", parameters: { slope: 0.1 } },
        },
      ]);
      const input = noise([1, channels, 8, 8], 4);
      const outputs = [
        { tap: "c", name: "c" },
        { tap: "y", name: "y" },
      ];
      const result = await run(model, { input }, outputs, { bounds: bounds("trigger", "y") });
      const [c, y, bound] = ["c", "y", "bound"].map((name) => result[name]?.data as Float32Array);
      const negative = [...(c as Float32Array).keys()].filter((k) => (c?.[k] ?? 0) < 0);
      const seen = negative.filter((k) => {
        const error = Math.abs(f(0.102 * (c?.[k] ?? 0)) - (y?.[k] ?? 0));
        return error > TRIGGER_FACTOR * (bound?.[k] ?? 0);
      });
      expect(negative.length).toBeGreaterThan(50);
      expect(seen.length).toBeGreaterThan(0.9 * negative.length);
    },
  );
});

describe("batch normalisation", () => {
  /** How ports write it; all in float32. */
  const PORTS: Readonly<Record<string, (x: number, w: Norm) => number>> = {
    "centred, divided": (x, { s, b, m, v, e }) =>
      f(f(f(f(x - m) / f(Math.sqrt(f(v + e)))) * s) + b),
    "gain first": (x, { s, b, m, v, e }) => f(f(f(x - m) * f(s / f(Math.sqrt(f(v + e))))) + b),
    "folded into gain and offset": (x, { s, b, m, v, e }) => {
      const gain = f(s / f(Math.sqrt(f(v + e))));
      return f(f(x * gain) + f(b - f(m * gain)));
    },
    "by the reciprocal root": (x, { s, b, m, v, e }) =>
      f(f(f(f(x - m) * f(1 / f(Math.sqrt(f(v + e))))) * s) + b),
  };
  interface Norm {
    readonly s: number;
    readonly b: number;
    readonly m: number;
    readonly v: number;
    readonly e: number;
  }
  const C = 64;
  const float = (min: number, max: number) =>
    fc.float({ min: f(min), max: f(max), noNaN: true, noDefaultInfinity: true });
  const vector = (min: number, max: number) =>
    fc.array(float(min, max), { minLength: C, maxLength: C });
  const cases = fc.record({
    x: vector(-50, 50),
    scale: vector(-3, 3),
    bias: vector(-5, 5),
    mean: vector(-50, 50),
    variance: vector(0, 4),
    near: fc.boolean(),
    epsilon: fc.constantFrom(1e-3, 1e-5, 1e-6),
  });

  const normOf = ({
    scale,
    bias,
    mean,
    variance,
    epsilon,
  }: Record<"scale" | "bias" | "mean" | "variance", number[]> & { epsilon: number }) => {
    const weight = (values: number[]) => tensor([C], Float32Array.from(values));
    const weights = {
      scale: weight(scale),
      bias: weight(bias),
      mean: weight(mean),
      variance: weight(variance),
    };
    const attributes = { axis: 1, epsilon, epsilonPlace: "inside" } as const;
    return modelOf({ input: [1, C] }, [{ id: "y", kind: "batch-norm", attributes, weights }]);
  };

  it("stays within its bounds however a port writes it, also where x − mean cancels", async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (values) => {
        const near = values.near ? values.mean.map((m, k) => m * (1 + (k - 32) * 1e-6)) : values.x;
        const input = tensor([1, C], Float32Array.from(near));
        const model = normOf(values);
        const outputs = [{ tap: "y", name: "y" }];
        const trigger = await run(model, { input }, outputs, { bounds: bounds("trigger", "y") });
        const hard = await run(model, { input }, [], { bounds: bounds("hard", "y") });
        for (let k = 0; k < C; k++) {
          const weight = {
            s: values.scale[k] as number,
            b: values.bias[k] as number,
            m: values.mean[k] as number,
            v: values.variance[k] as number,
            e: f(values.epsilon),
          };
          for (const [name, port] of Object.entries(PORTS)) {
            const error = Math.abs(
              port(input.data[k] as number, weight) - (trigger["y"]?.data[k] ?? 0),
            );
            expect(error, name).toBeLessThanOrEqual(
              TRIGGER_FACTOR * (trigger["bound"]?.data[k] ?? 0),
            );
            expect(error, name).toBeLessThanOrEqual(hard["bound"]?.data[k] ?? 0);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it("shows an epsilon of 1e-3 instead of 1e-5 where the variance is small", async () => {
    const values = {
      scale: Array(C).fill(1),
      bias: Array(C).fill(0.5),
      mean: Array(C).fill(0.1),
      variance: Array(C).fill(0.01),
    };
    const input = noise([1, C], 5);
    const outputs = [{ tap: "y", name: "y" }];
    const right = await run(normOf({ ...values, epsilon: 1e-5 }), { input }, outputs, {
      bounds: bounds("hard", "y"),
    });
    const wrong = await run(normOf({ ...values, epsilon: 1e-3 }), { input }, outputs);
    const seen = right["y"]?.data.filter(
      (y, k) => Math.abs(y - (wrong["y"]?.data[k] ?? 0)) > (right["bound"]?.data[k] ?? 0),
    );
    expect(seen?.length).toBe(C);
  });

  it.each(["inside", "outside"] as const)("puts epsilon %s the root", async (epsilonPlace) => {
    const weight = (value: number) => tensor([1], Float32Array.of(value));
    const weights = { scale: weight(2), bias: weight(1), mean: weight(3), variance: weight(0) };
    const attributes = { axis: 1, epsilon: 1e-6, epsilonPlace };
    const model = modelOf({ input: [1, 1] }, [
      { id: "y", kind: "batch-norm", attributes, weights },
    ]);
    const { y } = await run(model, { input: tensor([1, 1], Float32Array.of(4)) }, [
      { tap: "y", name: "y" },
    ]);
    expect(y?.data[0]).toBeCloseTo(epsilonPlace === "inside" ? 2001 : 2_000_001, 0);
  });
});
