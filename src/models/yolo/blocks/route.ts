import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { PortScope } from "./port-scope.js";

/**
 * Darknet's `[route]`: goes back to earlier layers and joins their channels, in the order given.
 * With one layer it is the start of a branch and changes nothing.
 */
export class Route {
  readonly #id: string;

  constructor(scope: PortScope) {
    this.#id = scope.layer("route");
  }

  forward(from: readonly tf.Tensor4D[], tap: Tap): tf.Tensor4D {
    return tf.tidy(() => tap(this.#id, join(from)));
  }
}

/** A tensor of its own even where nothing is joined, so that disposing it leaves the source alone. */
function join(from: readonly tf.Tensor4D[]): tf.Tensor4D {
  const [only] = from;
  return only !== undefined && from.length === 1 ? tf.clone(only) : tf.concat([...from], 3);
}
