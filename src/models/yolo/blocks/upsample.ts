import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { Block } from "./block.js";
import type { PortScope } from "./port-scope.js";

/** Doubles height and width by repeating every pixel. */
export class Upsample implements Block {
  readonly #id: string;

  constructor(scope: PortScope) {
    this.#id = scope.layer("upsample");
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    const [, height, width] = x.shape;
    return tf.tidy(() => tap(this.#id, tf.image.resizeNearestNeighbor(x, [2 * height, 2 * width])));
  }
}
