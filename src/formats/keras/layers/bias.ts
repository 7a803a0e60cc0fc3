import type { Layer } from "../layer.js";
import type { Ops, WeightRef } from "../ops.js";
import type { Value } from "../value.js";
import { alongAxis } from "./call.js";

/** Adds a vector along an axis. */
export function addBias(ops: Ops, x: Value, bias: WeightRef, axis: number): Value {
  const vector = ops.view(ops.weight(bias), alongAxis(x.rank, axis, x.size(axis)));
  return ops.add(x, vector, "add_bias");
}

/**
 * The axis along which a layer's bias is added, which is not always the one it was made for: on TensorFlow, `keras.ops.add` of
 * Keras 3 takes every operand with one axis longer than 1 for a bias of the last axis, or else of the second, wherever
 * the sizes agree (keras/src/backend/tensorflow/numpy.py). So a layer of `channels_first` whose output is as wide as it has
 * channels adds one number a column. Keras 2, and Keras 3 on its other backends, add one a channel.
 *
 * @param shape - of what the bias is added to
 * @param axis - that the bias was made for
 */
export function biasAxis({ dialect }: Layer, shape: readonly number[], axis: number): number {
  const size = shape[axis];
  if (dialect !== 3 || size === undefined || size === 1) return axis;
  if (shape.at(-1) === size) return shape.length - 1;
  return shape[1] === size ? 1 : axis;
}
