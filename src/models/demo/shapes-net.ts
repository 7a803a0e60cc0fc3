import * as tf from "@tensorflow/tfjs-core";
import {
  definePort,
  type Port,
  type PortVariable,
  type PortWeights,
  type Tap,
} from "../../port/port.js";

/** What a convolution does after its sum, where it is not what the original does: a planted mistake. */
export interface Mistake {
  /** Added to the variance. The original: 1e-5. */
  readonly epsilon?: number;
  /** Slope of the leaky ReLU for negative values. The original: 0.1. */
  readonly slope?: number;
}

/** Mistakes by layer, e.g. `{ conv_4: { epsilon: 1e-3 } }`. */
export type Mistakes = Readonly<Record<string, Mistake>>;

/** Boxes that a cell of a head predicts. */
const ANCHORS = 3;
/** x, y, width, height, objectness, and a number for each of circle, square, triangle. */
const ENTRIES = 5 + 3;

/**
 * The demo's network, written as one writes a port by hand: YOLOv3-tiny (Redmon, Farhadi 2018,
 * arXiv:1804.02767) with few filters. Maps are [batch, height, width, channels].
 */
class ShapesNet {
  readonly variables: Record<string, PortVariable> = {};
  readonly #weights: PortWeights;
  readonly #mistakes: Mistakes;

  constructor(weights: PortWeights, mistakes: Mistakes) {
    this.#weights = weights;
    this.#mistakes = mistakes;
    for (const name of weights.names) this.#take(name);
  }

  forward(image: tf.Tensor4D, tap: Tap): void {
    const pool = (name: string, x: tf.Tensor4D, stride: number) =>
      tap(name, tf.maxPool(x, 2, stride, "same"));
    let x = image;
    for (const layer of [0, 2, 4, 6]) {
      x = pool(`maxpool_${layer + 1}`, this.#convNormLeaky(`conv_${layer}`, x, tap), 2);
    }
    const fine = this.#convNormLeaky("conv_8", x, tap);
    x = this.#convNormLeaky("conv_10", pool("maxpool_9", fine, 2), tap);
    x = this.#convNormLeaky("conv_12", pool("maxpool_11", x, 1), tap);
    const coarse = this.#convNormLeaky("conv_13", x, tap);
    const deep = this.#convNormLeaky("conv_14", coarse, tap);
    tap("yolo_16", decode(this.#convBias("conv_15", deep, tap)));

    // Back to the coarse map, and up beside the finer one.
    const lifted = this.#convNormLeaky("conv_18", tap("route_17", tf.clone(coarse)), tap);
    const [, height, width] = lifted.shape;
    const wide = tf.image.resizeNearestNeighbor(lifted, [2 * height, 2 * width]);
    const joined = tap("route_20", tf.concat([tap("upsample_19", wide), fine], 3));
    const last = this.#convNormLeaky("conv_21", joined, tap);
    tap("yolo_23", decode(this.#convBias("conv_22", last, tap)));
  }

  /** Convolution, batch normalisation, leaky ReLU. Each step is a tap: a fault is named to the step. */
  #convNormLeaky(name: string, x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    const { epsilon = 1e-5, slope = 0.1 } = this.#mistakes[name] ?? {};
    const sums = tap(`${name}/conv`, tf.conv2d(x, this.#kernel(name), 1, "same"));
    const [mean, variance, bias, scale] = ["mean", "variance", "bias", "scale"].map((role) =>
      this.#vector(`${name}/${role}`),
    ) as [tf.Tensor1D, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D];
    const normed = tap(`${name}/norm`, tf.batchNorm(sums, mean, variance, bias, scale, epsilon));
    return tap(name, tf.leakyRelu(normed, slope));
  }

  #convBias(name: string, x: tf.Tensor4D, tap: Tap): tf.Tensor4D {
    return tap(
      name,
      tf.add(tf.conv2d(x, this.#kernel(name), 1, "same"), this.#vector(`${name}/bias`)),
    );
  }

  /** Darknet stores kernels as [out, in, height, width]; TensorFlow.js wants [height, width, in, out]. */
  #take(name: string): void {
    const isKernel = name.endsWith("/kernel");
    const { data, shape } = this.#weights.take(name, isKernel ? { layout: "hwio" } : {});
    const value = tf.keep(tf.tensor(data, shape));
    this.variables[name] = isKernel ? { value, layout: "hwio" } : { value };
  }

  #kernel(name: string): tf.Tensor4D {
    return this.variables[`${name}/kernel`]?.value as tf.Tensor4D;
  }

  #vector(name: string): tf.Tensor1D {
    return this.variables[name]?.value as tf.Tensor1D;
  }
}

/** What Darknet's `[yolo]` does: the logistic of all but width and height, which stay logarithms. */
function decode(raw: tf.Tensor4D): tf.Tensor4D {
  const [batch, height, width] = raw.shape;
  const entries = tf.reshape(raw, [batch, height * width, ANCHORS, ENTRIES]);
  const [xy, size, scores] = tf.split(entries, [2, 2, ENTRIES - 4], 3) as [
    tf.Tensor4D,
    tf.Tensor4D,
    tf.Tensor4D,
  ];
  return tf.reshape(tf.concat([tf.sigmoid(xy), size, tf.sigmoid(scores)], 3), raw.shape);
}

/** A port of goldens/demo/shapes.cfg, with mistakes or without. */
export function shapesPort(mistakes: Mistakes): Port<ShapesNet, tf.Tensor4D> {
  return definePort({
    name: "shapes",
    original: "shapes.cfg",
    layout: "nhwc",
    runtime: "tfjs",
    build: (weights) => new ShapesNet(weights, mistakes),
    forward: (model, { input }, tap) => tf.tidy(() => model.forward(input as tf.Tensor4D, tap)),
    variables: (model) => model.variables,
  });
}
