import type * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "./block.js";
import { ConvBnAct } from "./conv-bn-act.js";
import type { PortScope } from "./port-scope.js";

/** Sizes of {@link AlternatingConvs}. */
export interface AlternatingConvsConfig {
  /** Channels of the input. */
  readonly channels: number;
  /** Output channels of each convolution in turn. */
  readonly filters: readonly number[];
  /** Side of the first kernel in pixels; the next has the other side, and so on. */
  readonly first: 1 | 3;
}

/**
 * 1×1 and 3×3 convolutions in turn: the 1×1 squeeze the channels so that the 3×3 stay cheap
 * (Lin, Chen, Yan 2013, arXiv:1312.4400; Redmon, Farhadi 2016, arXiv:1612.08242).
 */
export class AlternatingConvs implements Block {
  readonly #convs: readonly Block[];

  constructor(scope: PortScope, config: AlternatingConvsConfig) {
    const { filters, first } = config;
    this.#convs = filters.map((width, k) => {
      const channels = filters[k - 1] ?? config.channels;
      return new ConvBnAct(scope, {
        channels,
        filters: width,
        size: k % 2 === 0 ? first : 4 - first,
      });
    });
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return sequence(this.#convs, x, tap);
  }
}
