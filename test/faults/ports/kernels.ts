import * as tf from "@tensorflow/tfjs-core";
import type { Operation, OperationOf } from "../../../src/architecture/architecture.js";
import type { AttributesByKind, Pads } from "../../../src/architecture/attributes.js";
import { ungrouped } from "./spoil.js";

type Weight = (role: string) => tf.Tensor | undefined;

/**
 * One operation in TensorFlow.js; rank-4 values are NHWC.
 *
 * @param ways - mistakes in how it is computed
 */
export function apply(
  operation: Operation,
  inputs: readonly tf.Tensor[],
  weight: Weight,
  ways: ReadonlySet<string>,
): tf.Tensor {
  const x = inputs[0] as tf.Tensor4D;
  switch (operation.kind) {
    case "conv":
      return conv(x, operation.attributes, weight, ways.has("ungrouped"));
    case "dense":
      return dense(x, weight, ways.has("nhwc-flat"));
    case "batch-norm":
      return batchNorm(x, operation, weight, ways.has("outside"));
    case "activation":
      return activate(x, operation.attributes);
    case "pool":
      return pool(x, operation.attributes);
    case "concat":
      return tf.concat([...inputs], 3);
    case "slice":
      return slice(x, operation.attributes);
    case "identity":
      return tf.clone(x);
    case "weighted-sum":
      return weightedSum(inputs as readonly tf.Tensor4D[], operation.attributes, weight);
    case "merge":
      return merge(inputs, operation.attributes.mode);
    case "constant":
      return tf.fill(x.shape, operation.attributes.value);
    case "upsample": {
      const [high, wide] = operation.attributes.factor;
      const size: [number, number] = [x.shape[1] * high, x.shape[2] * wide];
      return ways.has("bilinear")
        ? tf.image.resizeBilinear(x, size)
        : tf.image.resizeNearestNeighbor(x, size);
    }
    case "resize": {
      const { mode, height, width, coordinates } = operation.attributes;
      const resize = mode === "bilinear" ? tf.image.resizeBilinear : tf.image.resizeNearestNeighbor;
      return resize(
        x,
        [height, width],
        coordinates === "align-corners",
        coordinates === "half-pixel",
      );
    }
    case "reorg":
      return reorg(x, operation.attributes.stride);
    case "space-to-depth":
      return spaceToDepth(x, operation.attributes.stride);
    case "global-pool":
      return tf.mean(x, [1, 2], true);
    case "softmax":
      return softmax(x, operation.attributes.temperature, ways.has("all"));
    case "reshape":
      return reshape(x, operation.attributes.shape);
    case "head":
      return yolo(x, operation.attributes);
    default:
      throw new Error(`the interpreter has no ${operation.kind}`);
  }
}

function padded(x: tf.Tensor4D, { top, bottom, left, right }: Pads, value = 0): tf.Tensor4D {
  const sides: [number, number][] = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  return tf.pad(x, sides, value);
}

function conv(
  x: tf.Tensor4D,
  { pads, strides, dilations, groups }: AttributesByKind["conv"],
  weight: Weight,
  allChannels: boolean,
): tf.Tensor {
  const kernel = weight("kernel") as tf.Tensor4D;
  const bias = weight("bias");
  const input = padded(x, pads);
  const y = allChannels
    ? tf.conv2d(input, ungrouped(kernel, groups), [...strides], "valid", "NHWC", [...dilations])
    : tf.concat(
        grouped(input, kernel, groups).map(([part, filters]) =>
          tf.conv2d(part, filters, [...strides], "valid", "NHWC", [...dilations]),
        ),
        3,
      );
  return bias === undefined ? y : tf.add(y, bias);
}

/** The input channels and the filters of each group. */
function grouped(
  x: tf.Tensor4D,
  kernel: tf.Tensor4D,
  groups: number,
): (readonly [tf.Tensor4D, tf.Tensor4D])[] {
  if (groups === 1) return [[x, kernel]];
  const parts = tf.split(x, groups, 3);
  const filters = tf.split(kernel, groups, 3);
  return parts.map((part, k) => [part as tf.Tensor4D, filters[k] as tf.Tensor4D] as const);
}

