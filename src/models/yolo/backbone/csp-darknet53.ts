import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "../blocks/block.js";
import { ConvBnAct } from "../blocks/conv-bn-act.js";
import { CspStage } from "../blocks/csp-stage.js";
import type { PortScope } from "../blocks/port-scope.js";
import type { PyramidMaps } from "./pyramid-maps.js";

/** CSPDarknet-53: layers 0 to 104 (Bochkovskiy, Wang, Liao 2020, arXiv:2004.10934). */
export class CspDarknet53 {
  readonly #fine: readonly Block[];
  readonly #medium: CspStage;
  readonly #coarse: CspStage;

  /** @param channels - channels of the image */
  constructor(scope: PortScope, channels: number) {
    const stage = (filters: number, repeats: number): CspStage => {
      const half = filters / 2;
      return new CspStage(scope, { channels: half, filters, branch: half, hidden: half, repeats });
    };
    this.#fine = [
      new ConvBnAct(scope, { channels, filters: 32, size: 3, activation: "mish" }),
      // The first stage alone keeps all channels in both branches and halves them in its block.
      new CspStage(scope, { channels: 32, filters: 64, branch: 64, hidden: 32, repeats: 1 }),
      stage(128, 2),
      stage(256, 8),
    ];
    this.#medium = stage(512, 8);
    this.#coarse = stage(1024, 4);
  }

  forward(image: tf.Tensor4D, tap: Tap): PyramidMaps {
    return tf.tidy(() => {
      const fine = sequence(this.#fine, image, tap);
      const medium = this.#medium.forward(fine, tap);
      return { fine, medium, coarse: this.#coarse.forward(medium, tap) };
    });
  }
}
