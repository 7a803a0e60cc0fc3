import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "./block.js";
import { ConvBnAct } from "./conv-bn-act.js";
import { DepthwiseBnAct } from "./depthwise-bn-act.js";
import { Dropout } from "./dropout.js";
import type { PortScope } from "./port-scope.js";
import { Shortcut } from "./shortcut.js";

/** Sizes of an {@link InvertedResidual}. */
export interface InvertedResidualConfig {
  readonly channels: number;
  /** Channels between the two 1×1 convolutions, where the depthwise one works. */
  readonly expanded: number;
  readonly filters: number;
  readonly stride: number;
  /** Whether the input is added to the output: then both have the same shape. */
  readonly residual: boolean;
}

/**
 * 1×1 convolution to many channels, 3×3 depthwise convolution, 1×1 convolution back to few, the last
 * without activation (Sandler et al. 2018, MobileNetV2, arXiv:1801.04381).
 */
export class InvertedResidual implements Block {
  readonly #body: readonly Block[];
  readonly #shortcut: Shortcut | undefined;

  constructor(scope: PortScope, config: InvertedResidualConfig) {
    const { channels, expanded, filters, stride, residual } = config;
    const body: Block[] = [
      new ConvBnAct(scope, { channels, filters: expanded, size: 1 }),
      new DepthwiseBnAct(scope, { channels: expanded, size: 3, stride }),
      new ConvBnAct(scope, { channels: expanded, filters, size: 1, activation: "linear" }),
    ];
    if (residual) body.push(new Dropout(scope));
    this.#body = body;
    this.#shortcut = residual ? new Shortcut(scope) : undefined;
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => {
      const y = sequence(this.#body, x, tap);
      return this.#shortcut === undefined ? y : this.#shortcut.forward(y, x, tap);
    });
  }
}
