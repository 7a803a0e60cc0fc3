import * as tf from "@tensorflow/tfjs-core";
import type { PortVariable, PortWeights } from "../../port/port.js";
import type { DenseLayout, KernelLayout } from "../../tensor/layout.js";

/**
 * Hands out a Keras model's weights by the names of its layers and remembers each as a variable.
 *
 * Keras stores its kernels in the order that TensorFlow.js computes in; the layouts are still asked for
 * by name, so that the same port could be given another format's weights.
 */
export class LayerWeights {
  readonly #weights: PortWeights;
  readonly #variables: Record<string, PortVariable> = {};

  constructor(weights: PortWeights) {
    this.#weights = weights;
  }

  /** Every variable made so far by the original's name, with the layout it has here. */
  get variables(): Readonly<Record<string, PortVariable>> {
    return this.#variables;
  }

  /** A vector, one number a channel: `bias`, `gamma`, `moving_mean` … */
  vector(layer: string, role: string): tf.Tensor1D {
    return this.#variable(`${layer}/${role}`) as tf.Tensor1D;
  }

  /** A convolution kernel, `hwio`, or `hwoi` of a depthwise one ([kH, kW, channel, 1]). */
  kernel(layer: string, layout: KernelLayout = "hwio"): tf.Tensor4D {
    return this.#variable(`${layer}/kernel`, layout) as tf.Tensor4D;
  }

  /** A dense kernel, [inputs, units]. */
  matrix(layer: string): tf.Tensor2D {
    return this.#variable(`${layer}/kernel`, "io") as tf.Tensor2D;
  }

  #variable(name: string, layout?: KernelLayout | DenseLayout): tf.Tensor {
    const { data, shape } = this.#weights.take(name, layout === undefined ? {} : { layout });
    // Kept: a model lives longer than any `tf.tidy` it happens to be built in.
    const value = tf.keep(tf.tensor(data, shape));
    this.#variables[name] = layout === undefined ? { value } : { value, layout };
    return value;
  }
}
