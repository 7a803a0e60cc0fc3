import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { Activation } from "./activation.js";
import type { Block } from "./block.js";
import { darknetPadding } from "./darknet-padding.js";
import { NormAct } from "./norm-act.js";
import type { PortScope } from "./port-scope.js";

/** Sizes of a {@link DepthwiseBnAct}. */
export interface DepthwiseBnActConfig {
  /** Channels of input and output. */
  readonly channels: number;
  /** Side of the kernel in pixels, odd. */
  readonly size: number;
  /** @defaultValue 1 */
  readonly stride?: number;
  /** @defaultValue `"leaky"` */
  readonly activation?: Activation;
}

/**
 * Depthwise convolution (Darknet: as many groups as channels), batch normalisation, activation.
 *
 * TensorFlow.js has no grouped convolution, but this extreme of it is an operation of its own, with
 * a kernel [kH, kW, channel, 1] where Darknet stores [channel, 1, kH, kW].
 */
export class DepthwiseBnAct implements Block {
  readonly #kernel: tf.Tensor4D;
  readonly #normAct: NormAct;
  readonly #size: number;
  readonly #stride: number;

  constructor(scope: PortScope, config: DepthwiseBnActConfig) {
    const { channels, size, stride = 1, activation = "leaky" } = config;
    const id = scope.layer("conv");
    this.#kernel = scope.kernel(`${id}/kernel`, [size, size, channels, 1], "hwoi");
    this.#normAct = new NormAct(scope, id, channels, activation);
    this.#size = size;
    this.#stride = stride;
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => {
      const { map, pad } = darknetPadding(x, this.#size, this.#stride);
      const convolved = tf.depthwiseConv2d(map, this.#kernel, this.#stride, pad);
      return this.#normAct.forward(convolved, tap);
    });
  }
}
