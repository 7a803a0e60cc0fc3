import { ONNX_TYPE } from "../../src/formats/onnx/schema.js";
import { floats, node, onnxBytes, value, wholes } from "../formats/onnx/write-model.js";

/** Convolution, norm, leaky, a gate, mean, dense behind a Reshape whose sizes the graph computes, softmax: as `ports/onnx-cnn.ts`. */
export function cnnModel(): Uint8Array {
  return onnxBytes({
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
  });
}

/** Whole numbers, a mask, open axes, and values in a scope: as `ports/onnx-encoder.ts`. */
export function encoderModel(): Uint8Array {
  return onnxBytes({
    input: [
      value("ids", ["batch", "seq"], ONNX_TYPE.int64),
      value("mask", ["batch", "seq", 1], ONNX_TYPE.bool),
    ],
    output: [value("out", ["batch", "seq", 5])],
    initializer: [
      floats("words.table", [9, 4], { seed: 1 }),
      floats("norm.scale", [4], { seed: 2, from: 0.5 }),
      floats("norm.shift", [4], { seed: 3 }),
      floats("out.kernel", [4, 5], { seed: 4 }),
      floats("nothing", [], [0]),
    ],
    node: [
      node("Gather", ["words.table", "ids"], "encoder/words"),
      node("LayerNormalization", ["encoder/words", "norm.scale", "norm.shift"], "encoder/norm", {
        epsilon: { float: 1e-5 },
      }),
      node("Where", ["mask", "encoder/norm", "nothing"], "shown"),
      node("MatMul", ["shown", "out.kernel"], "out"),
    ],
  });
}
