import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { Block } from "./block.js";
import type { PortScope } from "./port-scope.js";

/** Dropout changes nothing when a network predicts; it is here because Darknet counts it as a layer. */
export class Dropout implements Block {
  readonly #id: string;

  constructor(scope: PortScope) {
    this.#id = scope.layer("dropout");
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => tap(this.#id, tf.clone(x)));
  }
}
