/**
 * A port of any small Darknet network that can be made wrong on purpose: it runs an architecture
 * with TensorFlow.js after the edits that the environment variable DIFFTEST_PLANT lists.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Operation } from "../../../src/architecture/architecture.js";
import type { AttributesByKind } from "../../../src/architecture/attributes.js";
import { architectureFromDarknet } from "../../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../../src/formats/darknet/config.js";
import { definePort, type PortWeights, type RgbImage, type Tap } from "../../../src/port/port.js";
import { networkInput } from "../../../src/inputs/network-input.js";

/** One planted mistake. */
export type Plant =
  /** Other attributes of an operation. */
  | { readonly op: string; readonly attributes: Readonly<Record<string, unknown>> }
  /** Inputs in another order. */
  | { readonly op: string; readonly inputs: "reversed" }
  /** Two output channels of a weight exchanged. */
  | { readonly weight: string; readonly swap: readonly [number, number] }
  /** Nearest replaced by bilinear up-sampling. */
  | { readonly op: string; readonly bilinear: true }
  /** A part of the output is not a number, or one element is off. */
  | { readonly op: string; readonly add: { readonly at: number; readonly value: number } }
  | { readonly preprocess: "bgr" | "none" };

/** What the test asks for. */
export interface PlantedRun {
  readonly config: string;
  readonly plants: readonly Plant[];
  /** Tap the steps inside layers as well. */
  readonly subTaps?: boolean;
  /** Go on with the own tensor at these taps. */
  readonly ignore?: readonly string[];
  readonly skip?: readonly string[];
  readonly preprocess?: boolean;
}

const planted = JSON.parse(process.env["DIFFTEST_PLANT"] ?? "{}") as PlantedRun;

type Model = { readonly operations: readonly Operation[]; readonly weights: ReadonlyMap<string, tf.Tensor>; readonly layers: ReadonlySet<string> };

export default definePort<Model, tf.Tensor4D>({
  name: "interpreter",
  original: planted.config ?? "",
  layout: "nhwc",
  runtime: "tfjs",
  build(weights, context) {
    const { width, height, batch } = context;
    const architecture = architectureFromDarknet(readDarknetConfig(planted.config), { width, height, batch });
    const tensors = new Map(architecture.weights.map(({ name }) => [name, load(weights, name)]));
    return {
      operations: architecture.operations.map(edited),
      weights: tensors,
      layers: new Set(architecture.layers.map(({ id }) => id)),
    };
  },
  forward(model, inputs, tap) {
    const values = new Map<string, tf.Tensor>([["input", Object.values(inputs)[0] as tf.Tensor4D]]);
    for (const operation of model.operations) {
      const value = compute(operation, operation.inputs.map((id) => values.get(id) as tf.Tensor), model.weights);
      values.set(operation.id, tapped(model, operation.id, value, tap));
    }
  },
  ...(planted.preprocess === true ? { preprocess } : {}),
});

function preprocess(image: RgbImage, { width, height }: { width: number; height: number }): { data: Float32Array; shape: number[] } {
  const { data, shape } = networkInput(image, { width, height, letterbox: false });
  const plant = planted.plants.find((one) => "preprocess" in one);
  const nhwc = new Float32Array(data.length);
  const pixels = width * height;
  for (let c = 0; c < 3; c++) {
    const from = plant?.preprocess === "bgr" ? 2 - c : c;
    for (let at = 0; at < pixels; at++) nhwc[at * 3 + c] = data[from * pixels + at] as number;
  }
  return { data: nhwc, shape: [shape[0] ?? 1, height, width, 3] };
}

function tapped(model: Model, id: string, value: tf.Tensor, tap: Tap): tf.Tensor {
  if (planted.skip?.includes(id)) return value;
  if (planted.subTaps !== true && !model.layers.has(id)) return value;
  const back = tap(id, value);
  return planted.ignore?.includes(id) ? value : back;
}

function edited(operation: Operation): Operation {
  let result = operation;
  for (const plant of planted.plants) {
    if (!("op" in plant) || plant.op !== operation.id) continue;
    if ("attributes" in plant) {
      const parameters = { ...(result.attributes as { parameters?: object }).parameters, ...(plant.attributes["parameters"] as object) };
      const merged = { ...result.attributes, ...plant.attributes, ...(Object.keys(parameters).length > 0 ? { parameters } : {}) };
      result = { ...result, attributes: merged } as Operation;
    }
    if ("inputs" in plant) result = { ...result, inputs: [...result.inputs].reverse() };
  }
  return result;
}

function load(weights: PortWeights, name: string): tf.Tensor {
  const kernel = name.endsWith("/kernel");
  const { data, shape } = weights.take(name, kernel ? { layout: "hwio" } : {});
  const plant = planted.plants.find((one) => "weight" in one && one.weight === name);
  if (plant !== undefined && "swap" in plant) {
    const [a, b] = plant.swap;
    const channels = shape.at(-1) ?? 1;
    for (let at = 0; at < data.length; at += channels) {
      [data[at + a], data[at + b]] = [data[at + b] as number, data[at + a] as number];
    }
  }
  return tf.tensor(data, shape);
}

