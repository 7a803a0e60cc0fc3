import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type {
  BinaryFunction,
  ConvNdAttributes,
  ElementwiseFunction,
  ReduceFunction,
} from "../../src/architecture/attributes.js";
import { binaryFamily } from "../../src/operators/binary.js";
import { castFamily } from "../../src/operators/cast.js";
import { contractFamily } from "../../src/operators/contract.js";
import { convNdFamily } from "../../src/operators/conv-nd.js";
import { convTransposeNdFamily } from "../../src/operators/conv-transpose-nd.js";
import { crossHashFamily } from "../../src/operators/cross-hash.js";
import { elementwiseFamily } from "../../src/operators/elementwise.js";
import { expandFamily } from "../../src/operators/expand.js";
import { farmHashFamily } from "../../src/operators/farm-hash.js";
import { fillFamily } from "../../src/operators/fill.js";
import { gatherFamily } from "../../src/operators/gather.js";
import { padFamily } from "../../src/operators/pad.js";
import { poolNdFamily } from "../../src/operators/pool-nd.js";
import { reduceFamily } from "../../src/operators/reduce.js";
import { resampleFamily } from "../../src/operators/resample.js";
import { sortFamily } from "../../src/operators/sort.js";
import { takeFamily } from "../../src/operators/take.js";
import { viewFamily } from "../../src/operators/view.js";
import { weightFamily } from "../../src/operators/weight.js";
import { whereFamily } from "../../src/operators/where.js";
import { expectBounded, expectCopied, expectLowered } from "./family-laws.js";
import { judge, runFamily } from "./run-family.js";
import { counting, uniform, valuesOf } from "./values.js";

const conv: ConvNdAttributes = {
  filters: 4,
  kernel: [3, 2],
  strides: [2, 1],
  padsBefore: [1, 0],
  padsAfter: [1, 1],
  dilations: [1, 2],
  groups: 1,
  channelAxis: 3,
  kernelOrder: "in-out",
};

describe("convolution over any number of axes", () => {
  it("reads channels last and channels second alike", async () => {
    const kernel = uniform([3, 2, 3, 4], 3);
    const last = {
      family: convNdFamily,
      attributes: conv,
      inputs: [uniform([2, 5, 6, 3], 1)],
      weights: { kernel, bias: uniform([4], 4) },
    };
    expect((await expectLowered(last)).shape).toEqual([2, 3, 5, 4]);
    await expectBounded(last);
    const second = {
      ...last,
      attributes: { ...conv, channelAxis: 1 },
      inputs: [uniform([2, 3, 5, 6], 1)],
    };
    expect((await expectLowered(second)).shape).toEqual([2, 4, 3, 5]);
    await expectBounded(second);
  });

  it.each([1, 3])("works over %d axes, in groups", async (rank) => {
    const ones = new Array<number>(rank).fill(1);
    const given = {
      family: convNdFamily,
      attributes: {
        ...conv,
        kernel: ones.map(() => 2),
        strides: ones,
        dilations: ones,
        padsBefore: ones.map(() => 0),
        padsAfter: ones,
        groups: 2,
        channelAxis: rank + 1,
      },
      inputs: [uniform([1, ...ones.map(() => 4), 6], 1)],
      weights: { kernel: uniform([...ones.map(() => 2), 3, 4], 2) },
    };
    await expectLowered(given);
    await expectBounded(given);
  });

  it("multiplies each channel by kernels of its own", async () => {
    const given = {
      family: convNdFamily,
      attributes: { ...conv, filters: 6, groups: 3, kernelOrder: "depthwise" } as const,
      inputs: [uniform([1, 5, 6, 3], 1)],
      weights: { kernel: uniform([3, 2, 3, 2], 3) },
    };
    await expectLowered(given);
    await expectBounded(given);
  });

  it("takes its kernel from a second input", async () => {
    const inputs = [uniform([1, 5, 6, 3], 1), uniform([3, 2, 3, 4], 3)];
    const asWeight = await runFamily({
      family: convNdFamily,
      attributes: conv,
      inputs: inputs.slice(0, 1),
      weights: { kernel: inputs[1] as (typeof inputs)[0] },
    });
    const given = { family: convNdFamily, attributes: conv, inputs };
    expect([...(await expectLowered(given)).data]).toEqual([...asWeight.data]);
  });

  it("refuses groups that do not divide the channels, and windows larger than the value", () => {
    expect(() => convNdFamily.shape({ ...conv, groups: 2 }, [[1, 5, 6, 3]])).toThrow("2 groups");
    expect(() => convNdFamily.shape({ ...conv, kernel: [9, 2] }, [[1, 5, 6, 3]])).toThrow(
      "a window of 9",
    );
  });
});

