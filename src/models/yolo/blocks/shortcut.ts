import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { PortScope } from "./port-scope.js";

/** Darknet's `[shortcut]`: the sum of two maps of the same shape (He et al. 2015, arXiv:1512.03385). */
export class Shortcut {
  readonly #id: string;

  constructor(scope: PortScope) {
    this.#id = scope.layer("shortcut");
  }

  forward(x: tf.Tensor4D, from: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => tap(this.#id, tf.add(x, from)));
  }
}
