import type * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "../blocks/block.js";
import { ConvBnAct } from "../blocks/conv-bn-act.js";
import { DepthwiseBnAct } from "../blocks/depthwise-bn-act.js";
import type { PortScope } from "../blocks/port-scope.js";

/** Two pairs of a 5×5 depthwise and a linear 1×1 convolution: Yolo-Fastest's light way to a head. */
export class SeparableConvs implements Block {
  readonly #blocks: readonly Block[];

  /** @param channels - of input and output */
  constructor(scope: PortScope, channels: number) {
    this.#blocks = [1, 2].flatMap(() => [
      new DepthwiseBnAct(scope, { channels, size: 5 }),
      new ConvBnAct(scope, { channels, filters: channels, size: 1, activation: "linear" }),
    ]);
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return sequence(this.#blocks, x, tap);
  }
}