function dense(x: tf.Tensor, weight: Weight, asIs: boolean): tf.Tensor {
  const batch = x.shape[0] ?? 1;
  const rows = x.rank === 4 && !asIs ? tf.transpose(x, [0, 3, 1, 2]) : x;
  const y = tf.matMul(tf.reshape(rows, [batch, -1]), weight("kernel") as tf.Tensor2D, false, true);
  const bias = weight("bias");
  return bias === undefined ? y : tf.add(y, bias);
}

function batchNorm(
  x: tf.Tensor,
  { attributes: { epsilon, epsilonPlace } }: OperationOf<"batch-norm">,
  weight: Weight,
  exchanged: boolean,
): tf.Tensor {
  const [mean, variance, bias, scale] = ["mean", "variance", "bias", "scale"].map(
    (role) => weight(role) as tf.Tensor1D,
  ) as [tf.Tensor1D, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D];
  const outside = (epsilonPlace === "outside") !== exchanged;
  const root = outside ? tf.add(tf.sqrt(variance), epsilon) : tf.sqrt(tf.add(variance, epsilon));
  return tf.add(tf.mul(tf.div(tf.sub(x, mean), root), scale), bias);
}

function pool(
  x: tf.Tensor4D,
  { mode, pads, kernel, strides, countPadding }: AttributesByKind["pool"],
): tf.Tensor {
  if (mode === "max")
    return tf.maxPool(padded(x, pads, -3.4e38), [...kernel], [...strides], "valid");
  const sums = tf.avgPool(padded(x, pads), [...kernel], [...strides], "valid");
  if (countPadding) return sums;
  const inside = tf.avgPool(padded(tf.onesLike(x), pads), [...kernel], [...strides], "valid");
  return tf.div(sums, inside);
}

function slice(x: tf.Tensor, { axis, start, end }: AttributesByKind["slice"]): tf.Tensor {
  const own = x.rank === 4 ? [0, 3, 1, 2][axis] : axis;
  const begin = x.shape.map((_, k) => (k === own ? start : 0));
  return tf.slice(
    x,
    begin,
    x.shape.map((size, k) => (k === own ? end - start : size)),
  );
}

function merge(inputs: readonly tf.Tensor[], mode: AttributesByKind["merge"]["mode"]): tf.Tensor {
  const [a, b] = inputs as readonly [tf.Tensor, tf.Tensor];
  switch (mode) {
    case "add":
      return tf.add(a, b);
    case "multiply":
      return tf.mul(a, b);
    case "subtract":
      return tf.sub(a, b);
    case "maximum":
      return tf.maximum(a, b);
    case "average":
      return tf.mul(tf.add(a, b), 0.5);
  }
}

/** As the published YOLOv2 ports do it: the map's memory in Darknet's order, read with other sizes. */
function reorg(x: tf.Tensor4D, stride: number): tf.Tensor {
  const [batch, height, width, channels] = x.shape;
  const fewer = channels / (stride * stride);
  const memory = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [
    batch,
    fewer,
    height,
    stride,
    width,
    stride,
  ]);
  const blocks = tf.transpose(memory, [0, 3, 5, 1, 2, 4]);
  const shape = [batch, channels * stride * stride, height / stride, width / stride];
  return tf.transpose(tf.reshape(blocks, shape), [0, 2, 3, 1]);
}

function spaceToDepth(x: tf.Tensor4D, stride: number): tf.Tensor {
  const [batch, height, width, channels] = x.shape;
  const [rows, columns] = [height / stride, width / stride];
  const blocks = tf.reshape(x, [batch, rows, stride, columns, stride, channels]);
  const apart = tf.transpose(blocks, [0, 1, 3, 2, 4, 5]);
  return tf.reshape(apart, [batch, rows, columns, channels * stride * stride]);
}

