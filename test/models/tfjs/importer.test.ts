import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../../src/checks/layer-by-layer.js";
import type { LayerByLayerResult } from "../../../src/checks/result.js";
import { keras2, keras3, type TestLayer, writeModel } from "./keras-models.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-tfjs-"));
afterAll(() => rmSync(folder, { recursive: true }));

let written = 0;

/** TensorFlow.js on a model with made-up weights. */
async function run(
  model: unknown,
  options: { readonly mode?: "isolated" | "both"; readonly inputs?: readonly string[] } = {},
): Promise<LayerByLayerResult> {
  written += 1;
  const original = writeModel(folder, `model-${written}`, model);
  return await layerByLayer({ model: "tfjs:", original, mode: "isolated", ...options });
}

const layer = (
  kind: string,
  config: TestLayer["config"] = {},
  ...calls: readonly (readonly string[])[]
): TestLayer => ({ name: kind.toLowerCase(), kind, config, calls });

const CONV = { filters: 4, kernel_size: [3, 3], padding: "same", activation: "relu" };
const NETWORK: readonly TestLayer[] = [
  { name: "conv", kind: "Conv2D", config: { ...CONV, strides: [2, 2] }, calls: [["input"]] },
  { name: "norm", kind: "BatchNormalization", config: { epsilon: 0.01 }, calls: [["conv"]] },
  { name: "leaky", kind: "LeakyReLU", config: {}, calls: [["norm"]] },
  { name: "twice", kind: "Conv2D", config: CONV, calls: [["leaky"], ["norm"]] },
  { name: "cat", kind: "Concatenate", config: { axis: -1 }, calls: [["twice:1", "twice:0"]] },
  { name: "pool", kind: "GlobalAveragePooling2D", calls: [["cat"]] },
  { name: "out", kind: "Dense", config: { units: 3, activation: "softmax" }, calls: [["pool"]] },
];

describe("TensorFlow.js' importer as a port", () => {
  it.each([
    ["Keras 2", keras2],
    ["Keras 3", keras3],
  ])("runs a model of %s, tap by tap, shared layers included, weights verified", async (_, of) => {
    const slope = of === keras2 ? { alpha: 0.2 } : { negative_slope: 0.2 };
    const layers = NETWORK.map((one) => (one.name === "leaky" ? { ...one, config: slope } : one));
    const result = await run(of([null, 9, 8, 3], layers), { mode: "both" });
    expect(result.faults).toEqual([]);
    expect(result.verdict).toBe("same");
    expect(result.coverage.taps).toEqual({ compared: 8, total: 8 });
    expect(result.coverage.weights).toEqual({ compared: 10, total: 10 });
    expect(result.taps.map(({ id }) => id)).toContain("twice#call1");
  });

  it("runs models inside models", async () => {
    const dense = { name: "first", kind: "Dense", config: { units: 4 }, calls: [["input"]] };
    const inner = keras2([null, 5], [dense]);
    const { config } = inner as { config: Record<string, unknown> };
    const block: TestLayer = {
      name: "block",
      kind: "Functional",
      config: { ...config, name: "block" },
      // A model was called once when it was made.
      calls: [["input"]],
    };
    const head = layer("Dense", { units: 2 }, ["block:1"]);
    const result = await run(keras2([null, 5], [block, head]));
    expect(result.verdict).toBe("same");
    expect(result.taps.map(({ id }) => id)).toEqual(["block/first", "block", "dense"]);
  });

  it("taps every result of a layer that has several", async () => {
    const recurrent_initializer = { class_name: "Orthogonal", config: {} };
    const config = { units: 3, return_sequences: true, return_state: true, recurrent_initializer };
    const result = await run(keras2([null, 4, 2], [layer("SimpleRNN", config, ["input"])]));
    expect(result.taps.map(({ id, verdict }) => [id, verdict]).sort()).toEqual([
      ["simplernn#out0", "same"],
      ["simplernn#out1", "same"],
    ]);
  });
});

