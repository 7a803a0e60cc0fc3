import * as tf from "@tensorflow/tfjs-core";
import type { Port, PortVariable, PortWeights, Tap } from "../../port/port.js";
import { imagePort } from "../keras/image-port.js";
import { LayerWeights } from "../keras/layer-weights.js";
import { ConvNorm, InvertedResidual } from "./blocks.js";

/** Repeats and first stride of each stage: Table 2 of the paper, without the channels, which the weights tell. */
const STAGES = [
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 2],
  [3, 1],
  [3, 2],
  [1, 1],
] as const;

/** Sandler et al.: MobileNetV2: Inverted Residuals and Linear Bottlenecks. CVPR 2018, arXiv:1801.04381. */
class MobileNetV2 {
  readonly variables: Readonly<Record<string, PortVariable>>;
  readonly #stem: ConvNorm;
  readonly #blocks: readonly InvertedResidual[];
  readonly #features: ConvNorm;
  readonly #kernel: tf.Tensor2D;
  readonly #bias: tf.Tensor1D;

  constructor(weights: PortWeights) {
    const layers = new LayerWeights(weights);
    const stem = { conv: "Conv1", norm: "bn_Conv1", relu: "Conv1_relu" };
    this.#stem = new ConvNorm(layers, stem, 2);
    this.#blocks = STAGES.flatMap(([repeats, stride], stage) =>
      Array.from({ length: repeats }, (_, k) => ({ first: k === 0, stride, stage })),
    ).map(
      ({ first, stride, stage }, block) =>
        new InvertedResidual(layers, {
          prefix: block === 0 ? "expanded_conv_" : `block_${block}_`,
          expands: stage > 0,
          stride: first ? stride : 1,
          adds: !first,
        }),
    );
    const features = { conv: "Conv_1", norm: "Conv_1_bn", relu: "out_relu" };
    this.#features = new ConvNorm(layers, features);
    this.#kernel = layers.matrix("predictions");
    this.#bias = layers.vector("predictions", "bias");
    this.variables = layers.variables;
  }

  forward(image: tf.Tensor4D, tap: Tap): tf.Tensor2D {
    let x = this.#stem.forward(image, tap);
    for (const block of this.#blocks) x = block.forward(x, tap);
    const mean = tf.mean(this.#features.forward(x, tap), [1, 2]) as tf.Tensor2D;
    const pooled = tap("global_average_pooling2d", mean);
    const scores = tf.add<tf.Tensor2D>(tf.matMul(pooled, this.#kernel), this.#bias);
    return tap("predictions", tf.softmax(tap("predictions/add_bias", scores)));
  }
}

/** MobileNetV2 with the layers of keras.applications; the weights say how wide it is. */
export const mobilenetV2: Port<MobileNetV2, tf.Tensor4D> = imagePort(
  "mobilenet-v2",
  (weights) => new MobileNetV2(weights),
);
