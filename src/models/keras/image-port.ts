import * as tf from "@tensorflow/tfjs-core";
import { InputError } from "../../errors.js";
import {
  definePort,
  type Port,
  type PortVariable,
  type PortWeights,
  type Tap,
} from "../../port/port.js";

/** A network that makes scores of images. */
export interface ImageModel {
  readonly variables: Readonly<Record<string, PortVariable>>;
  readonly forward: (image: tf.Tensor4D, tap: Tap) => tf.Tensor;
}

/**
 * The port of a Keras model with one input, images with their channels last.
 *
 * @param name - for `--model`; the original's description lies in `references/keras` under the same name
 */
export function imagePort<Model extends ImageModel>(
  name: string,
  build: (weights: PortWeights) => Model,
): Port<Model, tf.Tensor4D> {
  return definePort({
    name,
    original: `${name}.json`,
    layout: "nhwc",
    runtime: "tfjs",
    build,
    forward: (model, inputs, tap) => tf.tidy(() => model.forward(onlyInput(inputs), tap)),
    variables: (model) => model.variables,
  });
}

/** The one input, whatever the original calls it: Keras numbers its inputs as they are made. */
function onlyInput(inputs: Readonly<Record<string, tf.Tensor4D>>): tf.Tensor4D {
  const [input, ...others] = Object.values(inputs);
  if (input !== undefined && others.length === 0) return input;
  throw new InputError("port", `inputs: [${Object.keys(inputs)}], expected one`);
}
