import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { distance, roundingApart } from "../../../src/conformance/keras/agreement.js";
import {
  fmix32,
  formulaWeights,
  samplePositions,
  uniform,
} from "../../../src/conformance/keras/formula.js";
import { kerasSuite } from "../../../src/conformance/keras/keras-suite.js";
import { modelInWords } from "../../../src/conformance/keras/model-in-words.js";
import { readNpz, writeNpz } from "../../../src/formats/npy/npz.js";

describe("the suite's generator", () => {
  it("gives the values of its description", () => {
    expect([0, 1, 0xdeadbeef].map(fmix32)).toEqual([0, 0x514e28b7, 0x0de5c6a9]);
    expect([0, 1, 2, 3].map((k) => uniform(k, 101))).toEqual([
      0.9462756514549255, 0.3957899808883667, 0.11131453514099121, 0.8213741183280945,
    ]);
    const layout = [["conv/kernel", "kernel", [3, 3, 3, 16], 27, 1.2]] as const;
    expect([...formulaWeights(layout, 205).subarray(0, 3)]).toEqual(
      [-0.24339325726032257, -0.5060938000679016, -0.5308934450149536].map(Math.fround),
    );
  });

  it("samples positions within the layer", () => {
    expect(samplePositions(3, 10, 50).every((at) => at >= 0 && at < 10)).toBe(true);
    expect(samplePositions(0, 2 ** 30, 1)).toEqual([fmix32(0x9e3779b9) % 2 ** 30]);
  });
});

