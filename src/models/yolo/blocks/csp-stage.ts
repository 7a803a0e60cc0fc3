import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "./block.js";
import { ConvBnAct } from "./conv-bn-act.js";
import { DarkResidual } from "./dark-residual.js";
import type { PortScope } from "./port-scope.js";
import { Route } from "./route.js";

/** Sizes of a {@link CspStage}. */
export interface CspStageConfig {
  /** Channels of the input. */
  readonly channels: number;
  /** Channels of the output. */
  readonly filters: number;
  /** Channels of each of the two branches. */
  readonly branch: number;
  /** Channels inside the residual blocks. */
  readonly hidden: number;
  /** Number of residual blocks. */
  readonly repeats: number;
}

/**
 * Cross stage partial stage: halves the map, splits it into two branches by 1×1 convolutions, sends
 * one through the residual blocks and joins it with the other (Wang et al. 2019, CSPNet,
 * arXiv:1911.11929). All its convolutions end in mish.
 */
export class CspStage implements Block {
  readonly #entry: ConvBnAct;
  readonly #side: ConvBnAct;
  readonly #back: Route;
  readonly #main: readonly Block[];
  readonly #join: Route;
  readonly #mix: ConvBnAct;

  constructor(scope: PortScope, config: CspStageConfig) {
    const { channels, filters, branch, hidden, repeats } = config;
    const activation = "mish";
    const squeeze = { channels: filters, filters: branch, size: 1, activation } as const;
    this.#entry = new ConvBnAct(scope, { channels, filters, size: 3, stride: 2, activation });
    this.#side = new ConvBnAct(scope, squeeze);
    this.#back = new Route(scope);
    this.#main = [
      new ConvBnAct(scope, squeeze),
      ...Array.from(
        { length: repeats },
        () => new DarkResidual(scope, { channels: branch, hidden, activation }),
      ),
      new ConvBnAct(scope, { ...squeeze, channels: branch }),
    ];
    this.#join = new Route(scope);
    this.#mix = new ConvBnAct(scope, { ...squeeze, channels: 2 * branch, filters });
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => {
      const entry = this.#entry.forward(x, tap);
      const side = this.#side.forward(entry, tap);
      const main = sequence(this.#main, this.#back.forward([entry], tap), tap);
      return this.#mix.forward(this.#join.forward([main, side], tap), tap);
    });
  }
}