describe("transposed convolution over any number of axes", () => {
  const attributes = {
    filters: 3,
    kernel: [3, 2],
    strides: [2, 3],
    cropBefore: [1, 0],
    outputSize: [6, 12],
    dilations: [1, 1],
    channelAxis: 3,
  };

  it("crops what stands over and fills what is missing", async () => {
    const given = {
      family: convTransposeNdFamily,
      attributes,
      inputs: [uniform([2, 3, 4, 2], 1)],
      weights: { kernel: uniform([3, 2, 3, 2], 2), bias: uniform([3], 3) },
    };
    const result = await expectLowered(given);
    expect(result.shape).toEqual([2, 6, 12, 3]);
    // The last column lies behind the full result of 11: there is only the bias.
    expect([...result.data.slice(-3)]).toEqual([...given.weights.bias.data]);
    await expectBounded(given);
  });

  it("spreads by dilated kernels, channels second", async () => {
    const given = {
      family: convTransposeNdFamily,
      attributes: {
        ...attributes,
        dilations: [2, 1],
        channelAxis: 1,
        cropBefore: [0, 0],
        outputSize: [9, 11],
      },
      inputs: [uniform([1, 2, 3, 4], 1)],
      weights: { kernel: uniform([3, 2, 3, 2], 2) },
    };
    await expectLowered(given);
    await expectBounded(given);
  });
});

describe("pools over any number of axes", () => {
  const attributes = {
    mode: "average",
    kernel: [3],
    strides: [2],
    padsBefore: [1],
    padsAfter: [1],
    channelAxis: 2,
    countPadding: false,
  } as const;

  it.each([false, true])("average, padding counted: %s", async (countPadding) => {
    const given = {
      family: poolNdFamily,
      attributes: { ...attributes, countPadding },
      inputs: [uniform([2, 6, 3], 1, 0.5, 2)],
    };
    await expectLowered(given);
    await expectBounded(given);
  });

  it("take the maximum of windows in three axes", async () => {
    const three = {
      kernel: [2, 2, 2],
      strides: [1, 2, 1],
      padsBefore: [0, 0, 0],
      padsAfter: [0, 0, 1],
      channelAxis: 4,
    };
    const given = {
      family: poolNdFamily,
      attributes: { ...attributes, ...three, mode: "max" } as const,
      inputs: [uniform([1, 3, 4, 3, 2], 1)],
    };
    await expectCopied(given);
    await expectBounded(given);
  });
});

describe("sums of products", () => {
  it.each(["ab,bc->ac", "abc,cd->abd", "abcd,ebcf->aebf", "ab,ab->a"])(
    "%s with a kernel",
    async (equation) => {
      const sizes: Record<string, number> = { a: 2, b: 5, c: 4, d: 3, e: 2, f: 3 };
      const shapes = (equation.split("->")[0] ?? "")
        .split(",")
        .map((letters) => [...letters].map((letter) => sizes[letter] ?? 1));
      const [input = [], kernel = []] = shapes;
      const given = {
        family: contractFamily,
        attributes: { equation, kernel },
        inputs: [uniform(input, 1)],
        weights: { kernel: uniform(kernel, 2) },
      };
      await expectLowered(given);
      await expectBounded(given);
    },
  );

  it("of two values, whose errors both pass", async () => {
    const given = {
      family: contractFamily,
      attributes: { equation: "bqd,bkd->bqk", kernel: null },
      inputs: [uniform([2, 3, 5], 1), uniform([2, 4, 5], 2)],
    };
    await expectLowered(given);
    await expectBounded(given);
  });

  it("refuse sizes that contradict each other", () => {
    expect(() => contractFamily.shape({ equation: "ab,bc->ac", kernel: [3, 2] }, [[4, 5]])).toThrow(
      '"b" of ab,bc->ac is 5 and 3',
    );
  });
});

