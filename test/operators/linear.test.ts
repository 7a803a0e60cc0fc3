import { describe, expect, it } from "vitest";
import type { LowerBounds } from "../../src/lower/lower.js";
import { judgeOf } from "../../src/operators/evaluate.js";
import { TRIGGER_FACTOR } from "../../src/operators/rounding.js";
import { indexOf, type Tensor } from "../../src/tensor/tensor.js";
import { type Model, modelOf, noise, type OperationDraft, run } from "./harness.js";

const square = (n: number) => ({ top: n, left: n, bottom: n, right: n });
const conv = {
  filters: 4,
  kernel: [3, 3],
  strides: [1, 1],
  pads: square(1),
  dilations: [1, 1],
  groups: 1,
  sampling: "grid",
} as const;

type Case = readonly [title: string, input: readonly number[], draft: Omit<OperationDraft, "id">];
const conv2d = (
  title: string,
  input: readonly number[],
  changes: Partial<Omit<typeof conv, "pads">> | object,
  kernel: readonly number[],
  bias = true,
): Case => {
  const attributes = { ...conv, ...changes };
  const weights = {
    kernel: noise(kernel, 5),
    ...(bias ? { bias: noise([attributes.filters], 6) } : {}),
  };
  return [title, input, { kind: "conv", attributes, weights }];
};

const transposed = { ...conv, strides: [2, 2], outputPadding: [0, 0] } as const;
const CASES: readonly Case[] = [
  conv2d("3×3 with bias", [2, 3, 5, 4], {}, [4, 3, 3, 3]),
  conv2d("without bias", [1, 3, 5, 4], {}, [4, 3, 3, 3], false),
  conv2d(
    "strides and asymmetric pads",
    [1, 2, 7, 6],
    { strides: [2, 3], pads: { top: 0, left: 2, bottom: 1, right: 3 } },
    [4, 2, 3, 3],
  ),
  conv2d("groups", [1, 4, 5, 5], { groups: 2 }, [4, 2, 3, 3]),
  conv2d("depthwise with a multiplier", [1, 2, 5, 5], { groups: 2 }, [4, 1, 3, 3]),
  conv2d(
    "dilation without its padding",
    [1, 2, 6, 6],
    { dilations: [2, 2], pads: square(0) },
    [4, 2, 3, 3],
  ),
  conv2d(
    "negative pads",
    [1, 2, 6, 7],
    { pads: { top: -1, left: 1, bottom: 2, right: -2 } },
    [4, 2, 3, 3],
  ),
  conv2d(
    "contiguous pixels",
    [2, 3, 4, 4],
    { kernel: [1, 1], strides: [2, 2], pads: square(0), sampling: "contiguous" },
    [4, 3, 1, 1],
  ),
  conv2d(
    "contiguous pixels in groups",
    [1, 4, 5, 4],
    { kernel: [1, 1], strides: [2, 2], pads: square(0), groups: 2, sampling: "contiguous" },
    [4, 2, 1, 1],
  ),
  [
    "transposed",
    [2, 3, 4, 3],
    {
      kind: "conv-transpose",
      attributes: { ...transposed, outputPadding: [1, 0] },
      weights: { kernel: noise([3, 4, 3, 3], 5), bias: noise([4], 6) },
    },
  ],
  [
    "transposed, groups and dilation",
    [1, 4, 4, 3],
    {
      kind: "conv-transpose",
      attributes: { ...transposed, groups: 2, dilations: [2, 1] },
      weights: { kernel: noise([4, 2, 3, 3], 5) },
    },
  ],
  [
    "transposed, enlarged",
    [1, 3, 4, 3],
    {
      kind: "conv-transpose",
      attributes: { ...transposed, pads: { top: -1, left: 0, bottom: 1, right: -2 } },
      weights: { kernel: noise([3, 4, 3, 3], 5), bias: noise([4], 6) },
    },
  ],
  [
    "dense on a map",
    [2, 3, 4, 5],
    {
      kind: "dense",
      attributes: { units: 7 },
      weights: { kernel: noise([7, 60], 5), bias: noise([7], 6) },
    },
  ],
  [
    "dense on a row",
    [2, 9],
    { kind: "dense", attributes: { units: 3 }, weights: { kernel: noise([3, 9], 5) } },
  ],
  [
    "local with padding",
    [2, 3, 5, 6],
    {
      kind: "local",
      attributes: {
        filters: 2,
        kernel: [3, 3],
        strides: [2, 1],
        pads: { top: 1, left: 1, bottom: 1, right: 0 },
      },
      weights: { kernel: noise([3 * 5, 2, 27], 5), bias: noise([2, 3, 5], 6) },
    },
  ],
  [
    "local without bias",
    [1, 2, 4, 4],
    {
      kind: "local",
      attributes: { filters: 2, kernel: [2, 2], strides: [2, 2], pads: square(0) },
      weights: { kernel: noise([4, 2, 8], 5) },
    },
  ],
  [
    "blur with reflection",
    [1, 3, 6, 5],
    {
      kind: "blur",
      attributes: {
        kernel: [
          [1 / 16, 1 / 8, 1 / 16],
          [1 / 8, 1 / 4, 1 / 8],
          [1 / 16, 1 / 8, 1 / 16],
        ],
        strides: [2, 3],
        pad: 1,
        padMode: "reflect",
      },
    },
  ],
  [
    "blur with zeros",
    [1, 2, 5, 5],
    {
      kind: "blur",
      attributes: {
        kernel: [
          [0.25, 0.25],
          [0.25, 0.3],
        ],
        strides: [1, 1],
        pad: 1,
        padMode: "zero",
      },
    },
  ],
];

