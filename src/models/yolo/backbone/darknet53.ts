import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "../blocks/block.js";
import { ConvBnAct } from "../blocks/conv-bn-act.js";
import { DarkResidual } from "../blocks/dark-residual.js";
import type { PortScope } from "../blocks/port-scope.js";
import type { PyramidMaps } from "./pyramid-maps.js";

/** Darknet-53 without its classifier: layers 0 to 74 (Redmon, Farhadi 2018, arXiv:1804.02767, table 1). */
export class Darknet53 {
  readonly #fine: readonly Block[];
  readonly #medium: readonly Block[];
  readonly #coarse: readonly Block[];

  /** @param channels - channels of the image */
  constructor(scope: PortScope, channels: number) {
    this.#fine = [
      new ConvBnAct(scope, { channels, filters: 32, size: 3 }),
      ...stage(scope, 64, 1),
      ...stage(scope, 128, 2),
      ...stage(scope, 256, 8),
    ];
    this.#medium = stage(scope, 512, 8);
    this.#coarse = stage(scope, 1024, 4);
  }

  forward(image: tf.Tensor4D, tap: Tap): PyramidMaps {
    return tf.tidy(() => {
      const fine = sequence(this.#fine, image, tap);
      const medium = sequence(this.#medium, fine, tap);
      return { fine, medium, coarse: sequence(this.#coarse, medium, tap) };
    });
  }
}

/** Half the size and twice the channels, then residual blocks. */
function stage(scope: PortScope, filters: number, repeats: number): Block[] {
  const half = filters / 2;
  const halve = new ConvBnAct(scope, { channels: half, filters, size: 3, stride: 2 });
  const residual = (): Block => new DarkResidual(scope, { channels: filters, hidden: half });
  return [halve, ...Array.from({ length: repeats }, residual)];
}