describe("element-wise functions", () => {
  const parameters: Partial<Record<ElementwiseFunction, Record<string, number>>> = {
    affine: { scale: 0.7, offset: -0.3 },
    power: { exponent: 3 },
    "threshold-relu": { slope: 0.2, threshold: 0.5 },
    celu: { alpha: 0.7 },
    "hard-shrink": { threshold: 0.5 },
    "soft-shrink": { threshold: 0.5 },
    squareplus: { b: 4 },
  };
  const positive: readonly ElementwiseFunction[] = ["log", "log1p", "sqrt", "rsqrt", "reciprocal"];
  const smooth: readonly ElementwiseFunction[] = [
    "abs",
    "negate",
    "expm1",
    ...positive,
    "sin",
    "cos",
    "erf",
    "affine",
    "power",
    "celu",
    "soft-shrink",
    "squareplus",
    "sparse-plus",
  ];

  it.each(smooth)("%s", async (name) => {
    const low = positive.includes(name) ? 0.5 : -2;
    const given = {
      family: elementwiseFamily,
      attributes: { function: name, parameters: parameters[name] ?? {} },
      inputs: [uniform([3, 40], 5, low, 3)],
    };
    await expectLowered(given, 1e-6);
    await expectBounded(given);
  });

  it.each([
    "sign",
    "floor",
    "ceil",
    "round",
    "not",
    "is-nan",
    "threshold-relu",
    "hard-shrink",
  ] as const)("%s, which has steps", async (name) => {
    const inputs = [valuesOf([8], [-1.5, -0.5, 0, 0.5, 1.5, 2.5, 3, -0])];
    const attributes = { function: name, parameters: parameters[name] ?? {} };
    await expectLowered({ family: elementwiseFamily, attributes, inputs });
  });

  it("keep NaN", async () => {
    for (const name of ["celu", "threshold-relu", "soft-shrink", "sparse-plus", "abs"] as const) {
      const attributes = { function: name, parameters: parameters[name] ?? {} };
      const inputs = [valuesOf([1], [Number.NaN])];
      const result = await runFamily({ family: elementwiseFamily, attributes, inputs });
      expect(result.data[0], name).toBeNaN();
    }
  });
});

describe("functions of two values", () => {
  it.each(["add", "subtract", "multiply", "divide", "maximum", "minimum", "power"] as const)(
    "%s, broadcast from the last axis",
    async (name: BinaryFunction) => {
      const given = {
        family: binaryFamily,
        attributes: { function: name },
        inputs: [uniform([2, 3, 4], 1, 0.5, 2), uniform([3, 1], 2, 0.5, 2)],
      };
      expect((await expectLowered(given, 1e-6)).shape).toEqual([2, 3, 4]);
      await expectBounded(given);
    },
  );

  it.each([
    "equal",
    "not-equal",
    "less",
    "less-equal",
    "greater",
    "greater-equal",
    "and",
    "or",
    "xor",
    "floor-divide",
    "modulo",
  ] as const)("%s gives the definition's answer", async (name) => {
    const inputs = [valuesOf([6], [0, 1, 2, -3, 5, -7]), valuesOf([6], [0, 1, 1, 2, -3, 2])];
    const shifted = name === "floor-divide" || name === "modulo";
    const given = {
      family: binaryFamily,
      attributes: { function: name },
      inputs: shifted ? [inputs[0] as never, valuesOf([6], [3, 1, 1, 2, -3, 2])] : inputs,
    };
    await expectLowered(given);
  });
});

describe("reductions", () => {
  it.each(["sum", "mean", "maximum", "minimum", "product"] as const)(
    "%s",
    async (name: ReduceFunction) => {
      for (const keepAxes of [false, true]) {
        const given = {
          family: reduceFamily,
          attributes: { function: name, axes: [1, 3], keepAxes },
          inputs: [uniform([2, 3, 4, 2], 1, 0.5, 1.5)],
        };
        const result = await expectLowered(given, 1e-6);
        expect(result.shape).toEqual(keepAxes ? [2, 1, 4, 1] : [2, 4]);
        await expectBounded(given);
      }
    },
  );

  it.each(["any", "all"] as const)("%s counts what is not 0", async (name) => {
    const inputs = [valuesOf([3, 2], [0, 0, 0, 5, -1, 2])];
    await expectLowered({
      family: reduceFamily,
      attributes: { function: name, axes: [1], keepAxes: false },
      inputs,
    });
  });
});

describe("weighted sums along an axis", () => {
  it.each([0, 1, 2])("axis %d", async (axis) => {
    const shape = [3, 4, 5];
    const columns = shape[axis] ?? 1;
    const values = [...uniform([2, columns], 9).data];
    const given = {
      family: resampleFamily,
      attributes: { axis, matrix: { rows: 2, columns, values } },
      inputs: [uniform(shape, 1)],
    };
    await expectLowered(given, 1e-6);
    await expectBounded(given);
  });

  it("are exact when each only takes one element", async () => {
    const attributes = { axis: 1, matrix: { rows: 2, columns: 3, values: [0, 0, 1, 1, 0, 0] } };
    await expectCopied({ family: resampleFamily, attributes, inputs: [uniform([2, 3], 1)] });
  });
});

