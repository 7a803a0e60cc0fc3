import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { ConvBias } from "../blocks/conv-bias.js";
import type { PortScope } from "../blocks/port-scope.js";

/** Sizes of a {@link RegionHead}. */
export interface RegionHeadConfig {
  /** Channels of the input. */
  readonly channels: number;
  /** Boxes that each cell predicts. */
  readonly anchors: number;
  readonly classes: number;
}

/**
 * 1×1 convolution to (5 + classes) numbers an anchor, and what AlexeyAB's Darknet makes of them in
 * `[region]`: objectness through the logistic, classes through a softmax, the box left as it is
 * (Redmon, Farhadi 2016, arXiv:1612.08242).
 */
export class RegionHead {
  readonly #id: string;
  readonly #predict: ConvBias;
  readonly #anchors: number;
  readonly #classes: number;
  readonly #dialect: PortScope["dialect"];

  constructor(scope: PortScope, config: RegionHeadConfig) {
    const { channels, anchors, classes } = config;
    this.#predict = new ConvBias(scope, channels, anchors * (5 + classes));
    this.#id = scope.layer("region");
    this.#anchors = anchors;
    this.#classes = classes;
    this.#dialect = scope.dialect;
  }

  /**
   * Taps [batch, n]: cell after cell, anchor after anchor, (x, y, w, h, objectness, classes) each. In pjreddie's
   * library plane after plane of an anchor, x and y through the logistic too.
   */
  forward(x: tf.Tensor4D, tap: Tap): void {
    tf.tidy(() => {
      const raw = this.#predict.forward(x, tap);
      tap(this.#id, this.#dialect === "pjreddie" ? this.#planes(raw) : this.#decode(raw));
    });
  }

  #planes(raw: tf.Tensor4D): tf.Tensor2D {
    const [batch, height, width, entries] = raw.shape;
    const boxes = tf.reshape(raw, [batch, height * width, this.#anchors, 5 + this.#classes]);
    const [centre, size, objectness, classes] = tf.split(boxes, [2, 2, 1, this.#classes], 3);
    const decoded = tf.concat(
      [
        tf.sigmoid(centre as tf.Tensor),
        size as tf.Tensor,
        tf.sigmoid(objectness as tf.Tensor),
        tf.softmax(classes as tf.Tensor),
      ],
      3,
    );
    return tf.reshape(tf.transpose(decoded, [0, 2, 3, 1]), [batch, height * width * entries]);
  }

  /** NHWC has the entries of a cell side by side already: Darknet's order of cells, flat. */
  #decode(raw: tf.Tensor4D): tf.Tensor2D {
    const [batch, height, width, entries] = raw.shape;
    const boxes = tf.reshape(raw, [batch, height * width * this.#anchors, 5 + this.#classes]);
    const [box, objectness, classes] = tf.split(boxes, [4, 1, this.#classes], 2);
    const decoded = tf.concat(
      [box as tf.Tensor, tf.sigmoid(objectness as tf.Tensor), tf.softmax(classes as tf.Tensor)],
      2,
    );
    return tf.reshape(decoded, [batch, height * width * entries]);
  }
}
