import * as tf from "@tensorflow/tfjs-core";
import type { BuildContext, PortVariable, PortWeights } from "../../../port/port.js";
import type { KernelLayout } from "../../../tensor/layout.js";

/**
 * Hands out layer ids and weights while a network is built.
 *
 * Darknet numbers the layers of a network in the order in which its config lists them, and stores
 * the weights in that order. Blocks are therefore built in that order too, and each asks for the
 * ids of its layers when it is built: the same block can stand anywhere in any network.
 */
export class PortScope {
  /** Whether blocks also tap what lies inside a layer: `conv_0/conv`, `conv_0/norm`. */
  readonly subTaps: boolean;
  /** Whose rules the weights were trained by, where Darknet's two libraries differ. */
  readonly dialect: "alexeyab" | "pjreddie";
  readonly #weights: PortWeights;
  readonly #variables: Record<string, PortVariable> = {};
  #layers = 0;

  constructor(weights: PortWeights, context: BuildContext) {
    this.#weights = weights;
    const { subTaps, dialect } = context.options;
    this.subTaps = subTaps === true;
    this.dialect = dialect === "pjreddie" ? dialect : "alexeyab";
  }

  /** Every variable made so far by the original's name, with the layout it has here. */
  get variables(): Readonly<Record<string, PortVariable>> {
    return this.#variables;
  }

  /**
   * The next layer's id.
   *
   * @param section - Darknet's word for the layer, `convolutional` shortened to `conv`
   * @returns e.g. `conv_0`, then `maxpool_1`
   */
  layer(section: string): string {
    const index = this.#layers;
    this.#layers += 1;
    return `${section}_${index}`;
  }

  /** A vector of the original's weights, one number a channel. */
  vector(name: string, length: number): tf.Tensor1D {
    return this.#variable(name, [length]) as tf.Tensor1D;
  }

  /**
   * A convolution kernel.
   *
   * @param shape - in `layout`'s order
   * @param layout - `hwio` for {@link tf.conv2d}; `hwoi` for {@link tf.depthwiseConv2d}, where each
   *   channel's one filter is [kH, kW, channel, 1]
   */
  kernel(
    name: string,
    shape: readonly [number, number, number, number],
    layout: KernelLayout,
  ): tf.Tensor4D {
    return this.#variable(name, shape, layout) as tf.Tensor4D;
  }

  #variable(name: string, shape: readonly number[], layout?: KernelLayout): tf.Tensor {
    const options = layout === undefined ? { shape } : { shape, layout };
    const { data } = this.#weights.take(name, options);
    // Kept: a model lives longer than any `tf.tidy` it happens to be built in.
    const value = tf.keep(tf.tensor(data, [...shape]));
    this.#variables[name] = layout === undefined ? { value } : { value, layout };
    return value;
  }
}
