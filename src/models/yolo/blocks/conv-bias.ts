import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { Block } from "./block.js";
import type { PortScope } from "./port-scope.js";

/** 1×1 convolution with a bias and nothing else: the layer that predicts, just before a head. */
export class ConvBias implements Block {
  readonly #id: string;
  readonly #kernel: tf.Tensor4D;
  readonly #bias: tf.Tensor1D;

  constructor(scope: PortScope, channels: number, filters: number) {
    this.#id = scope.layer("conv");
    this.#kernel = scope.kernel(`${this.#id}/kernel`, [1, 1, channels, filters], "hwio");
    this.#bias = scope.vector(`${this.#id}/bias`, filters);
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => tap(this.#id, tf.add(tf.conv2d(x, this.#kernel, 1, "valid"), this.#bias)));
  }
}
