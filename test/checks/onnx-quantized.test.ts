import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { writeNpy } from "../../src/formats/npy/npy-writer.js";
import { ONNX_TYPE, type TensorProto } from "../../src/formats/onnx/schema.js";
import { tensor } from "../../src/tensor/tensor.js";
import { floats, node, onnxBytes, value } from "../formats/onnx/write-model.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-quantized-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  delete process.env["DIFFTEST_TEST_MISTAKE"];
});

const bytes = (
  name: string,
  data_type: number,
  dims: number[],
  values: readonly number[],
): TensorProto => ({
  name,
  data_type,
  dims,
  raw_data: new Uint8Array(Int8Array.from(values).buffer),
});
const path = join(folder, "quantized.onnx");
/** Static with nodes around each step (QDQ), static in one node (QOperator), and dynamic; scales of W a channel. */
writeFileSync(
  path,
  onnxBytes({
    input: [value("x", [3, 4])],
    output: ["y_q", "direct", "sums"].map((name) => ({ name })),
    initializer: [
      bytes(
        "kernel",
        ONNX_TYPE.int8,
        [4, 5],
        Array.from({ length: 20 }, (_, k) => ((k * 53) % 200) - 100),
      ),
      floats("scales", [5], [0.01, 0.02, 0.005, 0.03, 0.015]),
      bytes("zeros", ONNX_TYPE.int8, [5], [0, 0, 0, 0, 0]),
      floats("x_scale", [], [0.02]),
      bytes("x_zero", ONNX_TYPE.uint8, [], [117]),
      floats("y_scale", [], [0.05]),
      bytes("y_zero", ONNX_TYPE.int8, [], [-3]),
      bytes("direct_zero", ONNX_TYPE.uint8, [], [9]),
    ],
    node: [
      node("QuantizeLinear", ["x", "x_scale", "x_zero"], "x_q"),
      node("DequantizeLinear", ["x_q", "x_scale", "x_zero"], "x_d"),
      node("DequantizeLinear", ["kernel", "scales", "zeros"], "kernel_d", { axis: 1 }),
      node("MatMul", ["x_d", "kernel_d"], "exact"),
      node("QuantizeLinear", ["exact", "y_scale", "y_zero"], "y_q"),
      node(
        "QLinearMatMul",
        ["x_q", "x_scale", "x_zero", "kernel", "scales", "zeros", "y_scale", "direct_zero"],
        "direct",
      ),
      node("DynamicQuantizeLinear", ["x"], ["dynamic", "dynamic_scale", "dynamic_zero"]),
      node("MatMulInteger", ["dynamic", "kernel", "dynamic_zero"], "sums"),
    ],
  }),
);
/** Halves of a step among them: 0.25 ÷ 0.02 is 12.5 but for rounding. */
const input = join(folder, "x.npy");
writeFileSync(
  input,
  writeNpy(
    tensor(
      [3, 4],
      Float32Array.of(0.25, -0.7, 1.11, 2.9, 0.031, -1.234, 0.55, 0, 0.77, 1.5, -2.2, 0.123),
    ),
  ),
);
const run = (mistakes = "", mode: "isolated" | "both" = "isolated") => {
  process.env["DIFFTEST_TEST_MISTAKE"] = mistakes;
  return layerByLayer({
    model: "test/checks/ports/onnx-quantized.ts",
    original: path,
    inputs: [input],
    mode,
  });
};

describe("a quantized ONNX model", () => {
  it("is compared as whole numbers, and what was compared is said", async () => {
    const { faults, taps, warnings } = await run();
    expect(faults).toEqual([]);
    expect(taps.map(({ id, basis }) => [id, basis])).toEqual([
      ["x_q", "trigger"],
      ["x_d", "trigger"],
      ["exact", "trigger"],
      ["y_q", "trigger"],
      ["direct", "trigger"],
      ["dynamic", "trigger"],
      ["sums", "exact"],
    ]);
    expect(warnings.join()).toMatch(
      /5 of its \d+ values are quantized: .*equal, or one step apart/,
    );
  });

  it("may have a half rounded either way", async () => {
    const { faults, taps } = await run("away", "both");
    expect(faults).toEqual([]);
    expect(taps[0]).toMatchObject({ id: "x_q", maxAbs: 1, verdict: "same" });
  });

  it.each([
    ["no-zero", ["x_q", "y_q"]],
    ["per-tensor", ["exact", "direct"]],
    ["truncates", ["x_q", "y_q", "direct", "dynamic", "sums"]],
  ])("shows a planted fault: %s", async (mistake, places) => {
    const { faults } = await run(mistake);
    expect(faults.map(({ component, place }) => [component, place])).toEqual(
      places.map((place) => ["model", place]),
    );
  });
});