/** What TensorFlow.js 4.22.0 does otherwise than Keras: docs/tfjs-importer.md lists the same. */
describe("faults of TensorFlow.js that difftest names", () => {
  it("ignores groups of a convolution: the kernel it wants is not that of the file", async () => {
    const result = await run(
      keras2([null, 6, 6, 4], [layer("Conv2D", { ...CONV, groups: 2 }, ["input"])]),
    );
    expect(result.faults).toMatchObject([{ component: "weights", place: "conv2d/kernel" }]);
    expect(result.faults[0]?.evidence).toContain("expects shape [3,3,4,4]");
  });

  it("does not import a GRU of Keras 2 or 3, whose default is reset_after", async () => {
    const gru = layer("GRU", { units: 3, reset_after: true }, ["input"]);
    await expect(run(keras2([null, 4, 2], [gru]))).rejects.toThrow(
      /TensorFlow.js does not import it: GRUCell does not support reset_after/,
    );
  });

  it("does not load two layers of one name in models inside each other", async () => {
    const inner = keras2([null, 5], [layer("Dense", { units: 4 }, ["input"])]);
    const { config } = inner as { config: Record<string, unknown> };
    const block: TestLayer = {
      name: "block",
      kind: "Functional",
      config: { ...config, name: "block" },
      calls: [["input"]],
    };
    const model = keras2([null, 5], [block, layer("Dense", { units: 2 }, ["block:1"])]);
    await expect(run(model)).rejects.toThrow(/Duplicate weight name: dense\/kernel/);
  });

  it("ignores the dilation of a depthwise convolution", async () => {
    const config = { kernel_size: [3, 3], dilation_rate: [2, 2], padding: "same" };
    const result = await run(
      keras2([null, 7, 7, 3], [layer("DepthwiseConv2D", config, ["input"])]),
    );
    expect(result.faults).toMatchObject([{ component: "model", place: "depthwiseconv2d" }]);
    expect(result.taps[0]).toMatchObject({ shape: [1, 7, 7, 3], verdict: "differs" });
  });

  it.each(["GlobalAveragePooling2D", "GlobalMaxPooling2D"])(
    "ignores keepdims of %s",
    async (kind) => {
      const result = await run(
        keras2([null, 4, 4, 3], [layer(kind, { keepdims: true }, ["input"])]),
      );
      expect(result.taps[0]).toMatchObject({ shape: [1, 1, 1, 3], verdict: "shape" });
      expect(result.faults[0]?.evidence).toContain("shape [1,3], expected [1,1,1,3]");
    },
  );

  it("does not resize in predict()", async () => {
    const resizing = layer("Resizing", { height: 6, width: 6 }, ["input"]);
    await expect(run(keras2([null, 4, 4, 3], [resizing]))).rejects.toThrow(
      /forward failed before its first tap/,
    );
  });

  it("combines masks that a recurrent layer then cannot use", async () => {
    const masking = (name: string): TestLayer => ({ name, kind: "Masking", calls: [["input"]] });
    const add = layer("Add", {}, ["first", "second"]);
    const recurrent_initializer = { class_name: "Orthogonal", config: {} };
    const lstm = layer("LSTM", { units: 3, recurrent_initializer }, ["add"]);
    const model = keras2([null, 6, 3], [masking("first"), masking("second"), add, lstm]);
    await expect(run(model)).rejects.toThrow(/Operands could not be broadcast together/);
  });

  it("upsamples with other bilinear weights", async () => {
    const config = { size: [2, 2], interpolation: "bilinear" };
    const result = await run(keras2([null, 3, 3, 3], [layer("UpSampling2D", config, ["input"])]));
    expect(result.faults).toMatchObject([{ component: "model", place: "upsampling2d" }]);
  });

  it("does not run a softmax over another axis than the last", async () => {
    const softmax = layer("Softmax", { axis: 1 }, ["input"]);
    await expect(run(keras2([null, 4, 3], [softmax]))).rejects.toThrow(
      /Softmax along a non-last dimension is not yet supported/,
    );
  });

  it("does not run a causal convolution", async () => {
    const conv = layer("Conv1D", { filters: 2, kernel_size: [3], padding: "causal" }, ["input"]);
    await expect(run(keras2([null, 5, 2], [conv]))).rejects.toThrow(/CAUSAL padding mode/);
  });

  it("knows fewer layers and activations than Keras 2", async () => {
    const group = layer("GroupNormalization", { groups: 2 }, ["input"]);
    await expect(run(keras2([null, 4, 4, 4], [group]))).rejects.toThrow(
      /TensorFlow.js does not import it: Unknown layer: GroupNormalization\.$/,
    );
    const act = layer("Activation", { activation: "exponential" }, ["input"]);
    await expect(run(keras2([null, 4], [act]))).rejects.toThrow(/Unknown activation: exponential/);
  });
});
