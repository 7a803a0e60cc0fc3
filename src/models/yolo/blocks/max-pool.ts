import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { Block } from "./block.js";
import type { PortScope } from "./port-scope.js";

/**
 * Maximum over windows.
 *
 * Darknet pads size − 1 pixels in all, the smaller half above and on the left; what lies outside
 * never wins. For every size and stride used here that is TensorFlow's `same`: a window of 2 with
 * stride 1 looks to the right and below, one of 2 with stride 2 makes 7 pixels of 13.
 */
export class MaxPool implements Block {
  readonly #id: string;
  readonly #size: number;
  readonly #stride: number;

  constructor(scope: PortScope, size: number, stride: number) {
    this.#id = scope.layer("maxpool");
    this.#size = size;
    this.#stride = stride;
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => tap(this.#id, tf.maxPool(x, this.#size, this.#stride, "same")));
  }
}
