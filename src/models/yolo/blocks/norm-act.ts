import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Activation, activate } from "./activation.js";
import { BatchNorm } from "./batch-norm.js";
import type { PortScope } from "./port-scope.js";

/** What follows every convolution without bias: batch normalisation, activation, and the layer's taps. */
export class NormAct {
  readonly #id: string;
  readonly #norm: BatchNorm;
  readonly #activation: Activation;
  readonly #subTaps: boolean;

  /** @param layer - id of the convolution it belongs to, e.g. `conv_0` */
  constructor(scope: PortScope, layer: string, channels: number, activation: Activation) {
    this.#id = layer;
    this.#norm = new BatchNorm(scope, layer, channels);
    this.#activation = activation;
    this.#subTaps = scope.subTaps;
  }

  /** @param convolved - what the convolution gave, [batch, height, width, channels] */
  forward(convolved: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => {
      const normalized = tf.tidy(() => this.#norm.normalize(this.#tapConv(convolved, tap)));
      return tap(this.#id, activate(this.#tapNorm(normalized, tap), this.#activation));
    });
  }

  #tapConv(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return this.#subTaps ? tap(`${this.#id}/conv`, x) : x;
  }

  /** Without an activation the norm is the layer's output, which has the layer's own tap. */
  #tapNorm(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return this.#subTaps && this.#activation !== "linear" ? tap(`${this.#id}/norm`, x) : x;
  }
}
