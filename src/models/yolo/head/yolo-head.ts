import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "../blocks/block.js";
import { ConvBias } from "../blocks/conv-bias.js";
import { ConvBnAct } from "../blocks/conv-bn-act.js";
import type { PortScope } from "../blocks/port-scope.js";

/** Sizes of a {@link YoloHead}. */
export interface YoloHeadConfig {
  /** Channels of the input. */
  readonly channels: number;
  /** Channels of a 3×3 convolution before the prediction; without it there is none. */
  readonly filters?: number;
  /** Boxes that each cell predicts: the length of Darknet's mask. */
  readonly anchors: number;
  readonly classes: number;
  /** Stretches the logistic of x and y so that a box can lie on its cell's border. @defaultValue 1 */
  readonly scaleXY?: number;
}

/**
 * 1×1 convolution to (5 + classes) numbers an anchor, and what Darknet's `[yolo]` makes of them:
 * x, y, objectness and each class through the logistic, then x and y stretched about ½
 * (Redmon, Farhadi 2018, arXiv:1804.02767; the stretch: Bochkovskiy et al. 2020, arXiv:2004.10934).
 * Width and height stay logarithms: anchors are applied when boxes are decoded.
 */
export class YoloHead {
  readonly #id: string;
  readonly #predict: readonly Block[];
  readonly #anchors: number;
  readonly #entries: number;
  readonly #scaleXY: number;

  constructor(scope: PortScope, config: YoloHeadConfig) {
    const { channels, filters, anchors, classes, scaleXY = 1 } = config;
    this.#entries = 5 + classes;
    const features =
      filters === undefined ? [] : [new ConvBnAct(scope, { channels, filters, size: 3 })];
    const last = new ConvBias(scope, filters ?? channels, anchors * this.#entries);
    this.#predict = [...features, last];
    this.#id = scope.layer("yolo");
    this.#anchors = anchors;
    this.#scaleXY = scaleXY;
  }

  /** Taps [batch, height, width, anchors·(5 + classes)], the entries of an anchor side by side. */
  forward(x: tf.Tensor4D, tap: Tap): void {
    tf.tidy(() => {
      tap(this.#id, this.#decode(sequence(this.#predict, x, tap)));
    });
  }

  #decode(raw: tf.Tensor4D): tf.Tensor4D {
    const [batch, height, width] = raw.shape;
    const entries = tf.reshape(raw, [batch, height * width, this.#anchors, this.#entries]);
    const [xy, wh, scores] = tf.split(entries, [2, 2, this.#entries - 4], 3);
    const decoded = tf.concat(
      [
        this.#stretch(tf.sigmoid(xy as tf.Tensor4D)),
        wh as tf.Tensor4D,
        tf.sigmoid(scores as tf.Tensor4D),
      ],
      3,
    );
    return tf.reshape(decoded, raw.shape);
  }

  /** x·s − (s − 1)/2: ½ stays where it is. */
  #stretch(xy: tf.Tensor4D): tf.Tensor4D {
    const scale = this.#scaleXY;
    return scale === 1 ? xy : tf.sub(tf.mul(xy, scale), (scale - 1) / 2);
  }
}
