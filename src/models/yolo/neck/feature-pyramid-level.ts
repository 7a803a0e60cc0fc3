import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "../blocks/block.js";
import { ConvBnAct } from "../blocks/conv-bn-act.js";
import type { PortScope } from "../blocks/port-scope.js";
import { Route } from "../blocks/route.js";
import { Upsample } from "../blocks/upsample.js";

/** Sizes of a {@link FeaturePyramidLevel}. */
export interface FeaturePyramidLevelConfig {
  /** Channels of the coarse map. */
  readonly channels: number;
  /** Channels it is reduced to by a 1×1 convolution; without it the map is taken as it is. */
  readonly filters?: number;
}

/**
 * One step down a feature pyramid: the coarse map, reduced and doubled in size, beside the
 * backbone's finer one (Lin et al. 2017, arXiv:1612.03144, with a concatenation in place of the sum).
 */
export class FeaturePyramidLevel {
  readonly #branch: Route;
  readonly #lift: readonly Block[];
  readonly #join: Route;

  constructor(scope: PortScope, config: FeaturePyramidLevelConfig) {
    const { channels, filters } = config;
    this.#branch = new Route(scope);
    const reduce =
      filters === undefined ? [] : [new ConvBnAct(scope, { channels, filters, size: 1 })];
    this.#lift = [...reduce, new Upsample(scope)];
    this.#join = new Route(scope);
  }

  /**
   * @param coarse - [batch, height, width, channels]
   * @param fine - the backbone's map, [batch, 2·height, 2·width, …]
   */
  forward(coarse: tf.Tensor4D, fine: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => {
      const lifted = sequence(this.#lift, this.#branch.forward([coarse], tap), tap);
      return this.#join.forward([lifted, fine], tap);
    });
  }
}
