import { describe, expect, it } from "vitest";
import { runModel } from "../../../src/conformance/keras/run-model.js";
import { architectureFromKeras } from "../../../src/formats/keras/architecture.js";
import { openKerasFile } from "../../../src/formats/keras/keras-file.js";
import { keras3, type TestLayer } from "../../models/tfjs/keras-models.js";
import { numbers, type StoredWeight, writeKeras2 } from "./write-model.js";

/** What a layer named `layer` gives; as an `.h5`, by the rules of the Keras that wrote it. */
async function outputOf(
  input: readonly number[],
  layers: readonly TestLayer[],
  weights: readonly StoredWeight[],
  values: readonly number[],
  version = "3.15.1",
): Promise<number[]> {
  const path = await writeKeras2(keras3([null, ...input], layers), [{ name: "layer", weights }], {
    version,
  });
  const model = architectureFromKeras(await openKerasFile(path));
  const given = new Map([["input", Float32Array.from(values)]]);
  const [taps] = await runModel(model, given, ["layer"], 1);
  return [...(taps?.get("layer")?.data ?? [])];
}

const zeros = (length: number) => new Array<number>(length).fill(0);
const bias = { name: "layer/bias:0", shape: [2], values: [10, 20] };
const depthwise = {
  name: "layer",
  kind: "DepthwiseConv2D",
  config: { kernel_size: [1, 1], data_format: "channels_first" },
  calls: [["input"]],
};
const ones = { shape: [1, 1, 2, 1], values: [1, 1] };

// Each was seen in Keras 3.15.1 on TensorFlow 2.21.
describe("a bias of a channels_first layer", () => {
  it("is added along the columns where there are as many as channels: so keras.ops.add does it", async () => {
    const weights = [{ name: "layer/kernel:0", ...ones }, bias];
    expect(await outputOf([2, 3, 2], [depthwise], weights, zeros(12))).toEqual([
      10, 20, 10, 20, 10, 20, 10, 20, 10, 20, 10, 20,
    ]);
    expect(await outputOf([2, 2, 3], [depthwise], weights, zeros(12))).toEqual([
      10, 10, 10, 10, 10, 10, 20, 20, 20, 20, 20, 20,
    ]);
  });

  it("belongs to the channels in Keras 2, whatever the sizes", async () => {
    const weights = [{ name: "layer/depthwise_kernel:0", ...ones }, bias];
    const given = await outputOf([2, 3, 2], [depthwise], weights, zeros(12), "2.15.0");
    expect(given).toEqual([10, 10, 10, 10, 10, 10, 20, 20, 20, 20, 20, 20]);
  });

  it("follows the same rule behind a transposed convolution and an einsum", async () => {
    const transposed = {
      ...depthwise,
      kind: "Conv2DTranspose",
      config: { filters: 2, kernel_size: [1, 1], data_format: "channels_first" },
    };
    const kernel = { name: "layer/kernel:0", shape: [1, 1, 2, 2], values: [1, 0, 0, 1] };
    expect(await outputOf([2, 1, 2], [transposed], [kernel, bias], zeros(4))).toEqual([
      10, 20, 10, 20,
    ]);
    const einsum = {
      ...depthwise,
      kind: "EinsumDense",
      config: { equation: "abc,cd->abd", output_shape: [2, 2], bias_axes: "b" },
    };
    const weights = [
      { name: "layer/kernel:0", shape: [1, 2], values: [1, 1] },
      { name: "layer/bias:0", shape: [2, 1], values: [10, 20] },
    ];
    expect(await outputOf([2, 1], [einsum], weights, zeros(2))).toEqual([10, 20, 10, 20]);
  });
});

describe("a recurrent layer that runs backwards over a masked sequence", () => {
  const cell = (unroll: boolean) => [
    { name: "masked", kind: "Masking", config: { mask_value: 0 }, calls: [["input"]] },
    {
      name: "layer",
      kind: "RNN",
      config: {
        cell: {
          module: "keras.layers",
          class_name: "SimpleRNNCell",
          config: { name: "cell", units: 1, activation: "linear" },
          registered_name: null,
        },
        return_sequences: true,
        go_backwards: true,
        zero_output_for_mask: true,
        unroll,
      },
      calls: [["masked"]],
    },
  ];
  const weights = [
    { name: "layer/cell/kernel:0", shape: [1, 1], values: [1] },
    { name: "layer/cell/recurrent_kernel:0", shape: [1, 1], values: [0] },
    { name: "layer/cell/bias:0", shape: [1], values: [0] },
  ];

  it.each([
    ["zeroes the steps that are masked", false, [3, 2, 0]],
    ["unrolled, zeroes by the mask in the order of time", true, [0, 2, 2]],
  ])("%s", async (_, unroll, expected) => {
    expect(await outputOf([3, 1], cell(unroll), weights, [0, 2, 3])).toEqual(expected);
  });
});

describe("a convolutional LSTM", () => {
  it("is not taken for CuDNN's because of a kernel of one by four", async () => {
    const config = { filters: 2, kernel_size: [1, 4], padding: "same" };
    const layer = { name: "layer", kind: "ConvLSTM2D", config, calls: [["input"]] };
    const shape = [1, 4, 2, 8];
    const path = await writeKeras2(keras3([null, 2, 3, 4, 2], [layer]), [
      {
        name: "layer",
        weights: [
          { name: "layer/kernel:0", shape, values: numbers(64) },
          { name: "layer/recurrent_kernel:0", shape, values: numbers(64, 64) },
          { name: "layer/bias:0", shape: [8], values: numbers(8, 128) },
        ],
      },
    ]);
    const { weights } = architectureFromKeras(await openKerasFile(path));
    if (weights.source.kind !== "memory") throw new Error("the weights are not in memory");
    expect([...new Float32Array(weights.source.bytes, 0, 136)]).toEqual(numbers(136));
  });
});

describe("an .h5 that Keras 3 wrote", () => {
  it("has operations among its layers, without the module that tells them", async () => {
    const config = keras3(
      [null, 2],
      [
        { name: "not_equal", kind: "NotEqual", config: {}, calls: [["input", "input"]] },
        { name: "layer", kind: "Dense", config: { units: 1, use_bias: false }, calls: [["input"]] },
      ],
    );
    const plain = JSON.parse(
      JSON.stringify(config, (key, value) => (key === "module" ? undefined : value)),
    );
    const [, operation] = plain.config.layers;
    operation.inbound_nodes = [
      { args: [operation.inbound_nodes[0].args.flat()[0], 0], kwargs: {} },
    ];
    const weights = [{ name: "layer/kernel:0", shape: [2, 1], values: [1, 2] }];
    const path = await writeKeras2(plain, [{ name: "layer", weights }], { version: "3.15.1" });
    const { architecture } = architectureFromKeras(await openKerasFile(path));
    expect(architecture.layers.map(({ id, kind }) => [id, kind])).toContainEqual([
      "not_equal",
      "NotEqual",
    ]);
  });
});
