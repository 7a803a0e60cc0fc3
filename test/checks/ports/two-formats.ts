import * as tf from "@tensorflow/tfjs-core";
import type { Port, PortVariable, PortWeights, Tap } from "../../../src/index.js";

/** The original's names of the two layers with weights: Darknet numbers its layers, Keras names them. */
const NAMES = [
  { conv: "conv_0", dense: "connected_2" },
  { conv: "features", dense: "scores" },
] as const;

/** Convolution, ReLU, mean over the map, dense: from whichever file it is given. */
class SmallNet {
  readonly variables: Record<string, PortVariable> = {};
  readonly #kernel: tf.Tensor4D;
  readonly #bias: tf.Tensor1D;
  readonly #dense: tf.Tensor2D;
  readonly #denseBias: tf.Tensor1D;

  constructor(weights: PortWeights) {
    const names = NAMES.find(({ conv }) => weights.has(`${conv}/kernel`)) ?? NAMES[0];
    this.#kernel = this.#take(weights, `${names.conv}/kernel`, "hwio") as tf.Tensor4D;
    this.#bias = this.#take(weights, `${names.conv}/bias`) as tf.Tensor1D;
    this.#dense = this.#take(weights, `${names.dense}/kernel`, "io") as tf.Tensor2D;
    this.#denseBias = this.#take(weights, `${names.dense}/bias`) as tf.Tensor1D;
  }

  forward(image: tf.Tensor4D, tap: Tap): void {
    const summed = tf.add<tf.Tensor4D>(tf.conv2d(image, this.#kernel, 1, "same"), this.#bias);
    const features = tap("map", tf.relu(summed));
    // No tap here: Darknet's mean is a map of one pixel, that of Keras has two axes.
    const mean = tf.mean(features, [1, 2]) as tf.Tensor2D;
    tap("result", tf.add(tf.matMul(mean, this.#dense), this.#denseBias));
  }

  /** A weight in TensorFlow.js' own layout, whatever the file's is. */
  #take(weights: PortWeights, name: string, layout?: "hwio" | "io"): tf.Tensor {
    const { data, shape } = weights.take(name, layout === undefined ? {} : { layout });
    // A mistake to make: told through the environment, which a thread inherits.
    if (process.env["DIFFTEST_TEST_MISTAKE"] === name) data[1] = 0;
    const value = tf.keep(tf.tensor(data, shape));
    this.variables[name] = layout === undefined ? { value } : { value, layout };
    return value;
  }
}

const port: Port<SmallNet, tf.Tensor4D> = {
  name: "two-formats",
  original: "written by the test",
  layout: "nhwc",
  runtime: "tfjs",
  build: (weights) => new SmallNet(weights),
  forward: (model, inputs, tap) =>
    tf.tidy(() => model.forward(Object.values(inputs)[0] as tf.Tensor4D, tap)),
  variables: (model) => model.variables,
};

export default port;
