import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../port/port.js";
import type { LayerWeights } from "../keras/layer-weights.js";

/** Keras' value for MobileNet; inside the root. */
const EPSILON = 1e-3;

/** Batch normalisation with stored statistics. */
export class BatchNorm {
  readonly #id: string;
  readonly #gamma: tf.Tensor1D;
  readonly #beta: tf.Tensor1D;
  readonly #mean: tf.Tensor1D;
  readonly #variance: tf.Tensor1D;

  constructor(weights: LayerWeights, id: string) {
    this.#id = id;
    this.#gamma = weights.vector(id, "gamma");
    this.#beta = weights.vector(id, "beta");
    this.#mean = weights.vector(id, "moving_mean");
    this.#variance = weights.vector(id, "moving_variance");
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    const normed = tf.batchNorm(x, this.#mean, this.#variance, this.#beta, this.#gamma, EPSILON);
    return tap(this.#id, normed);
  }
}

/** Convolution without bias, normalisation, and ReLU6 unless `linear`. */
export class ConvNorm {
  readonly #id: string;
  readonly #kernel: tf.Tensor4D;
  readonly #stride: number;
  readonly #norm: BatchNorm;
  readonly #relu: string | null;

  constructor(
    weights: LayerWeights,
    names: { readonly conv: string; readonly norm: string; readonly relu: string | null },
    stride = 1,
  ) {
    this.#id = names.conv;
    this.#kernel = weights.kernel(names.conv);
    this.#stride = stride;
    this.#norm = new BatchNorm(weights, names.norm);
    this.#relu = names.relu;
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    const summed = tap(this.#id, tf.conv2d(x, this.#kernel, this.#stride, "same"));
    const normed = this.#norm.forward(summed, tap);
    return this.#relu === null ? normed : tap(this.#relu, tf.relu6(normed));
  }
}

/** Depthwise 3×3 convolution; with stride 2 the map gets a row below and a column on the right first. */
export class DepthwiseNorm {
  readonly #prefix: string;
  readonly #kernel: tf.Tensor4D;
  readonly #stride: 1 | 2;
  readonly #norm: BatchNorm;

  constructor(weights: LayerWeights, prefix: string, stride: 1 | 2) {
    this.#prefix = prefix;
    this.#kernel = weights.kernel(`${prefix}depthwise`, "hwoi");
    this.#stride = stride;
    this.#norm = new BatchNorm(weights, `${prefix}depthwise_BN`);
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    const id = `${this.#prefix}depthwise`;
    const padded = this.#stride === 1 ? x : tap(`${this.#prefix}pad`, padBelow(x));
    const padding = this.#stride === 1 ? "same" : "valid";
    const summed = tap(id, tf.depthwiseConv2d(padded, this.#kernel, this.#stride, padding));
    return tap(`${id}_relu`, tf.relu6(this.#norm.forward(summed, tap)));
  }
}

function padBelow(x: tf.Tensor4D): tf.Tensor4D {
  return tf.pad4d(x, [
    [0, 0],
    [0, 1],
    [0, 1],
    [0, 0],
  ]);
}

/** Where an inverted residual block stands, and what it does. */
export interface BlockShape {
  /** Before the names of its layers: `block_3_`. */
  readonly prefix: string;
  readonly expands: boolean;
  readonly stride: 1 | 2;
  /** Whether its input is added to its output. */
  readonly adds: boolean;
}

/** Expand, filter each channel, project: Figure 3 of the paper. */
export class InvertedResidual {
  readonly #shape: BlockShape;
  readonly #expand: ConvNorm | null;
  readonly #depthwise: DepthwiseNorm;
  readonly #project: ConvNorm;

  constructor(weights: LayerWeights, shape: BlockShape) {
    const { prefix } = shape;
    this.#shape = shape;
    const names = (part: string, relu: string | null) => ({
      conv: `${prefix}${part}`,
      norm: `${prefix}${part}_BN`,
      relu,
    });
    this.#expand = shape.expands
      ? new ConvNorm(weights, names("expand", `${prefix}expand_relu`))
      : null;
    this.#depthwise = new DepthwiseNorm(weights, prefix, shape.stride);
    this.#project = new ConvNorm(weights, names("project", null));
  }

  forward(x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    const wide = this.#expand?.forward(x, tap) ?? x;
    const projected = this.#project.forward(this.#depthwise.forward(wide, tap), tap);
    return this.#shape.adds ? tap(`${this.#shape.prefix}add`, tf.add(x, projected)) : projected;
  }
}
