import * as tf from "@tensorflow/tfjs-core";
import type { PortScope } from "./port-scope.js";

/** Stands inside the root: (x − mean)/√(variance + ε). Keras' default would be 1e-3. */
const EPSILON = 1e-5;
/** In pjreddie's library it stands outside: (x − mean)/(√variance + ε). */
const EPSILON_OUTSIDE = 1e-6;

/**
 * Batch normalisation with the statistics of the training (Ioffe, Szegedy 2015, arXiv:1502.03167).
 * Darknet calls what is added afterwards the layer's bias.
 */
export class BatchNorm {
  readonly #bias: tf.Tensor1D;
  readonly #scale: tf.Tensor1D;
  readonly #mean: tf.Tensor1D;
  readonly #variance: tf.Tensor1D;
  readonly #outside: boolean;

  /** @param layer - id of the layer it belongs to, e.g. `conv_0` */
  constructor(scope: PortScope, layer: string, channels: number) {
    this.#bias = scope.vector(`${layer}/bias`, channels);
    this.#scale = scope.vector(`${layer}/scale`, channels);
    this.#mean = scope.vector(`${layer}/mean`, channels);
    this.#variance = scope.vector(`${layer}/variance`, channels);
    this.#outside = scope.dialect === "pjreddie";
  }

  /** @param x - [batch, height, width, channels] */
  normalize(x: tf.Tensor4D): tf.Tensor4D {
    if (this.#outside) {
      const factor = tf.div(this.#scale, tf.add(tf.sqrt(this.#variance), EPSILON_OUTSIDE));
      return tf.add(tf.mul(tf.sub(x, this.#mean), factor), this.#bias);
    }
    return tf.batchNorm(x, this.#mean, this.#variance, this.#bias, this.#scale, EPSILON);
  }
}
