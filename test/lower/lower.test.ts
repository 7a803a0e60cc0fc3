import { describe, expect, it } from "vitest";
import { decodeModel } from "../../src/formats/onnx/schema.js";
import { boundFeedName, type LowerBounds, lower } from "../../src/lower/lower.js";
import { convertLayout } from "../../src/tensor/layout.js";
import { tensor } from "../../src/tensor/tensor.js";
import { modelOf, noise, run } from "../operators/harness.js";

const conv = (filters: number) => ({
  filters,
  kernel: [3, 3] as const,
  strides: [1, 1] as const,
  pads: { top: 1, left: 1, bottom: 1, right: 1 },
  dilations: [1, 1] as const,
  groups: 1,
  sampling: "grid" as const,
});
const leaky = { function: "leaky" as const, parameters: { slope: 0.1 } };

/** Two convolutions with an activation each. */
const model = modelOf({ input: [1, 3, 5, 4] }, [
  {
    id: "conv_0/conv",
    kind: "conv",
    attributes: conv(4),
    weights: { kernel: noise([4, 3, 3, 3], 1) },
  },
  { id: "conv_0", kind: "activation", attributes: leaky },
  {
    id: "conv_1/conv",
    kind: "conv",
    attributes: conv(2),
    weights: { kernel: noise([2, 4, 3, 3], 2) },
  },
  { id: "conv_1", kind: "activation", attributes: leaky },
]);
const { architecture } = model;
const input = noise([1, 3, 5, 4], 3);
const bounds = (cut: readonly string[], ...taps: string[]): LowerBounds => ({
  mode: "trigger",
  cut: new Set(cut),
  functionError: () => ({ ulp: 4, absolute: 0 }),
  outputs: taps.map((tap) => ({ tap, name: `${tap}:bound` })),
});

describe("lower", () => {
  it("gives every tap asked for, in the layout asked for", async () => {
    const outputs = await run(model, { input }, [
      { tap: "conv_0", name: "conv_0" },
      { tap: "conv_0", name: "channels last", layout: "nhwc" },
      { tap: "conv_1", name: "conv_1", layout: "nhwc" },
      { tap: "input", name: "input", layout: "nhwc" },
    ]);
    expect(outputs["channels last"]).toEqual(
      convertLayout(outputs["conv_0"] ?? input, "nchw", "nhwc"),
    );
    expect(outputs["conv_1"]?.shape).toEqual([1, 5, 4, 2]);
  });

  it("names a feed apart from an output of the same name", () => {
    const { feeds } = lower(architecture, {
      outputs: [{ tap: "input", name: "input", layout: "nhwc" }],
    });
    expect(feeds).toEqual([
      { kind: "input", tap: "input", name: "feed:input", shape: [1, 3, 5, 4] },
    ]);
  });

  it("cuts a model into segments that give the same bits", async () => {
    const whole = await run(model, { input }, [
      { tap: "conv_0/conv", name: "mid" },
      { tap: "conv_1", name: "end" },
    ]);
    const rest = await run(
      model,
      { "conv_0/conv": whole["mid"] ?? input },
      [{ tap: "conv_1", name: "end" }],
      { operations: ["conv_0", "conv_1/conv", "conv_1"] },
    );
    expect(rest["end"]).toEqual(whole["end"]);
  });

  it("holds only what the outputs need, and no weights", () => {
    const lowered = lower(architecture, { outputs: [{ tap: "conv_0", name: "conv_0" }] });
    const { graph, opset_import, ir_version } = decodeModel(lowered.model);
    expect(graph?.node?.map(({ op_type }) => op_type)).toEqual(["Conv", "LeakyRelu"]);
    expect(lowered.initializers).toEqual([{ location: "weight-0", weight: "conv_0/conv/kernel" }]);
    expect(lowered.model.length).toBeLessThan(1000);
    expect([ir_version, opset_import]).toMatchObject([8, [{ version: 17 }]]);
  });

  it("computes bounds of a tap from the taps before it", async () => {
    const outputs = [{ tap: "conv_1", name: "conv_1" }];
    const near = await run(model, { input }, outputs, {
      bounds: bounds(["conv_0", "conv_1"], "conv_0", "conv_1"),
    });
    const far = await run(model, { input }, outputs, { bounds: bounds([], "conv_0", "conv_1") });
    expect(near["conv_0:bound"]).toEqual(far["conv_0:bound"]);
    const [cut, uncut] = [near["conv_1:bound"]?.data ?? [], far["conv_1:bound"]?.data ?? []];
    expect(cut.length).toBe(40);
    expect(cut.every((bound, k) => bound > 0 && bound < (uncut[k] ?? 0))).toBe(true);
  });

  it("takes the bound of a value of an earlier segment as a feed unless it was cut", () => {
    const options = { operations: ["conv_1/conv"], outputs: [] };
    const open = lower(architecture, { ...options, bounds: bounds([], "conv_1/conv") });
    expect(open.feeds.map(({ name, kind }) => [name, kind])).toEqual([
      ["conv_0", "value"],
      [boundFeedName("conv_0"), "bound"],
    ]);
    const cut = lower(architecture, { ...options, bounds: bounds(["conv_0"], "conv_1/conv") });
    expect(cut.feeds.map(({ name }) => name)).toEqual(["conv_0"]);
  });

  it("says which bounds are zero because nothing rounds", () => {
    const relu = modelOf({ input: [1, 3] }, [
      { id: "relu_0", kind: "activation", attributes: { function: "relu", parameters: {} } },
    ]);
    const lowered = lower(relu.architecture, { outputs: [], bounds: bounds([], "relu_0") });
    expect(lowered.exact).toEqual(["relu_0:bound"]);
    expect(lowered.outputs).toEqual([]);
  });

  it("makes a state a feed and tells where its next value comes from", async () => {
    const recurrent = modelOf({ input: [1, 2] }, [
      {
        id: "rnn_0/state",
        kind: "state",
        inputs: [],
        attributes: { shape: [1, 2], next: "rnn_0" },
      },
      { id: "rnn_0", kind: "merge", inputs: ["input", "rnn_0/state"], attributes: { mode: "add" } },
    ]);
    const outputs = [{ tap: "rnn_0", name: "rnn_0" }];
    const lowered = lower(recurrent.architecture, { outputs });
    expect(lowered.states).toEqual([{ feed: "rnn_0/state", next: "rnn_0" }]);
    const one = tensor([1, 2], Float32Array.of(1, 2));
    const first = await run(recurrent, { input: one }, outputs);
    const second = await run(
      recurrent,
      { input: one, "rnn_0/state": first["rnn_0"] ?? one },
      outputs,
    );
    expect([...(second["rnn_0"]?.data ?? [])]).toEqual([2, 4]);
  });

  it("refuses what does not exist", () => {
    const asking = (tap: string) => () => lower(architecture, { outputs: [{ tap, name: "x" }] });
    expect(asking("conv_7")).toThrow("there is no operation conv_7");
    expect(() => lower(architecture, { operations: ["nope"], outputs: [] })).toThrow(
      "there is no operation nope",
    );
    const twice = [
      { tap: "conv_0", name: "x" },
      { tap: "conv_1", name: "x" },
    ];
    expect(() => lower(architecture, { outputs: twice })).toThrow("the same name");
    const outside = { operations: ["conv_0"], outputs: [], bounds: bounds([], "conv_1") };
    expect(() => lower(architecture, outside)).toThrow("conv_1 is not computed here");
  });
});
