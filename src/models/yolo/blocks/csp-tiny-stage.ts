import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { ConvBnAct } from "./conv-bn-act.js";
import { MaxPool } from "./max-pool.js";
import type { PortScope } from "./port-scope.js";
import { Route } from "./route.js";
import { UpperHalf } from "./upper-half.js";

/** What a {@link CspTinyStage} gives. */
export interface CspTinyMaps {
  /** [batch, height/2, width/2, 2·channels]: goes on to the next stage. */
  readonly pooled: tf.Tensor4D;
  /** [batch, height, width, channels]: the finest features, before they are joined and pooled. */
  readonly features: tf.Tensor4D;
}

/**
 * A stage of YOLOv4-tiny's backbone: only half of the channels go through the inner convolutions, the
 * other half passes by (Wang, Bochkovskiy, Liao 2021, Scaled-YOLOv4, arXiv:2011.08036, figure 3).
 */
export class CspTinyStage {
  readonly #entry: ConvBnAct;
  readonly #half: UpperHalf;
  readonly #first: ConvBnAct;
  readonly #second: ConvBnAct;
  readonly #joinInner: Route;
  readonly #mix: ConvBnAct;
  readonly #joinOuter: Route;
  readonly #pool: MaxPool;

  constructor(scope: PortScope, channels: number) {
    const half = channels / 2;
    this.#entry = new ConvBnAct(scope, { channels, filters: channels, size: 3 });
    this.#half = new UpperHalf(scope);
    this.#first = new ConvBnAct(scope, { channels: half, filters: half, size: 3 });
    this.#second = new ConvBnAct(scope, { channels: half, filters: half, size: 3 });
    this.#joinInner = new Route(scope);
    this.#mix = new ConvBnAct(scope, { channels, filters: channels, size: 1 });
    this.#joinOuter = new Route(scope);
    this.#pool = new MaxPool(scope, 2, 2);
  }

  /** @returns two maps, both the caller's to dispose */
  forward(x: tf.Tensor4D, tap: Tap): CspTinyMaps {
    return tf.tidy(() => {
      const entry = this.#entry.forward(x, tap);
      const first = this.#first.forward(this.#half.forward(entry, tap), tap);
      const second = this.#second.forward(first, tap);
      const features = this.#mix.forward(this.#joinInner.forward([second, first], tap), tap);
      const pooled = this.#pool.forward(this.#joinOuter.forward([entry, features], tap), tap);
      return { pooled, features };
    });
  }
}
