import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import type { Block } from "./block.js";
import type { PortScope } from "./port-scope.js";

/** Side of the blocks of pixels that become channels. */
const STRIDE = 2;

/**
 * Darknet's `[reorg]`: [batch, height, width, channels] to [batch, height/2, width/2, 4·channels].
 *
 * It was meant to be space-to-depth, but it reads its input's memory as if that were a map of a
 * quarter of the channels and twice the size, and the published weights were trained with it. So
 * the same has to be done here, in Darknet's own order of the axes.
 */
export class Reorg implements Block {
  readonly #id: string;

  constructor(scope: PortScope) {
    this.#id = scope.layer("reorg");
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tf.tidy(() => tap(this.#id, reorg(x)));
  }
}

function reorg(x: tf.Tensor4D): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const memory = tf.transpose(x, [0, 3, 1, 2]);
  // The map it takes the memory for, its rows and columns split into blocks of STRIDE.
  const blocks = [batch, channels / STRIDE ** 2, height, STRIDE, width, STRIDE];
  const grouped = tf.transpose(tf.reshape(memory, blocks), [0, 3, 5, 1, 2, 4]);
  const nchw: tf.Tensor4D = tf.reshape(grouped, [
    batch,
    channels * STRIDE ** 2,
    height / STRIDE,
    width / STRIDE,
  ]);
  return tf.transpose(nchw, [0, 2, 3, 1]);
}
