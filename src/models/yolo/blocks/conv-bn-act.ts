import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { Activation } from "./activation.js";
import type { Block } from "./block.js";
import { darknetPadding } from "./darknet-padding.js";
import { NormAct } from "./norm-act.js";
import type { PortScope } from "./port-scope.js";

/** Sizes of a {@link ConvBnAct}. */
export interface ConvBnActConfig {
  /** Channels of the input. */
  readonly channels: number;
  /** Channels of the output. */
  readonly filters: number;
  /** Side of the kernel in pixels, odd. */
  readonly size: number;
  /** @defaultValue 1 */
  readonly stride?: number;
  /** @defaultValue `"leaky"` */
  readonly activation?: Activation;
}

/** Convolution without bias, batch normalisation, activation: the brick of all these networks. */
export class ConvBnAct implements Block {
  readonly #kernel: tf.Tensor4D;
  readonly #normAct: NormAct;
  readonly #size: number;
  readonly #stride: number;

  constructor(scope: PortScope, config: ConvBnActConfig) {
    const { channels, filters, size, stride = 1, activation = "leaky" } = config;
    const id = scope.layer("conv");
    this.#kernel = scope.kernel(`${id}/kernel`, [size, size, channels, filters], "hwio");
    this.#normAct = new NormAct(scope, id, filters, activation);
    this.#size = size;
    this.#stride = stride;
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => {
      const { map, pad } = darknetPadding(x, this.#size, this.#stride);
      return this.#normAct.forward(tf.conv2d(map, this.#kernel, this.#stride, pad), tap);
    });
  }
}
