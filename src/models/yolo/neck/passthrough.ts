import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "../blocks/block.js";
import { ConvBnAct } from "../blocks/conv-bn-act.js";
import type { PortScope } from "../blocks/port-scope.js";
import { Reorg } from "../blocks/reorg.js";
import { Route } from "../blocks/route.js";

/**
 * YOLOv2's passthrough: the finer map, squeezed and its pixels regrouped into channels, in front of
 * the coarse one (Redmon, Farhadi 2016, arXiv:1612.08242, "Fine-Grained Features").
 */
export class Passthrough {
  readonly #branch: Route;
  readonly #regroup: readonly Block[];
  readonly #join: Route;

  /**
   * @param channels - of the fine map
   * @param filters - it is squeezed to; four times as many are put in front of the coarse map
   */
  constructor(scope: PortScope, channels: number, filters: number) {
    this.#branch = new Route(scope);
    this.#regroup = [new ConvBnAct(scope, { channels, filters, size: 1 }), new Reorg(scope)];
    this.#join = new Route(scope);
  }

  /**
   * @param fine - [batch, 2·height, 2·width, channels]
   * @param coarse - [batch, height, width, …]
   */
  forward(fine: tf.Tensor4D, coarse: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => {
      const regrouped = sequence(this.#regroup, this.#branch.forward([fine], tap), tap);
      return this.#join.forward([regrouped, coarse], tap);
    });
  }
}
