import { describe, expect, it } from "vitest";
import { comparePlain } from "../../src/compare/compare-plain.js";
import { compareTensors, type TensorVerdict } from "../../src/compare/compare-tensors.js";
import { compareWasm } from "../../src/compare/compare-wasm.js";
import { compareTolerance } from "../../src/compare/tolerance.js";
import { transpose } from "../../src/tensor/layout.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { numbers } from "./laws.js";

/** Normal values of a shape, by the sum of twelve. */
function normal(seed: number, shape: readonly number[]): Tensor {
  const random = numbers(seed);
  const one = () => {
    let sum = -6;
    for (let k = 0; k < 12; k++) sum += random();
    return sum;
  };
  return tensor(shape, Float32Array.from({ length: sizeOf(shape) }, one));
}

const map = (x: Tensor, change: (value: number, i: number) => number): Tensor =>
  tensor(x.shape, x.data.map(change));

/** The bound rounding gives elements of order one: far below any of these faults. */
function verdict(actual: Tensor, expected: Tensor): TensorVerdict {
  const bound = expected.data.map((e) => 1e-5 * Math.max(1, Math.abs(e)));
  const results = [comparePlain, compareWasm].map((compare) =>
    compareTensors(actual, expected, compare, { bound }),
  );
  expect(results[0]?.kind).toBe(results[1]?.kind);
  return results[0] as TensorVerdict;
}

const shuffled = (x: Tensor): Tensor => {
  const random = numbers(9);
  const data = x.data.slice();
  for (let i = data.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [data[i], data[j]] = [data[j] as number, data[i] as number];
  }
  return tensor(x.shape, data);
};

describe("a wrong port that passes elsewhere fails here", () => {
  const map26 = normal(1, [1, 16, 26, 26]);

  it("height and width swapped, though the means are equal (PaDiff's default)", () => {
    const swapped = { ...transpose(map26, [0, 1, 3, 2]), shape: map26.shape };
    const result = verdict(swapped, map26);
    expect(result.kind).toBe("differs");
    expect(result.kind === "differs" && result.metrics.maxAbs).toBeGreaterThan(4);
  });

  it("all values shuffled, though the means are equal (PaDiff's default)", () => {
    expect(verdict(shuffled(map26), map26).kind).toBe("differs");
  });

  it("NaN where a number was due (reprod_log's mean)", () => {
    const ones = map(map26, () => 1);
    expect(
      verdict(
        map(ones, (v, i) => (i === 77 ? Number.NaN : v)),
        ones,
      ).kind,
    ).toBe("non-finite");
    expect(
      verdict(
        map(ones, () => Number.NaN),
        ones,
      ).kind,
    ).toBe("non-finite");
  });

  it("NaN on both sides: nothing proves the port right", () => {
    const both = map(map26, (v, i) => (i === 5 ? Number.NaN : v));
    expect(verdict(both, both).kind).toBe("non-finite");
  });

  it("shape (4, 3) against (1, 3) (reprod_log broadcasts)", () => {
    const rows = tensor([4, 3], new Float32Array(12));
    const row = tensor([1, 3], new Float32Array(3));
    expect(verdict(rows, row)).toEqual({ kind: "shape", actual: [4, 3], expected: [1, 3] });
    expect(() => comparePlain(rows.data, row.data)).toThrow("12 values, expected 3");
  });

  it("one of a million elements off by 0.9 (reprod_log's mean)", () => {
    const expected = normal(2, [1_000_000]);
    const result = verdict(
      map(expected, (v, i) => (i === 654_321 ? v + 0.9 : v)),
      expected,
    );
    expect(result).toMatchObject({
      kind: "differs",
      metrics: { overBound: 1, ratioIndex: 654_321 },
    });
  });

  it("the same values in another shape (reprod_log transposes until they fit)", () => {
    const nhwc = transpose(map26, [0, 2, 3, 1]);
    expect(verdict(nhwc, map26).kind).toBe("shape");
  });

  it("noise of 0.5 beside one value of 1000 (MIGraphX divides by the maximum)", () => {
    const expected = map(normal(3, [100_000]), (v, i) => (i === 0 ? 1000 : v));
    const noise = normal(4, [100_000]);
    const actual = map(expected, (v, i) => v + 0.5 * (noise.data[i] as number));
    expect(verdict(actual, expected)).toMatchObject({ kind: "differs" });
    const { over } = compareTolerance(actual.data, expected.data, { atol: 1e-3, rtol: 1e-3 });
    expect(over).toBeGreaterThan(90_000);
  });

  it("values twice as large in a million elements (JAX multiplies its tolerance by their number)", () => {
    const expected = new Float32Array(1_000_000).fill(1);
    const { over } = compareTolerance(new Float32Array(1_000_000).fill(1.9), expected, {
      atol: 0,
      rtol: 1e-6,
    });
    expect(over).toBe(1_000_000);
  });

  it("(NaN, +Infinity) against (+Infinity, -Infinity) (tfjs expectArraysClose)", () => {
    const actual = tensor([2], Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY));
    const expected = tensor(
      [2],
      Float32Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    );
    expect(verdict(actual, expected)).toMatchObject({
      kind: "non-finite",
      metrics: { nonFiniteMismatch: 2 },
    });
    const wide = { atol: 1e9, rtol: 1 };
    expect(compareTolerance(actual.data, expected.data, wide).over).toBe(2);
  });

  it("axes 1 and 2 swapped in (1, 8, 8, 8) (onnx2tf takes any permutation that fits)", () => {
    const cube = normal(5, [1, 8, 8, 8]);
    expect(verdict(transpose(cube, [0, 2, 1, 3]), cube).kind).toBe("differs");
  });

  it("as wrong as the other wrong one (CRADLE's distance of two errors)", () => {
    const expected = normal(6, [100]);
    const wrong = map(expected, (v) => v + 1);
    expect(verdict(wrong, expected).kind).toBe("differs");
  });

  it("values scaled by three, correlation and cosine 1 (PCC)", () => {
    const result = verdict(
      map(map26, (v) => 3 * v),
      map26,
    );
    expect(result).toMatchObject({ kind: "differs", metrics: { overBound: expect.any(Number) } });
    expect(result.kind === "differs" && result.metrics.cosine).toBeCloseTo(1, 6);
  });

  it("1e-6 where 1e-3 was due, among many tiny values (Polygraphy: absolute or relative)", () => {
    const expected = tensor([1000], new Float32Array(1000).fill(1e-7).with(400, 1e-3));
    const actual = tensor([1000], expected.data.with(400, 1e-6));
    const bound = expected.data.map((e) => 1e-6 * Math.abs(e));
    for (const compare of [comparePlain, compareWasm]) {
      const result = compareTensors(actual, expected, compare, { bound });
      expect(result).toMatchObject({ kind: "differs", metrics: { ratioIndex: 400, overBound: 1 } });
    }
  });

  it("NaN, where the test is `diff >= tol` (llm.c)", () => {
    const result = compareTolerance(Float32Array.of(Number.NaN), Float32Array.of(1), {
      atol: 1e9,
      rtol: 0,
    });
    expect(result).toEqual({ count: 1, over: 1, ratio: Number.POSITIVE_INFINITY, ratioIndex: 0 });
  });

  it("nothing compared at all (unmatched outputs are skipped in Polygraphy)", () => {
    const empty = tensor([0, 3], new Float32Array(0));
    expect(verdict(empty, empty)).toEqual({ kind: "empty" });
  });
});
