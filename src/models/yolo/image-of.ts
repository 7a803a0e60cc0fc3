import type * as tf from "@tensorflow/tfjs-core";
import { InputError } from "../../errors.js";

/**
 * The one input of a detector, [batch, height, width, channels], values from 0 to 1.
 *
 * @throws {InputError} `port` when `inputs` has no `input`
 */
export function imageOf(inputs: Readonly<Record<string, tf.Tensor4D>>): tf.Tensor4D {
  const { input } = inputs;
  if (input === undefined) {
    throw new InputError("port", `inputs: [${Object.keys(inputs)}], expected one named "input"`);
  }
  return input;
}
