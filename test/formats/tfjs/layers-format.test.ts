import { describe, expect, it } from "vitest";
import { readModelConfig } from "../../../src/formats/keras/config.js";
import type { Json, JsonObject } from "../../../src/formats/keras/config-types.js";
import { blankInitializers, layersFormat } from "../../../src/formats/tfjs/layers-format.js";
import { keras3, type TestLayer } from "../../models/tfjs/keras-models.js";

const INPUT = [null, 4, 2];

function translated(layers: readonly TestLayer[]): { config: { layers: readonly JsonObject[] } } {
  const model = readModelConfig(keras3(INPUT, layers) as Json, 3, "model.keras");
  return layersFormat(model, "model.keras") as never;
}

const one = (kind: string, config: TestLayer["config"] = {}): TestLayer[] => [
  { name: "one", kind, config, calls: [["input"]] },
];

describe("a Keras 3 model in TensorFlow.js' words", () => {
  it("keeps what a layer computes and drops how it is trained", () => {
    const kernel_initializer = {
      module: "keras.initializers",
      class_name: "HeNormalV9",
      config: {},
    };
    const [input, dense] = translated(
      one("Dense", {
        units: 3,
        activation: "relu",
        kernel_initializer,
        kernel_regularizer: { class_name: "L2", config: { l2: 0.1 } },
        quantization_config: null,
      }),
    ).config.layers;
    expect(input?.["config"]).toMatchObject({ batch_input_shape: INPUT });
    expect(dense?.["config"]).toEqual({
      name: "one",
      trainable: true,
      dtype: "float32",
      units: 3,
      activation: "relu",
      kernel_initializer: { class_name: "Zeros", config: {} },
      kernel_regularizer: null,
    });
    expect(dense?.["inbound_nodes"]).toEqual([[["input", 0, 0, {}]]]);
  });

  it("translates layers inside layers", () => {
    const cell = {
      module: "keras.layers",
      class_name: "LSTM",
      config: { name: "l", units: 2, seed: 1 },
    };
    const [, bidirectional] = translated(one("Bidirectional", { layer: cell })).config.layers;
    expect(bidirectional?.["config"]).toMatchObject({
      layer: { class_name: "LSTM", config: { name: "l", units: 2 } },
    });
  });

  it.each([
    ["Dense", { units: 2, lora_rank: 4 }, /"one" \(Dense\) has lora_rank 4/],
    ["LSTM", { units: 2, recurrent_activation: "hard_sigmoid" }, /another function in Keras 3/],
    ["Dense", { units: 2, dtype: "float16" }, /computes in "float16"/],
    ["Activation", { activation: { class_name: "ReLU", config: {} } }, /settings of its own/],
    ["LayerNormalization", { rms_scaling: true }, /has rms_scaling true/],
  ])("refuses by name what %s cannot say there", (kind, config, message) => {
    expect(() => translated(one(kind, config))).toThrow(message);
  });

  it("refuses operations and tensors beside the first argument", () => {
    const model = keras3(INPUT, one("NotEqual")) as { config: { layers: Record<string, Json>[] } };
    const layer = model.config.layers[1] as Record<string, Json>;
    const read = () =>
      layersFormat(readModelConfig(model as unknown as Json, 3, "m.keras"), "m.keras");
    layer["module"] = "keras.src.ops.numpy";
    expect(read).toThrow(/m.keras: layer "one" \(NotEqual\) is an operation of keras.ops/);
    layer["module"] = "keras.layers";
    const [node] = layer["inbound_nodes"] as unknown as [{ args: Json[]; kwargs: Json }];
    const [tensor = null] = node.args;
    node.kwargs = { mask: tensor };
    expect(read).toThrow(/is called with a tensor as mask/);
    node.kwargs = {};
    node.args = [tensor, tensor];
    expect(read).toThrow(/is called with a tensor as argument 2/);
  });
});

describe("a Keras 2 model for TensorFlow.js", () => {
  it("stays as it is but for how weights begin", () => {
    const config = { a: [{ kernel_initializer: { class_name: "Orthogonal" }, units: 3 }], b: null };
    expect(blankInitializers(config)).toEqual({
      a: [{ kernel_initializer: { class_name: "Zeros", config: {} }, units: 3 }],
      b: null,
    });
  });
});