function softmax(x: tf.Tensor, temperature: number, overBatch: boolean): tf.Tensor {
  const batch = x.shape[0] ?? 1;
  const rows = tf.reshape(x.rank === 4 ? tf.transpose(x, [0, 3, 1, 2]) : x, [batch, -1]);
  const cooled = tf.div(rows, temperature);
  if (!overBatch) return tf.reshape(tf.softmax(cooled), rows.shape);
  return tf.reshape(tf.softmax(tf.reshape(cooled, [-1])), rows.shape);
}

/** The shape is in the original's order of axes. */
function reshape(x: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const memory = x.rank === 4 ? tf.transpose(x, [0, 3, 1, 2]) : x;
  const result = tf.reshape(memory, [x.shape[0] ?? 1, ...shape]);
  return shape.length === 3 ? tf.transpose(result, [0, 2, 3, 1]) : result;
}

function activate(
  x: tf.Tensor,
  { function: name, parameters }: AttributesByKind["activation"],
): tf.Tensor {
  switch (name) {
    case "linear":
      return tf.clone(x);
    case "leaky":
      return tf.leakyRelu(x, parameters["slope"] as number);
    case "relu":
      return tf.relu(x);
    case "mish":
      return tf.mul(x, tf.tanh(tf.softplus(x)));
    case "hard-mish": {
      const inside = tf.clipByValue(x, -2, 0);
      return tf.add(tf.relu(x), tf.mul(inside, tf.add(tf.div(inside, 2), 1)));
    }
    case "swish":
      return tf.mul(x, tf.sigmoid(x));
    case "logistic":
      return tf.sigmoid(x);
    case "tanh":
      return tf.tanh(x);
    case "softplus":
      return tf.softplus(x);
    case "elu":
      return tf.elu(x);
    case "hard-sigmoid": {
      const [slope, offset] = [parameters["slope"] as number, parameters["offset"] as number];
      return tf.clipByValue(tf.add(tf.mul(x, slope), offset), 0, 1);
    }
    case "clipped-relu":
      return tf.clipByValue(x, parameters["minimum"] as number, parameters["maximum"] as number);
    default:
      throw new Error(`the interpreter has no ${name}`);
  }
}

function weightedSum(
  inputs: readonly tf.Tensor4D[],
  { normalization, epsilon, perChannel }: AttributesByKind["weighted-sum"],
  weight: Weight,
): tf.Tensor {
  const stored = tf.reshape(weight("weights") as tf.Tensor, [inputs.length, -1]);
  const parts =
    normalization === "softmax"
      ? tf.exp(tf.sub(stored, tf.max(stored, 0, true)))
      : normalization === "relu"
        ? tf.relu(stored)
        : stored;
  const whole =
    normalization === "none" ? parts : tf.div(parts, tf.add(tf.sum(parts, 0, true), epsilon));
  const channels = perChannel ? (inputs[0]?.shape[3] ?? 1) : 1;
  const rows = tf.split(tf.reshape(whole, [inputs.length, channels]), inputs.length, 0);
  return tf.addN(inputs.map((x, k) => tf.mul(x, tf.reshape(rows[k] as tf.Tensor, [1, 1, 1, -1]))));
}

function yolo(
  x: tf.Tensor4D,
  { anchors, classes, logistic, affine }: AttributesByKind["head"],
): tf.Tensor {
  const [batch, height, width] = x.shape;
  const planes = 5 + classes;
  const boxes = tf.reshape(x, [batch * height * width, anchors, planes]);
  const parts = tf.split(boxes, planes, 2).map((plane, k) => {
    const value = logistic.includes(k) ? tf.sigmoid(plane) : plane;
    return affine.planes.includes(k) ? tf.add(tf.mul(value, affine.scale), affine.offset) : value;
  });
  return tf.reshape(tf.concat(parts, 2), [batch, height, width, anchors * planes]);
}
