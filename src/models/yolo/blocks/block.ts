import type * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";

/** Part of a network with one input and one output, both [batch, height, width, channels]. */
export interface Block {
  /**
   * Runs the block and taps each of its layers. The result is the caller's to dispose; everything
   * else the block made is gone, and the input is left alone.
   */
  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D;
}

/**
 * Runs blocks one after the other. What lies between two of them is disposed as soon as the second
 * has run, so memory does not grow with the number of blocks.
 */
export function sequence(blocks: readonly Block[], x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
  let value = x;
  for (const block of blocks) {
    const next = block.forward(value, tap);
    if (value !== x) value.dispose();
    value = next;
  }
  return value;
}
