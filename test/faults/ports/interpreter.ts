/**
 * A port of any small Darknet network that can be made wrong on purpose: it runs an architecture
 * with TensorFlow.js after the edits that the environment variable DIFFTEST_PLANT lists.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Operation, OperationOf } from "../../../src/architecture/architecture.js";
import {
  definePort,
  type PortVariable,
  type PortWeights,
  type RgbImage,
  type Tap,
} from "../../../src/port/port.js";
import { apply } from "./kernels.js";
import type { PlantedRun } from "./plants.js";
import { changedOutput, changedWeight } from "./spoil.js";

const planted = JSON.parse(process.env["DIFFTEST_PLANT"] ?? "{}") as PlantedRun;
const { architecture } = planted;

interface Model {
  readonly operations: readonly Operation[];
  readonly weights: ReadonlyMap<string, tf.Tensor>;
  readonly layers: ReadonlySet<string>;
  readonly inputs: readonly string[];
}

export default definePort<Model, tf.Tensor>({
  name: "interpreter",
  original: "a small network",
  layout: planted.layout ?? "nhwc",
  runtime: "tfjs",
  build(weights) {
    const specs = architecture.weights.filter(({ name }) => weights.has(name));
    return {
      operations: architecture.operations.map(edited),
      weights: new Map(specs.map(({ name, shape }) => [name, load(weights, name, shape)])),
      layers: new Set(architecture.layers.map(({ id }) => id)),
      inputs: architecture.inputs.map(({ name }) => name),
    };
  },
  forward(model, inputs, tap) {
    const values = new Map<string, tf.Tensor>();
    for (const name of model.inputs) values.set(name, Object.values(inputs)[0] as tf.Tensor);
    for (const operation of planted.folded === true ? folded(model) : model.operations) {
      if (!hasWeights(operation, model)) return;
      const value = compute(operation, values, model.weights);
      values.set(operation.id, tapped(model, operation.id, value, tap));
    }
  },
  ...(planted.preprocess === true ? { preprocess } : {}),
  ...(planted.variables === true ? { variables } : {}),
});

/** With `--partial` some layers have none: the port ends before them. */
function hasWeights(operation: Operation, { weights }: Model): boolean {
  return Object.values(operation.weights).every((name) => weights.has(name));
}

function variables({ weights }: Model): Record<string, PortVariable> {
  return Object.fromEntries(
    [...weights].map(([name, value]) => [
      name,
      value.rank === 4 ? { value, layout: "hwio" } : { value },
    ]),
  );
}

async function preprocess(
  image: RgbImage,
  { width, height }: { width: number; height: number },
): Promise<{ data: Float32Array; shape: number[] }> {
  const { networkInput } = await import("../../../src/inputs/network-input.js");
  const { data } = networkInput(image, { width, height, letterbox: false });
  const way = planted.plants.find((one) => "preprocess" in one)?.preprocess;
  const factor = way === "twice" ? 1 / 255 : way === "not divided" ? 255 : 1;
  const nhwc = new Float32Array(data.length);
  for (let at = 0; at < nhwc.length; at++) {
    const [pixel, channel] = [Math.floor(at / 3), at % 3];
    const column = pixel % width;
    const from = way === "mirrored" ? pixel - column + (width - 1 - column) : pixel;
    const plane = way === "bgr" ? 2 - channel : channel;
    nhwc[at] = factor * (data[plane * width * height + from] as number);
  }
  return { data: nhwc, shape: [1, height, width, 3] };
}

let steps = 0;
function tapped(model: Model, id: string, value: tf.Tensor, tap: Tap): tf.Tensor {
  if (planted.skip?.includes(id)) return value;
  if (planted.subTaps !== true && !model.layers.has(id)) return value;
  const name = planted.ownNames === true ? `step ${steps++}` : (planted.rename?.[id] ?? id);
  const back = tap(name, value);
  return planted.ignore?.includes(id) ? value : back;
}

