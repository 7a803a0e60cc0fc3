/**
 * A port of small.cfg on TensorFlow.js. Try it:
 *
 *   npx difftest layer-by-layer --model examples/tfjs-port.ts --original examples/small.cfg
 */
import * as tf from "@tensorflow/tfjs-core";
import { definePort, type PortVariable, type PortWeights, type Tap } from "difftest";

/** What Darknet adds to a variance, inside the root. */
const EPSILON = 1e-5;
const SLOPE = 0.1;

/** Convolution, batch normalisation, leaky ReLU. Each step is a tap: a fault is then named to the step. */
class ConvLeaky {
  readonly variables: Record<string, PortVariable> = {};
  readonly #name: string;
  readonly #kernel: tf.Tensor4D;
  readonly #norm: Record<"scale" | "bias" | "mean" | "variance", tf.Tensor1D>;

  constructor(weights: PortWeights, name: string, channels: number, filters: number) {
    this.#name = name;
    // Darknet stores [out, in, height, width]; TensorFlow.js wants [height, width, in, out].
    const kernel = weights.take(`${name}/kernel`, {
      layout: "hwio",
      shape: [3, 3, channels, filters],
    });
    this.#kernel = tf.tensor4d(kernel.data, [3, 3, channels, filters]);
    this.variables[`${name}/kernel`] = { value: this.#kernel, layout: "hwio" };
    const vector = (role: string) => {
      const value = tf.tensor1d(weights.take(`${name}/${role}`, { shape: [filters] }).data);
      this.variables[`${name}/${role}`] = { value };
      return value;
    };
    this.#norm = {
      scale: vector("scale"),
      bias: vector("bias"),
      mean: vector("mean"),
      variance: vector("variance"),
    };
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    const { scale, bias, mean, variance } = this.#norm;
    const summed = tap(`${this.#name}/conv`, tf.conv2d(x, this.#kernel, 1, "same"));
    const factor = tf.div(scale, tf.sqrt(tf.add(variance, EPSILON)));
    const normed = tf.add<tf.Tensor4D>(tf.mul(tf.sub(summed, mean), factor), bias);
    return tap(this.#name, tf.leakyRelu(tap(`${this.#name}/norm`, normed), SLOPE));
  }
}

class SmallNet {
  readonly variables: Record<string, PortVariable>;
  readonly #first: ConvLeaky;
  readonly #second: ConvLeaky;
  readonly #kernel: tf.Tensor4D;
  readonly #bias: tf.Tensor1D;

  constructor(weights: PortWeights) {
    this.#first = new ConvLeaky(weights, "conv_0", 3, 8);
    this.#second = new ConvLeaky(weights, "conv_2", 8, 16);
    this.#kernel = tf.tensor4d(
      weights.take("conv_3/kernel", { layout: "hwio" }).data,
      [1, 1, 16, 10],
    );
    this.#bias = tf.tensor1d(weights.take("conv_3/bias").data);
    this.variables = {
      ...this.#first.variables,
      ...this.#second.variables,
      "conv_3/kernel": { value: this.#kernel, layout: "hwio" },
      "conv_3/bias": { value: this.#bias },
    };
  }

  forward(image: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    // Always go on with what `tap` returns: in isolated mode that is the original's value.
    const wide = this.#first.forward(image, tap);
    const half = tap("maxpool_1", tf.maxPool(wide, 2, 2, "valid"));
    const deep = this.#second.forward(half, tap);
    return tap("conv_3", tf.add(tf.conv2d(deep, this.#kernel, 1, "valid"), this.#bias));
  }
}

export default definePort<SmallNet, tf.Tensor4D>({
  name: "small-tfjs",
  original: "small.cfg",
  layout: "nhwc",
  runtime: "tfjs",
  build: (weights) => new SmallNet(weights),
  forward: (model, { input }, tap) => tf.tidy(() => model.forward(input as tf.Tensor4D, tap)),
  variables: (model) => model.variables,
});
