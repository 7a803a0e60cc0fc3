import * as tf from "@tensorflow/tfjs-core";

/** A map ready to be convolved, and the padding that is left for the convolution to do. */
export interface PaddedMap {
  readonly map: tf.Tensor4D;
  readonly pad: "same" | "valid";
}

/**
 * Pads as Darknet does: ⌊size/2⌋ zero pixels on each side, whatever the stride.
 *
 * TensorFlow's `same` is not that: on an even map with stride 2 it pads only below and on the
 * right. The shape is the same and every value is shifted by one pixel, which no shape check sees.
 * With stride 1 and an odd kernel both agree.
 *
 * @param size - side of the kernel in pixels, odd
 */
export function darknetPadding(x: tf.Tensor4D, size: number, stride: number): PaddedMap {
  if (stride === 1) return { map: x, pad: "same" };
  const margin = Math.floor(size / 2);
  const pixels: [number, number] = [margin, margin];
  return { map: tf.pad(x, [[0, 0], pixels, pixels, [0, 0]]), pad: "valid" };
}