describe("agreement", () => {
  const rule = { relative: 1e-5, absolute: 0, relativeTo: "tap" } as const;

  it("is measured against the tap's largest value, or each element's", () => {
    expect(distance([100, 1.001], [100, 1], rule)).toBeCloseTo(1, 5);
    expect(distance([100, 1.001], [100, 1], { ...rule, relativeTo: "element" })).toBeCloseTo(
      100,
      3,
    );
    expect(distance([1.5], [1], { ...rule, absolute: 0.5 })).toBe(1);
  });

  it("wants NaN and infinities at the same places", () => {
    expect(
      distance(
        [Number.NaN, Number.POSITIVE_INFINITY],
        [Number.NaN, Number.POSITIVE_INFINITY],
        rule,
      ),
    ).toBe(0);
    expect(distance([Number.NaN], [1], rule)).toBe(Number.POSITIVE_INFINITY);
    expect(distance([1], [Number.POSITIVE_INFINITY], rule)).toBe(Number.POSITIVE_INFINITY);
    expect(distance([1, 2], [1], rule)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("libraries that are apart by rounding", () => {
  const disagrees = [
    { oracle: "keras3-torch", differs: [{ tap: "layer", maxAbs: 0.05 }] },
    { oracle: "keras2", differs: [{ tap: "layer", maxAbs: 0.3 }] },
  ];
  const manifest = { disagrees } as unknown as Parameters<typeof roundingApart>[0];

  it("allow their distance where the layer's own rounding is as large", () => {
    expect(roundingApart(manifest, "layer", Float32Array.of(0.01, 0.2))).toBe(0.05);
  });

  it("allow nothing where they follow other rules, in other taps, or without bounds", () => {
    expect(roundingApart(manifest, "layer", Float32Array.of(1e-6, 2e-6))).toBe(0);
    expect(roundingApart(manifest, "other", Float32Array.of(1))).toBe(0);
    expect(roundingApart(manifest, "layer", undefined)).toBe(0);
  });
});

describe("a model in words", () => {
  it("becomes a Sequential", () => {
    expect(modelInWords("model: Input(5,3), LSTM(4, return_sequences=True)")).toEqual({
      class_name: "Sequential",
      config: {
        name: "sequential",
        layers: [
          { class_name: "InputLayer", config: { name: "input", batch_input_shape: [null, 5, 3] } },
          { class_name: "LSTM", config: { name: "lstm", units: 4, return_sequences: true } },
        ],
      },
    });
    expect(modelInWords("no library loads the file as it is")).toBeUndefined();
    expect(modelInWords("model: Secret(3)")).toBeUndefined();
  });
});

const shared = process.env["DIFFTEST_SHARED"];
const suite = join(shared ?? "", "keras-conformance");

/** All results of the cases whose id contains a text. */
async function resultsOf(directory: string, only: string) {
  const results = [];
  for await (const result of kerasSuite.run(directory, { only })) results.push(result);
  return results;
}

describe.skipIf(shared === undefined)(
  "what Keras computed (skipped: DIFFTEST_SHARED does not name the folder of the suites)",
  () => {
    it("claims its folder, and no other suite's", () => {
      expect(kerasSuite.claims(suite)).toBe(true);
      for (const other of ["darknet-conformance", "models-conformance"]) {
        expect(kerasSuite.claims(join(shared ?? "", other)), other).toBe(false);
      }
    });

    // One case of each kind of reading; the whole suite runs by `npm run conformance`.
    it.each([
      "dense-relu",
      "conv2d-same-k4x3-s2",
      "convlstm2d-padsame-dil2",
      "gru-stateful",
      "mask-two-concat-lstm",
      "mha-mask",
      "resizing-lanczos3-down",
      "file-dtype-bfloat16",
      "file-weights-order-reversed",
      "file-cudnn-lstm",
      "bad-keras-traversal",
      "model-mobilenetv3small",
    ])(
      "agrees on %s, from every file of the case",
      async (only) => {
        const results = await resultsOf(suite, only);
        expect(results.length).toBeGreaterThan(0);
        for (const result of results)
          expect(result, result.detail).toMatchObject({ status: "passed" });
      },
      60_000,
    );

    it("tells apart what agrees by an allowance of ours and not by the suite's rule", async () => {
      const judged = async (only: string) =>
        (await resultsOf(suite, only)).map(({ id, status, beyondRule }) => [
          id,
          status,
          beyondRule,
        ]);
      const beyond = expect.stringMatching(
        /^layer: [\d.e+]+ times the tolerance; the library's own backends are 0\.049 apart/,
      );
      expect(await judged("ln-tiny-variance")).toEqual([
        ["ln-tiny-variance:model.keras", "passed", beyond],
        ["ln-tiny-variance:model.h5", "passed", beyond],
      ]);
      expect(await judged("ln-large-eps")).toEqual([
        ["ln-large-eps:model.keras", "passed", undefined],
        ["ln-large-eps:model.h5", "passed", undefined],
      ]);
    });

    it("counts what it cannot judge as not covered", async () => {
      for (const only of ["loss-mse-1d", "jpeg-1x1", "metric-mse"]) {
        const [result] = await resultsOf(suite, only);
        expect(result?.status).toBe("not covered");
      }
    });

    it("finds a planted fault: one recorded value changed by 1e-4 of the largest", async () => {
      const folder = mkdtempSync(join(tmpdir(), "planted-"));
      const planted = join(folder, "cases", "dense-relu");
      cpSync(join(suite, "cases", "dense-relu"), planted, { recursive: true });
      const path = join(planted, "expected.npz");
      const arrays = readNpz(readFileSync(path), path);
      const [name, expected] = [...arrays][0] ?? [];
      if (name === undefined || expected?.dtype !== "float32")
        throw new Error("no recorded values");
      const data = Float32Array.from(expected.data);
      const largest = Math.max(1, ...data.map(Math.abs));
      data[0] = (data[0] ?? 0) + 1e-4 * largest;
      arrays.set(name, { ...expected, data });
      writeFileSync(path, writeNpz(arrays));
      const results = await resultsOf(folder, "dense-relu");
      expect(results.map(({ status }) => status)).toEqual(["failed", "failed"]);
      expect(results[0]?.detail).toMatch(/layer: \d+\.?\d* times the tolerance/);
    });
  },
);
