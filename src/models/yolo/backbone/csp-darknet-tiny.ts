import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "../blocks/block.js";
import { ConvBnAct } from "../blocks/conv-bn-act.js";
import { CspTinyStage } from "../blocks/csp-tiny-stage.js";
import type { PortScope } from "../blocks/port-scope.js";

/** Feature maps of {@link CspDarknetTiny}. */
export interface CspDarknetTinyMaps {
  /** 1/16 of the image's side, 256 channels. */
  readonly fine: tf.Tensor4D;
  /** 1/32 of the image's side, 512 channels. */
  readonly coarse: tf.Tensor4D;
}

/** Backbone of YOLOv4-tiny: layers 0 to 26 (Wang, Bochkovskiy, Liao 2021, arXiv:2011.08036). */
export class CspDarknetTiny {
  readonly #stem: readonly Block[];
  readonly #stages: readonly CspTinyStage[];
  readonly #top: ConvBnAct;

  /** @param channels - channels of the image */
  constructor(scope: PortScope, channels: number) {
    this.#stem = [
      new ConvBnAct(scope, { channels, filters: 32, size: 3, stride: 2 }),
      new ConvBnAct(scope, { channels: 32, filters: 64, size: 3, stride: 2 }),
    ];
    this.#stages = [64, 128, 256].map((width) => new CspTinyStage(scope, width));
    this.#top = new ConvBnAct(scope, { channels: 512, filters: 512, size: 3 });
  }

  forward(image: tf.Tensor4D, tap: Tap): CspDarknetTinyMaps {
    return tf.tidy(() => {
      let pooled = sequence(this.#stem, image, tap);
      let fine = pooled;
      for (const stage of this.#stages) {
        const used = [pooled, fine];
        ({ pooled, features: fine } = stage.forward(pooled, tap));
        tf.dispose(used);
      }
      return { fine, coarse: this.#top.forward(pooled, tap) };
    });
  }
}
