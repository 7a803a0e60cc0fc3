import type * as tf from "@tensorflow/tfjs-core";
import { InputError } from "../../errors.js";

/**
 * The one input of a model, whatever the original calls it: Keras numbers its inputs as they are made.
 *
 * @throws {InputError} `port` when there are more
 */
export function onlyInput(inputs: Readonly<Record<string, tf.Tensor4D>>): tf.Tensor4D {
  const [input, ...others] = Object.values(inputs);
  if (input !== undefined && others.length === 0) return input;
  throw new InputError("port", `inputs: [${Object.keys(inputs)}], expected one`);
}
