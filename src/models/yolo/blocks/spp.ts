import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { Block } from "./block.js";
import { MaxPool } from "./max-pool.js";
import type { PortScope } from "./port-scope.js";
import { Route } from "./route.js";

/**
 * Spatial pyramid pooling: the map beside its maxima over ever larger windows, all at full
 * resolution (He et al. 2014, arXiv:1406.4729, in the form of YOLOv3-SPP). Four times the channels.
 */
export class Spp implements Block {
  /** Each window's pool, and the route back to the input before the next one. */
  readonly #windows: readonly { readonly pool: MaxPool; readonly back: Route | undefined }[];
  readonly #join: Route;

  /** @param sizes - sides of the windows in pixels, ascending */
  constructor(scope: PortScope, sizes: readonly number[]) {
    this.#windows = sizes.map((size, k) => ({
      pool: new MaxPool(scope, size, 1),
      back: k < sizes.length - 1 ? new Route(scope) : undefined,
    }));
    this.#join = new Route(scope);
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => {
      const pooled: tf.Tensor4D[] = [];
      let input = x;
      for (const { pool, back } of this.#windows) {
        pooled.push(pool.forward(input, tap));
        if (back !== undefined) input = back.forward([x], tap);
      }
      // Largest window first, the input itself last. The input is the original one, not a route's
      // copy: Darknet's last route names the layer itself.
      return this.#join.forward([...pooled.reverse(), x], tap);
    });
  }
}