const functionError = () => ({ ulp: 4, absolute: 0 });
const boundsOf = (mode: LowerBounds["mode"], tap = "y"): LowerBounds => ({
  mode,
  cut: new Set(),
  functionError,
  outputs: [{ tap, name: "bound" }],
});

/** Every element of a tap by the judge, in float64. */
function exact(model: Model, known: Readonly<Record<string, Tensor>>, tap: string): number[] {
  const judge = judgeOf({
    architecture: model.architecture,
    known: (id) => known[id],
    weights: (name) => (model.weights.get(name) as Tensor).data,
  });
  const { shape } = model.architecture.operations.find(({ id }) => id === tap) ?? { shape: [] };
  const size = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: size }, (_, k) => judge(tap, indexOf(k, shape)) as number);
}

describe.each(CASES)("%s", (_, shape, draft) => {
  const model = modelOf({ input: shape }, [{ id: "y", ...draft } as OperationDraft]);
  const input = noise(shape, 9);

  it("lowers to what its definition says, within its trigger bound", async () => {
    const { y, bound } = await run(model, { input }, [{ tap: "y", name: "y" }], {
      bounds: boundsOf("trigger"),
    });
    const expected = exact(model, { input }, "y");
    expect(expected.length).toBe(y?.data.length);
    const excess = expected.map(
      (e, k) => Math.abs(e - (y?.data[k] as number)) - TRIGGER_FACTOR * (bound?.data[k] as number),
    );
    expect(Math.max(...excess)).toBeLessThanOrEqual(0);
    // Tight: the bound is rounding, not a tolerance.
    const relative = expected.map((e, k) => (bound?.data[k] as number) / Math.max(Math.abs(e), 1));
    expect(Math.max(...relative)).toBeLessThan(1e-4);
  });

  it("has a hard bound above its trigger bound", async () => {
    const trigger = await run(model, { input }, [], { bounds: boundsOf("trigger") });
    const hard = await run(model, { input }, [], { bounds: boundsOf("hard") });
    const below = trigger["bound"]?.data.filter((t, k) => t > (hard["bound"]?.data[k] ?? 0));
    expect(below).toEqual(new Float32Array(0));
  });

  it("passes the bound of its input on: a shifted input stays within it", async () => {
    // The input is itself a value with a bound: a leaky activation, exact but for one rounding.
    const chain = modelOf({ input: shape }, [
      {
        id: "x",
        kind: "activation",
        attributes: { function: "leaky", parameters: { slope: 0.1 } },
      },
      { id: "y", ...draft } as OperationDraft,
    ]);
    const outputs = [
      { tap: "x", name: "x" },
      { tap: "y", name: "y" },
    ];
    const clean = await run(chain, { input }, outputs, { bounds: boundsOf("hard") });
    const x = clean["x"] as Tensor;
    const shifted = { ...x, data: x.data.map((v, k) => v * (1 + (k % 2 ? 1 : -1) * 2 ** -24)) };
    const moved = await run(chain, { x: shifted }, [{ tap: "y", name: "y" }], {
      operations: ["y"],
    });
    const over = moved["y"]?.data.filter(
      (v, k) => Math.abs(v - (clean["y"]?.data[k] ?? 0)) > (clean["bound"]?.data[k] ?? 0),
    );
    expect(over).toEqual(new Float32Array(0));
  });
});

describe("shapes", () => {
  const shapeOf = (draft: Omit<OperationDraft, "id">, input: readonly number[]) => () =>
    modelOf({ input }, [{ id: "y", ...draft } as OperationDraft]).architecture.operations[0]?.shape;

  it("follow the attributes", () => {
    expect(
      shapeOf({ kind: "conv", attributes: { ...conv, strides: [2, 2] } }, [1, 3, 13, 8])(),
    ).toEqual([1, 4, 7, 4]);
    expect(shapeOf({ kind: "conv-transpose", attributes: transposed }, [1, 3, 4, 4])()).toEqual([
      1, 4, 7, 7,
    ]);
  });

  it("are refused when the inputs do not fit", () => {
    const groups = { kind: "conv", attributes: { ...conv, groups: 2 } } as const;
    expect(shapeOf(groups, [1, 3, 5, 5])).toThrow(
      "2 groups do not divide 3 channels and 4 filters",
    );
    const large = { kind: "conv", attributes: { ...conv, kernel: [9, 9] as const } } as const;
    expect(shapeOf(large, [1, 3, 5, 5])).toThrow("a kernel of 9 (dilation 1) does not fit into 7");
    expect(shapeOf({ kind: "conv", attributes: conv }, [1, 3, 5])).toThrow(RangeError);
    const contiguous = { ...conv, sampling: "contiguous" as const };
    expect(shapeOf({ kind: "conv", attributes: contiguous }, [1, 3, 5, 5])).toThrow("1x1 kernel");
  });
});