function edited(operation: Operation): Operation {
  let result = operation;
  for (const plant of planted.plants) {
    if (!("op" in plant) || plant.op !== operation.id) continue;
    if ("kind" in plant) {
      result = { ...result, kind: plant.kind, attributes: plant.attributes } as Operation;
    } else if ("attributes" in plant) {
      const own = result.attributes as { parameters?: object };
      const parameters = { ...own.parameters, ...(plant.attributes["parameters"] as object) };
      const merged = { ...own, ...plant.attributes };
      const attributes = own.parameters === undefined ? merged : { ...merged, parameters };
      result = { ...result, attributes } as Operation;
    }
    if ("inputs" in plant) {
      const inputs = plant.inputs === "reversed" ? [...result.inputs].reverse() : plant.inputs;
      result = { ...result, inputs };
    }
  }
  return result;
}

function load(weights: PortWeights, name: string, shape: readonly number[]): tf.Tensor {
  if (planted.untaken?.includes(name) === true) return tf.ones([...shape]);
  const changes = planted.plants.flatMap((one) =>
    "weight" in one && one.weight === name ? [one.change] : [],
  );
  let { data } = weights.take(name);
  for (const change of changes) data = changedWeight(data, shape, change, (n) => weights.take(n));
  if (shape.length !== 4) {
    // What is unchanged stays the very array that was handed out, so that its way can be followed.
    return tf.tensor(data, [...shape]);
  }
  if (changes.length === 0) {
    const hwio = weights.take(name, { layout: "hwio" });
    return tf.tensor(hwio.data, hwio.shape);
  }
  return tf.transpose(tf.tensor(data, [...shape]), [2, 3, 1, 0]);
}

function compute(
  operation: Operation,
  values: ReadonlyMap<string, tf.Tensor>,
  weights: ReadonlyMap<string, tf.Tensor>,
): tf.Tensor {
  const inputs = operation.inputs.map((id) => values.get(id) as tf.Tensor);
  const plants = planted.plants.flatMap((one) =>
    "op" in one && one.op === operation.id ? [one] : [],
  );
  const ways = plants.flatMap((one) => ("way" in one ? [one.way] : []));
  const weight = (role: string) => weights.get(operation.weights[role] ?? "");
  let value = tf.tidy(() => apply(operation, inputs, weight, new Set(ways)));
  for (const plant of plants) if ("output" in plant) value = changedOutput(value, plant.output);
  return value;
}

/** The same network with every batch norm inside its convolution, as deployed ports have it. */
function folded(model: Model): Operation[] {
  const norms = new Map(
    model.operations.flatMap((one) =>
      one.kind === "batch-norm" ? [[one.inputs[0] ?? "", one] as const] : [],
    ),
  );
  return model.operations.map((operation) => {
    if (operation.kind === "batch-norm")
      return { ...operation, kind: "identity", attributes: {}, weights: {} };
    const norm = norms.get(operation.id);
    return norm === undefined || operation.kind !== "conv"
      ? operation
      : foldedConv(operation, norm, model.weights as Map<string, tf.Tensor>);
  });
}

function foldedConv(
  conv: OperationOf<"conv">,
  norm: OperationOf<"batch-norm">,
  weights: Map<string, tf.Tensor>,
): Operation {
  const of = (role: string) => weights.get(norm.weights[role] ?? "") as tf.Tensor;
  const kernel = weights.get(conv.weights["kernel"] ?? "") as tf.Tensor4D;
  const factor = tf.div(of("scale"), tf.sqrt(tf.add(of("variance"), norm.attributes.epsilon)));
  weights.set(`${conv.id}/folded`, tf.mul(kernel, factor));
  weights.set(`${conv.id}/shift`, tf.sub(of("bias"), tf.mul(of("mean"), factor)));
  return { ...conv, weights: { kernel: `${conv.id}/folded`, bias: `${conv.id}/shift` } };
}
