import type * as tf from "@tensorflow/tfjs-core";

/** The three feature maps that a detector with three heads needs. */
export interface PyramidMaps {
  /** 1/8 of the image's side, 256 channels. */
  readonly fine: tf.Tensor4D;
  /** 1/16 of the image's side, 512 channels. */
  readonly medium: tf.Tensor4D;
  /** 1/32 of the image's side, 1024 channels. */
  readonly coarse: tf.Tensor4D;
}
