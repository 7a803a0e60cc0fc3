import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import type { LayerByLayerOptions } from "../../src/checks/options.js";
import { floats, node, onnxBytes, value, wholes } from "../formats/onnx/write-model.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-onnx-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  delete process.env["DIFFTEST_TEST_MISTAKE"];
});
const write = (name: string, bytes: Uint8Array) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

/** Convolution, norm, leaky, a gate, mean, dense behind a Reshape whose sizes the graph computes, softmax. */
const cnn = write(
  "cnn.onnx",
  onnxBytes({
    input: [value("image", ["batch", 3, 8, 8])],
    output: [value("probabilities", ["batch", 5])],
    initializer: [
      floats("stem.kernel", [4, 3, 3, 3], { seed: 1 }),
      floats("stem.bias", [4], { seed: 2 }),
      floats("stem.scale", [4], { seed: 3, from: 0.5 }),
      floats("stem.shift", [4], { seed: 4 }),
      floats("stem.mean", [4], { seed: 5 }),
      floats("stem.variance", [4], { seed: 6, from: 0.2 }),
      floats("head.weight", [5, 4], { seed: 7 }),
      floats("head.bias", [5], { seed: 8 }),
      wholes("zero", [0]),
      wholes("minus", [-1]),
    ],
    node: [
      node("Conv", ["image", "stem.kernel", "stem.bias"], "stem/conv", {
        kernel_shape: [3, 3],
        pads: [1, 1, 1, 1],
      }),
      node(
        "BatchNormalization",
        ["stem/conv", "stem.scale", "stem.shift", "stem.mean", "stem.variance"],
        "stem/norm",
        { epsilon: { float: 1e-5 } },
      ),
      node("LeakyRelu", ["stem/norm"], "stem", { alpha: { float: 0.1 } }),
      node("Sigmoid", ["stem"], "gate"),
      node("Mul", ["stem", "gate"], "gated"),
      node("GlobalAveragePool", ["gated"], "pooled"),
      node("Shape", ["pooled"], "sizes"),
      node("Gather", ["sizes", "zero"], "batch"),
      node("Concat", ["batch", "minus"], "flat_sizes", { axis: 0 }),
      node("Reshape", ["pooled", "flat_sizes"], "flat"),
      node("Gemm", ["flat", "head.weight", "head.bias"], "logits", { transB: 1 }),
      node("Softmax", ["logits"], "probabilities", { axis: -1 }),
    ],
  }),
);
const run = (options: Partial<LayerByLayerOptions> = {}) =>
  layerByLayer({ model: "test/checks/ports/onnx-cnn.ts", original: cnn, ...options });

describe("an ONNX model as the original", () => {
  it("is run as it is, every value by the name that the file gives it", async () => {
    const result = await run();
    expect(result.faults).toEqual([]);
    expect(result.verdict).toBe("same");
    expect(result.weightsChecked).toBe("verified");
    expect(result.coverage.weights).toEqual({ compared: 8, total: 8 });
    expect(result.coverage.covered).toEqual(["flat"]);
    const bases = result.taps
      .filter(({ mode }) => mode === "isolated")
      .map(({ id, basis }) => [id, basis]);
    expect(bases).toEqual([
      ["stem/conv", "trigger"],
      ["stem/norm", "trigger"],
      ["stem", "trigger"],
      ["gate", "trigger"],
      ["gated", "trigger"],
      ["pooled", "trigger"],
      ["logits", "trigger"],
      ["probabilities", "trigger"],
    ]);
  });

  it.each([
    ["slope", "stem", /slope/],
    ["epsilon", "stem/norm", /epsilon/],
    ["transposed", "stem/conv", /height and width are exchanged/],
  ])("names a planted fault and its cause: %s", async (mistake, place, cause) => {
    process.env["DIFFTEST_TEST_MISTAKE"] = mistake;
    const result = await run({ batch: 2, inputs: ["random:3", "random:4"] });
    expect(result.verdict).toBe("differs");
    expect(result.faults.map((fault) => [fault.component, fault.place])).toEqual([
      ["model", place],
    ]);
    expect(result.faults[0]?.cause).toMatch(cause);
  });

  it("names a weight that is not the file's", async () => {
    process.env["DIFFTEST_TEST_MISTAKE"] = "bias";
    const { faults } = await run({ mode: "isolated" });
    expect(faults.map(({ component, place }) => [component, place])).toEqual([
      ["weights", "stem.bias"],
      ["model", "stem/conv"],
    ]);
  });
});
