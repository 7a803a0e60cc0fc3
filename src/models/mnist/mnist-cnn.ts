import * as tf from "@tensorflow/tfjs-core";
import type { Port, PortVariable, PortWeights, Tap } from "../../port/port.js";
import { imagePort } from "../keras/image-port.js";
import { LayerWeights } from "../keras/layer-weights.js";

/** 5×5 convolution, bias, ReLU. */
class Conv {
  readonly #id: string;
  readonly #kernel: tf.Tensor4D;
  readonly #bias: tf.Tensor1D;

  constructor(weights: LayerWeights, id: string) {
    this.#id = id;
    this.#kernel = weights.kernel(id);
    this.#bias = weights.vector(id, "bias");
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    const summed = tf.add<tf.Tensor4D>(tf.conv2d(x, this.#kernel, 1, "same"), this.#bias);
    return tap(this.#id, tf.relu(tap(`${this.#id}/conv`, summed)));
  }
}

/** Matrix product, bias, and what follows. */
class Dense {
  readonly #id: string;
  readonly #kernel: tf.Tensor2D;
  readonly #bias: tf.Tensor1D;
  readonly #activation: (x: tf.Tensor2D) => tf.Tensor2D;

  constructor(weights: LayerWeights, id: string, activation: (x: tf.Tensor2D) => tf.Tensor2D) {
    this.#id = id;
    this.#kernel = weights.matrix(id);
    this.#bias = weights.vector(id, "bias");
    this.#activation = activation;
  }

  forward(x: tf.Tensor2D, tap: Tap): tf.Tensor2D {
    const product = tap(`${this.#id}/product`, tf.matMul(x, this.#kernel));
    const sum = tap(`${this.#id}/add_bias`, tf.add<tf.Tensor2D>(product, this.#bias));
    return tap(this.#id, this.#activation(sum));
  }
}

/**
 * The classifier of TensorFlow's Official Models, `mnist_main`: two 5×5 convolutions with pooling, two
 * dense layers. Layers have the names that Keras gives them. Widths are those of the weights.
 */
class MnistCnn {
  readonly variables: Readonly<Record<string, PortVariable>>;
  readonly #conv: readonly [Conv, Conv];
  readonly #dense: readonly [Dense, Dense];

  constructor(weights: PortWeights) {
    const layers = new LayerWeights(weights);
    this.#conv = [new Conv(layers, "conv2d"), new Conv(layers, "conv2d_1")];
    this.#dense = [new Dense(layers, "dense", tf.relu), new Dense(layers, "dense_1", tf.softmax)];
    this.variables = layers.variables;
  }

  forward(image: tf.Tensor4D, tap: Tap): tf.Tensor2D {
    const [first, second] = this.#conv;
    const half = tap("max_pooling2d", tf.maxPool(first.forward(image, tap), 2, 2, "same"));
    const quarter = tap("max_pooling2d_1", tf.maxPool(second.forward(half, tap), 2, 2, "same"));
    const flat = tap("flatten", tf.reshape(quarter, [image.shape[0], -1]) as tf.Tensor2D);
    const [hidden, scores] = this.#dense;
    // Dropout passes everything on when the network is not being trained.
    return scores.forward(tap("dropout", hidden.forward(flat, tap)), tap);
  }
}

/** MNIST CNN of the Official Models: 8 layers. */
export const mnistCnn: Port<MnistCnn, tf.Tensor4D> = imagePort(
  "mnist-cnn",
  (weights) => new MnistCnn(weights),
);
