import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { AlternatingConvs } from "../blocks/alternating-convs.js";
import { type Block, sequence } from "../blocks/block.js";
import { ConvBnAct } from "../blocks/conv-bn-act.js";
import type { PortScope } from "../blocks/port-scope.js";
import { Route } from "../blocks/route.js";
import { Upsample } from "../blocks/upsample.js";
import { fiveConvs } from "./five-convs.js";

// Path aggregation (Liu et al. 2018, PANet, arXiv:1803.01534): a pyramid walked down, from coarse to
// fine, and then up again. YOLOv4 joins maps by concatenation where the paper adds them.

/** One step down: the coarse map, reduced and doubled in size, *behind* the backbone's reduced finer one. */
export class TopDownLevel {
  readonly #lift: readonly Block[];
  readonly #branch: Route;
  readonly #lateral: ConvBnAct;
  readonly #join: Route;
  readonly #mix: AlternatingConvs;

  /**
   * @param channels - of the coarse map and of the backbone's map alike
   * @param filters - of the result
   */
  constructor(scope: PortScope, channels: number, filters: number) {
    this.#lift = [new ConvBnAct(scope, { channels, filters, size: 1 }), new Upsample(scope)];
    this.#branch = new Route(scope);
    this.#lateral = new ConvBnAct(scope, { channels, filters, size: 1 });
    this.#join = new Route(scope);
    this.#mix = fiveConvs(scope, 2 * filters, filters);
  }

  /**
   * @param coarse - [batch, height, width, channels]
   * @param fine - the backbone's map, [batch, 2·height, 2·width, channels]
   */
  forward(coarse: tf.Tensor4D, fine: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => {
      const lifted = sequence(this.#lift, coarse, tap);
      const lateral = this.#lateral.forward(this.#branch.forward([fine], tap), tap);
      return this.#mix.forward(this.#join.forward([lateral, lifted], tap), tap);
    });
  }
}

/** One step up: the fine map, halved in size by a convolution, in front of the coarser one of the way down. */
export class BottomUpLevel {
  readonly #branch: Route;
  readonly #halve: ConvBnAct;
  readonly #join: Route;
  readonly #mix: AlternatingConvs;

  /** @param channels - of the fine map; the coarser map and the result have twice as many */
  constructor(scope: PortScope, channels: number) {
    const filters = 2 * channels;
    this.#branch = new Route(scope);
    this.#halve = new ConvBnAct(scope, { channels, filters, size: 3, stride: 2 });
    this.#join = new Route(scope);
    this.#mix = fiveConvs(scope, 2 * filters, filters);
  }

  /**
   * @param fine - [batch, 2·height, 2·width, channels]
   * @param coarse - [batch, height, width, 2·channels]
   */
  forward(fine: tf.Tensor4D, coarse: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => {
      const halved = this.#halve.forward(this.#branch.forward([fine], tap), tap);
      return this.#mix.forward(this.#join.forward([halved, coarse], tap), tap);
    });
  }
}
