import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { Block } from "./block.js";
import type { PortScope } from "./port-scope.js";

/** Darknet's `[route]` with groups=2 and group_id=1: the second half of the channels. */
export class UpperHalf implements Block {
  readonly #id: string;

  constructor(scope: PortScope) {
    this.#id = scope.layer("route");
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    const half = x.shape[3] / 2;
    return tf.tidy(() => tap(this.#id, tf.slice(x, [0, 0, 0, half], [-1, -1, -1, half])));
  }
}
