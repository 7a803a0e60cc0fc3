import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { floats, node, onnxBytes, value, wholes } from "../formats/onnx/write-model.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-operators-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  delete process.env["DIFFTEST_TEST_MISTAKE"];
});

/** One node each of the operators that a family of ours stands behind; nothing else depends on them. */
const nodes = [
  node("Conv", ["row", "kernel.row", "bias.4"], "conv_row", { pads: [1, 1] }),
  node("Conv", ["volume", "kernel.volume", "bias.2"], "conv_volume"),
  node("ConvTranspose", ["row", "kernel.spread"], "spread_row", { strides: [2] }),
  node("AveragePool", ["row"], "pooled_row", { kernel_shape: [3], pads: [1, 1] }),
  node("PRelu", ["map", "slope.column"], "unseen"),
  node("Sub", ["map", "middle"], "signed"),
  node("PRelu", ["signed", "slope.column"], "prelu"),
  node("GroupNormalization", ["map", "slope", "bias.4"], "group_norm", { num_groups: 2 }),
  node("InstanceNormalization", ["map", "slope", "bias.4"], "instance_norm"),
  node("Einsum", ["left", "right"], "scores", { equation: "bihd,bjhd->bhij" }),
  node("MatMul", ["left", "matrices"], "stacked"),
  node("Reshape", ["left", "flat"], "rows"),
  node("Gemm", ["rows", "square", "bias.4"], "gemm", { alpha: { float: 0.5 }, beta: { float: 2 } }),
  node("Resize", ["map", "", "scales"], "resized", {
    mode: "linear",
    coordinate_transformation_mode: "pytorch_half_pixel",
  }),
  node("LRN", ["map"], "lrn", { size: 3, alpha: { float: 0.3 }, beta: { float: 0.75 } }),
  node("ReduceL2", ["map", "last"], "norm"),
  node("LogSoftmax", ["time"], "log_softmax"),
  node("ReduceLogSumExp", ["left", "heads"], "reduced"),
  node("LSTM", ["time", "lstm.w", "lstm.r", "lstm.bias"], "lstm", { hidden_size: 3 }),
  node("GRU", ["time", "gru.w", "gru.r", "gru.bias"], "gru", {
    hidden_size: 3,
    linear_before_reset: 1,
  }),
];
const taps = nodes
  .flatMap(({ output = [] }) => output)
  .filter((name) => !["rows", "signed"].includes(name));
const recurrent = (name: string, gates: number) => [
  floats(`${name}.w`, [1, gates * 3, 4], { seed: 21 }),
  floats(`${name}.r`, [1, gates * 3, 3], { seed: 22 }),
  floats(`${name}.bias`, [1, gates * 6], { seed: 23 }),
];
const path = join(folder, "operators.onnx");
writeFileSync(
  path,
  onnxBytes(
    {
      input: [
        value("row", [2, 3, 9]),
        value("map", [2, 4, 5, 6]),
        value("volume", [1, 2, 4, 3, 5]),
        value("time", [5, 2, 4]),
        value("left", [2, 3, 2, 4]),
        value("right", [2, 3, 2, 4]),
      ],
      output: taps.map((name) => ({ name })),
      initializer: [
        floats("kernel.row", [4, 3, 3], { seed: 1 }),
        floats("kernel.volume", [2, 2, 2, 2, 3], { seed: 2 }),
        floats("kernel.spread", [3, 2, 3], { seed: 3 }),
        floats("bias.4", [4], { seed: 4 }),
        floats("bias.2", [2], { seed: 5 }),
        floats("slope", [4], { seed: 6, from: 0.1 }),
        floats("slope.column", [4, 1, 1], { seed: 6, from: 0.1 }),
        floats("matrices", [1, 3, 4, 5], { seed: 7 }),
        floats("square", [4, 4], { seed: 8 }),
        floats("middle", [], [0.5]),
        floats("scales", [4], [1, 1, 1, 2]),
        wholes("flat", [-1, 4]),
        wholes("last", [3]),
        wholes("heads", [2, 3]),
        ...recurrent("lstm", 4),
        ...recurrent("gru", 3),
      ],
      node: nodes,
    },
    { opset_import: [{ domain: "", version: 21 }] },
  ),
);
const run = () =>
  layerByLayer({
    model: "test/checks/ports/onnx-operators.ts",
    original: path,
    mode: "isolated",
  });

describe("a port of ONNX operators whose families are known", () => {
  it("is the same to within bounds that follow from their arithmetic", async () => {
    const result = await run();
    expect(result.faults).toEqual([]);
    expect(result.taps.map(({ id, basis }) => [id, basis])).toEqual(
      taps.map((id) => [id, "trigger"]),
    );
    const unseen = result.taps.filter(({ verdict }) => verdict === "not-exercised");
    expect(unseen.map(({ id }) => id)).toEqual(["unseen"]);
  });

  it.each([
    ["gain", taps],
    ["gates,reset,groups", ["group_norm", "lstm", "gru"]],
    [
      "padding,slope,epsilon,corners,alpha,axis",
      ["pooled_row", "prelu", "group_norm", "instance_norm", "resized", "lrn", "reduced"],
    ],
  ])("shows planted faults, and nothing else: %s", async (mistake, places) => {
    process.env["DIFFTEST_TEST_MISTAKE"] = mistake;
    const { faults } = await run();
    expect(faults.map(({ component, place }) => [component, place])).toEqual(
      places.map((place) => ["model", place]),
    );
  });
});