function compute(operation: Operation, inputs: readonly tf.Tensor[], weights: ReadonlyMap<string, tf.Tensor>): tf.Tensor {
  const x = inputs[0] as tf.Tensor4D;
  const weight = (role: string) => weights.get(operation.weights[role] ?? "") as tf.Tensor;
  const value = tf.tidy(() => apply(operation, x, inputs, weight));
  const plant = planted.plants.find((one) => "op" in one && one.op === operation.id && "add" in one);
  if (plant === undefined || !("add" in plant)) return value;
  const data = value.dataSync().slice() as Float32Array;
  data[plant.add.at] = (data[plant.add.at] as number) + plant.add.value;
  return tf.tensor(data, value.shape);
}

function apply(operation: Operation, x: tf.Tensor4D, inputs: readonly tf.Tensor[], weight: (role: string) => tf.Tensor): tf.Tensor {
  switch (operation.kind) {
    case "conv":
      return conv(x, operation.attributes, weight("kernel") as tf.Tensor4D, operation.weights["bias"] === undefined ? null : weight("bias"));
    case "batch-norm": {
      const { epsilon } = operation.attributes;
      return tf.batchNorm(x, weight("mean") as tf.Tensor1D, weight("variance") as tf.Tensor1D, weight("bias") as tf.Tensor1D, weight("scale") as tf.Tensor1D, epsilon);
    }
    case "activation":
      return activate(x, operation.attributes);
    case "pool": {
      const { pads, kernel, strides } = operation.attributes;
      const padded = tf.pad(x, [[0, 0], [pads.top, pads.bottom], [pads.left, pads.right], [0, 0]], -3.4e38);
      return tf.maxPool(padded as tf.Tensor4D, [...kernel], [...strides], "valid");
    }
    case "concat":
      return tf.concat([...inputs] as tf.Tensor4D[], 3);
    case "slice":
      return tf.slice(x, [0, 0, 0, operation.attributes.start], [-1, -1, -1, operation.attributes.end - operation.attributes.start]);
    case "identity":
      return tf.clone(x);
    case "merge":
      return tf.add(x, inputs[1] as tf.Tensor);
    case "upsample": {
      const size: [number, number] = [x.shape[1] * operation.attributes.factor[0], x.shape[2] * operation.attributes.factor[1]];
      const bilinear = planted.plants.some((one) => "op" in one && one.op === operation.id && "bilinear" in one);
      return bilinear ? tf.image.resizeBilinear(x, size) : tf.image.resizeNearestNeighbor(x, size);
    }
    case "global-pool":
      return tf.mean(x, [1, 2], true);
    case "softmax": {
      const batch = x.shape[0];
      return tf.softmax(tf.reshape(tf.transpose(tf.reshape(x, [batch, 1, 1, -1]), [0, 3, 1, 2]), [batch, -1]));
    }
    case "reshape":
      return tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [x.shape[0], ...operation.attributes.shape]);
    case "head":
      return yolo(x, operation.attributes);
    default:
      throw new Error(`the interpreter has no ${operation.kind}`);
  }
}

function conv(x: tf.Tensor4D, attributes: AttributesByKind["conv"], kernel: tf.Tensor4D, bias: tf.Tensor | null): tf.Tensor {
  const { pads, strides, groups } = attributes;
  const padded = tf.pad(x, [[0, 0], [pads.top, pads.bottom], [pads.left, pads.right], [0, 0]]) as tf.Tensor4D;
  const y =
    groups === 1
      ? tf.conv2d(padded, kernel, [...strides], "valid")
      : tf.depthwiseConv2d(padded, tf.transpose(kernel, [0, 1, 3, 2]), [...strides], "valid");
  return bias === null ? y : tf.add(y, bias);
}

function activate(x: tf.Tensor, { function: name, parameters }: AttributesByKind["activation"]): tf.Tensor {
  switch (name) {
    case "leaky":
      return tf.leakyRelu(x, parameters["slope"] as number);
    case "relu":
      return tf.relu(x);
    case "mish":
      return tf.mul(x, tf.tanh(tf.softplus(x)));
    default:
      throw new Error(`the interpreter has no ${name}`);
  }
}

function yolo(x: tf.Tensor4D, { anchors, classes, affine }: AttributesByKind["head"]): tf.Tensor {
  const [b, h, w] = x.shape;
  const boxes = tf.reshape(x, [b * h * w, anchors, 5 + classes]) as tf.Tensor3D;
  const part = (start: number, size: number) => tf.slice(boxes, [0, 0, start], [-1, -1, size]);
  const xy = tf.add(tf.mul(tf.sigmoid(part(0, 2)), affine.scale), affine.offset);
  const rest = tf.sigmoid(part(4, 1 + classes));
  return tf.reshape(tf.concat([xy, part(2, 2), rest], 2), [b, h, w, anchors * (5 + classes)]);
}
