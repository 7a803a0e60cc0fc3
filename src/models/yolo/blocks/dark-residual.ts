import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { Activation } from "./activation.js";
import { type Block, sequence } from "./block.js";
import { ConvBnAct } from "./conv-bn-act.js";
import type { PortScope } from "./port-scope.js";
import { Shortcut } from "./shortcut.js";

/** Sizes of a {@link DarkResidual}. */
export interface DarkResidualConfig {
  /** Channels of input and output. */
  readonly channels: number;
  /** Channels between the two convolutions. */
  readonly hidden: number;
  /** @defaultValue `"leaky"` */
  readonly activation?: Activation;
}

/** 1×1 convolution, 3×3 convolution, and the input added (Redmon, Farhadi 2018, YOLOv3, arXiv:1804.02767). */
export class DarkResidual implements Block {
  readonly #body: readonly Block[];
  readonly #shortcut: Shortcut;

  constructor(scope: PortScope, config: DarkResidualConfig) {
    const { channels, hidden, activation = "leaky" } = config;
    this.#body = [
      new ConvBnAct(scope, { channels, filters: hidden, size: 1, activation }),
      new ConvBnAct(scope, { channels: hidden, filters: channels, size: 3, activation }),
    ];
    this.#shortcut = new Shortcut(scope);
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => this.#shortcut.forward(sequence(this.#body, x, tap), x, tap));
  }
}
