import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { AlternatingConvs } from "../blocks/alternating-convs.js";
import { type Block, sequence } from "../blocks/block.js";
import { MaxPool } from "../blocks/max-pool.js";
import type { PortScope } from "../blocks/port-scope.js";

/** Feature maps of {@link Darknet19}. */
export interface Darknet19Maps {
  /** 1/16 of the image's side, 512 channels. */
  readonly fine: tf.Tensor4D;
  /** 1/32 of the image's side, 1024 channels. */
  readonly coarse: tf.Tensor4D;
}

/** Darknet-19 without its classifier: layers 0 to 22 (Redmon, Farhadi 2016, arXiv:1612.08242, table 6). */
export class Darknet19 {
  readonly #fine: readonly Block[];
  readonly #coarse: readonly Block[];

  /** @param channels - channels of the image */
  constructor(scope: PortScope, channels: number) {
    const convs = (from: number, ...filters: number[]): Block =>
      new AlternatingConvs(scope, { channels: from, filters, first: 3 });
    const halve = (): Block => new MaxPool(scope, 2, 2);
    this.#fine = [
      convs(channels, 32),
      halve(),
      convs(32, 64),
      halve(),
      convs(64, 128, 64, 128),
      halve(),
      convs(128, 256, 128, 256),
      halve(),
      convs(256, 512, 256, 512, 256, 512),
    ];
    this.#coarse = [halve(), convs(512, 1024, 512, 1024, 512, 1024)];
  }

  forward(image: tf.Tensor4D, tap: Tap): Darknet19Maps {
    return tf.tidy(() => {
      const fine = sequence(this.#fine, image, tap);
      return { fine, coarse: sequence(this.#coarse, fine, tap) };
    });
  }
}
