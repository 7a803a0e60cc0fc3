import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "../blocks/block.js";
import { ConvBnAct } from "../blocks/conv-bn-act.js";
import { MaxPool } from "../blocks/max-pool.js";
import type { PortScope } from "../blocks/port-scope.js";

/** Feature maps of {@link DarknetTiny}. */
export interface DarknetTinyMaps {
  /** 1/16 of the image's side, 256 channels. */
  readonly fine: tf.Tensor4D;
  /** 1/32 of the image's side, 1024 channels. */
  readonly coarse: tf.Tensor4D;
}

/** Backbone of YOLOv2-tiny and YOLOv3-tiny, layers 0 to 12: a convolution and a pool a step. */
export class DarknetTiny {
  readonly #fine: readonly Block[];
  readonly #coarse: readonly Block[];

  /** @param channels - channels of the image */
  constructor(scope: PortScope, channels: number) {
    const conv = (from: number, filters: number): Block =>
      new ConvBnAct(scope, { channels: from, filters, size: 3 });
    const halve = (): Block => new MaxPool(scope, 2, 2);
    this.#fine = [
      conv(channels, 16),
      halve(),
      conv(16, 32),
      halve(),
      conv(32, 64),
      halve(),
      conv(64, 128),
      halve(),
      conv(128, 256),
    ];
    this.#coarse = [halve(), conv(256, 512), new MaxPool(scope, 2, 1), conv(512, 1024)];
  }

  forward(image: tf.Tensor4D, tap: Tap): DarknetTinyMaps {
    return tf.tidy(() => {
      const fine = sequence(this.#fine, image, tap);
      return { fine, coarse: sequence(this.#coarse, fine, tap) };
    });
  }
}