describe("what only moves values", () => {
  const x = counting([2, 3, 4]);

  it("takes elements in any order", async () => {
    const given = { family: takeFamily, inputs: [x] };
    await expectCopied({ ...given, attributes: { axis: 1, indices: [2, 0, 0, 1] } });
    await expectCopied({ ...given, attributes: { axis: 2, indices: [1, 2] } });
    expect(() => takeFamily.shape({ axis: 2, indices: [4] }, [[2, 3, 4]])).toThrow("element 4");
  });

  it("pads, with zeros or another constant", async () => {
    const attributes = { before: [0, 1, 0], after: [0, 0, 2], value: 7 };
    await expectCopied({ family: padFamily, attributes, inputs: [x] });
  });

  it("views the same values in another shape, the batch included", async () => {
    await expectCopied({ family: viewFamily, attributes: { shape: [6, 4] }, inputs: [x] });
    expect(() => viewFamily.shape({ shape: [5] }, [[2, 3]])).toThrow("6 elements, [5] needs 5");
  });

  it("repeats along axes of size 1", async () => {
    const inputs = [uniform([2, 1, 3], 1)];
    await expectCopied({ family: expandFamily, attributes: { shape: [2, 4, 3] }, inputs });
  });

  it("chooses rows of a table", async () => {
    const inputs = [uniform([5, 2], 1), valuesOf([2, 2], [4, 0, 1, 1])];
    await expectCopied({ family: gatherFamily, attributes: {}, inputs });
  });

  it("chooses between two values", async () => {
    const inputs = [valuesOf([2, 1], [1, 0]), uniform([2, 3], 1), valuesOf([], [9])];
    await expectCopied({ family: whereFamily, attributes: {}, inputs });
  });

  it("sorts downwards", async () => {
    await expectCopied({
      family: sortFamily,
      attributes: { axis: 1 },
      inputs: [uniform([2, 5], 3)],
    });
  });

  it("gives a stored or fixed tensor", async () => {
    const value = uniform([2, 3], 1);
    await expectCopied({
      family: weightFamily,
      attributes: { shape: [2, 3] },
      inputs: [],
      weights: { value },
    });
    await expectCopied({
      family: fillFamily,
      attributes: { shape: [2, 2], values: [1, 2, 3, 4] },
      inputs: [],
    });
    await expectCopied({
      family: fillFamily,
      attributes: { shape: [3], values: [0.5] },
      inputs: [],
    });
  });
});

describe("rounding to other types", () => {
  it.each(["float16", "bfloat16", "integer", "bool"] as const)(
    "%s agrees with its definition",
    async (to) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
            minLength: 1,
            maxLength: 40,
          }),
          async (values) => {
            const inputs = [valuesOf([values.length], values)];
            const given = { family: castFamily, attributes: { to }, inputs };
            const expected = [...judge(given)].map((value) => value + 0);
            expect([...(await runFamily(given)).data].map((value) => value + 0)).toEqual(expected);
          },
        ),
        { numRuns: 40 },
      );
    },
  );
});

describe("hashes", () => {
  it("of whole numbers of any length are the definition's, which is FarmHash's", async () => {
    const numbers = [0, 7, -3, 12, 999, -12345, 8388608, -16777216, 1234567, 33554432, 1e9, -2e12];
    const inputs = [valuesOf([numbers.length], numbers)];
    const given = { family: farmHashFamily, attributes: { bins: 1_000_003 }, inputs };
    expect([...(await runFamily(given)).data]).toEqual([...judge(given)]);
    // TensorFlow 2.21: tf.strings.to_hash_bucket_fast(["593", "449", "592"], 13).
    const known = {
      family: farmHashFamily,
      attributes: { bins: 13 },
      inputs: [valuesOf([3], [593, 449, 592])],
    };
    expect([...judge(known)]).toEqual([12, 3, 7]);
  });

  it("of several numbers are the definition's, which is TensorFlow's", async () => {
    const inputs = [valuesOf([3], [1, 4, 2]), valuesOf([3], [2, 5, 2])];
    const given = { family: crossHashFamily, attributes: { bins: 10 }, inputs };
    expect([...judge(given)]).toEqual([7, 2, 1]);
    expect([...(await runFamily(given)).data]).toEqual([7, 2, 1]);
  });
});
