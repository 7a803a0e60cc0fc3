import * as tf from "@tensorflow/tfjs-core";
import { OnnxRuntimeProcess } from "../../src/references/onnxruntime/onnxruntime-process.js";
import { convertLayout } from "../../src/tensor/layout.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { functionErrorFor, startBackend } from "./backends.js";
import { type Expected, exactness, expectedOf } from "./measure.js";
import { type Probe, type ProbeOperation, probeOf } from "./probe.js";
import { markdownTable, Numbers, quantile, shown, sortedRatios } from "./statistics.js";

/** One operation other than a convolution, and the ways in which right ports write it. */
interface Step {
  readonly probe: Probe;
  /** From the inputs (NHWC where they are maps) to the value of the last operation (likewise). */
  readonly forms: readonly ((inputs: readonly tf.Tensor[], weight: Weight) => tf.Tensor)[];
}
type Weight = (role: string) => tf.Tensor1D;

/** How far right ports lie from the bounds of everything but convolutions: Markdown. */
export async function stepReport(who: string): Promise<string> {
  await startBackend(who);
  const process = await OnnxRuntimeProcess.start();
  const rows = [
    ["step", "median ÷ trigger", "99.9 %", "max", "max ÷ hard bound", "RMS: port ÷ reference"],
  ];
  try {
    for (const { probe, forms } of steps()) {
      const expected = await expectedOf(process, probe, functionErrorFor(who));
      rows.push([probe.title, ...cells(probe, forms, expected.get("y") as Expected)]);
    }
  } finally {
    await process.close();
  }
  return `### ${who}: how far other right steps lie from their bounds\n\n${markdownTable(rows)}`;
}

/** The worst of the forms. */
function cells(probe: Probe, forms: Step["forms"], expected: Expected): string[] {
  const { values, trigger, hard } = expected;
  const found = forms.map((form) => {
    const actual = run(probe, form);
    const ratios = sortedRatios(actual, values.data, trigger);
    return [
      quantile(ratios, 0.5),
      quantile(ratios, 0.999),
      quantile(ratios, 1),
      quantile(sortedRatios(actual, values.data, hard), 1),
      exactness(actual, expected),
    ];
  });
  return [0, 1, 2, 3, 4].map((k) => shown(Math.max(...found.map((row) => row[k] ?? 0))));
}

function run({ inputs, weights }: Probe, form: Step["forms"][number]): Float32Array {
  return tf.tidy(() => {
    const given = [...inputs.values()].map((input) => {
      const { data, shape } = convertLayout(input, "nchw", "nhwc");
      return tf.tensor(data, [...shape]);
    });
    const y = form(given, (role) => tf.tensor1d(weights[`y/${role}`] as Float32Array));
    const shape = y.shape as readonly number[];
    return convertLayout(tensor(shape, y.dataSync() as Float32Array), "nhwc", "nchw").data;
  });
}

function steps(): Step[] {
  return [...normalizations(), ...averages(), ...softmaxes(), ...heads(), ...sums()];
}

/** The last operation has the id `y`. */
function step(
  title: string,
  inputs: Readonly<Record<string, Tensor>>,
  operation: Omit<ProbeOperation, "id">,
  ...forms: Step["forms"]
): Step {
  return { probe: probeOf(title, inputs, [{ ...operation, id: "y" } as ProbeOperation]), forms };
}

function normal(shape: readonly number[], seed: number, spread = 1, centre = 0): Tensor {
  const random = new Numbers(seed);
  return tensor(
    shape,
    random.fill(sizeOf(shape), () => centre + spread * random.normal()),
  );
}

/** Values of a tensor that lie in `[from, to)`. */
function uniform(shape: readonly number[], seed: number, from: number, to: number): Tensor {
  const random = new Numbers(seed);
  return tensor(
    shape,
    random.fill(sizeOf(shape), () => from + (to - from) * random.uniform()),
  );
}

const EPSILON = 1e-5;

/** Written with the library's function, as definition says, and as one product and sum. */
function normalizations(): Step[] {
  return [0, 10, 1000].map((centre) =>
    step(
      `batch norm, mean ${centre} σ`,
      { input: normal([1, 64, 26, 26], 1, 1, centre) },
      {
        kind: "batch-norm",
        inputs: ["input"],
        attributes: { axis: 1, epsilon: EPSILON, epsilonPlace: "inside" },
        weights: {
          mean: uniform([64], 2, centre - 0.2, centre + 0.2),
          variance: uniform([64], 3, 0.5, 1.5),
          scale: uniform([64], 4, 0.5, 1.5),
          bias: uniform([64], 5, -0.2, 0.2),
        },
      },
      ([x], w) =>
        tf.batchNorm(x as tf.Tensor, w("mean"), w("variance"), w("bias"), w("scale"), EPSILON),
      ([x], w) => {
        const centred = tf.sub(x as tf.Tensor, w("mean"));
        const divided = tf.div(centred, tf.sqrt(tf.add(w("variance"), EPSILON)));
        return tf.add(tf.mul(divided, w("scale")), w("bias"));
      },
      ([x], w) => {
        const gain = tf.mul(w("scale"), tf.rsqrt(tf.add(w("variance"), EPSILON)));
        return tf.add(tf.mul(x as tf.Tensor, gain), tf.sub(w("bias"), tf.mul(w("mean"), gain)));
      },
    ),
  );
}

function averages(): Step[] {
  const pools = ([2, 3, 5] as const).map((size) =>
    step(
      `average pool ${size}×${size}`,
      { input: normal([1, 64, 26, 26], size) },
      {
        kind: "pool",
        inputs: ["input"],
        attributes: {
          mode: "average",
          kernel: [size, size],
          strides: [2, 2],
          pads: { top: 0, bottom: 0, left: 0, right: 0 },
          countPadding: false,
        },
      },
      ([x]) => tf.avgPool(x as tf.Tensor4D, size, 2, "valid"),
    ),
  );
  const whole = [
    { side: 13, centre: 0 },
    { side: 26, centre: 0 },
    { side: 26, centre: 1 },
  ].map(({ side, centre }) =>
    step(
      `global average ${side}×${side}${centre === 0 ? "" : ", mean 1 σ"}`,
      { input: normal([1, 512, side, side], side, 1, centre) },
      { kind: "global-pool", inputs: ["input"], attributes: { mode: "average" } },
      ([x]) => tf.mean(x as tf.Tensor, [1, 2], true),
      ([x]) => tf.avgPool(x as tf.Tensor4D, side, 1, "valid"),
    ),
  );
  return [...pools, ...whole];
}

function softmaxes(): Step[] {
  return [
    { size: 20, spread: 1 },
    { size: 80, spread: 1 },
    { size: 80, spread: 10 },
    { size: 1000, spread: 3 },
  ].map(({ size, spread }) =>
    step(
      `softmax of ${size}, σ ${spread}`,
      { input: normal([400, size], size, spread) },
      { kind: "softmax", inputs: ["input"], attributes: { axis: 1, size, temperature: 1 } },
      ([x]) => tf.softmax(x as tf.Tensor),
      ([x]) => {
        const powers = tf.exp(tf.sub(x as tf.Tensor, tf.max(x as tf.Tensor, 1, true)));
        return tf.div(powers, tf.sum(powers, 1, true));
      },
    ),
  );
}

const CLASSES = 80;
const ANCHORS = 3;

function heads(): Step[] {
  return [1, 5].map((spread) =>
    step(
      `yolo head, σ ${spread}`,
      { input: normal([1, ANCHORS * (5 + CLASSES), 26, 26], spread, spread) },
      {
        kind: "head",
        inputs: ["input"],
        attributes: {
          type: "yolo",
          anchors: ANCHORS,
          classes: CLASSES,
          coords: 4,
          logistic: [0, 1, ...Array.from({ length: 1 + CLASSES }, (_, k) => 4 + k)],
          affine: { planes: [0, 1], scale: 1.05, offset: -0.025 },
          softmaxClasses: false,
          order: "planes",
          anchorSizes: [],
          side: 0,
        },
      },
      ([x]) => yoloHead(x as tf.Tensor4D, tf.sigmoid),
      ([x]) => yoloHead(x as tf.Tensor4D, (v) => tf.div(1, tf.add(1, tf.exp(tf.neg(v))))),
    ),
  );
}

function yoloHead(x: tf.Tensor4D, logistic: (v: tf.Tensor) => tf.Tensor): tf.Tensor {
  const [batch, height, width] = x.shape;
  const entries = tf.reshape(x, [batch, height * width, ANCHORS, 5 + CLASSES]);
  const [xy, wh, scores] = tf.split(entries, [2, 2, 1 + CLASSES], 3) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  const stretched = tf.sub(tf.mul(logistic(xy), 1.05), 0.025);
  return tf.reshape(tf.concat([stretched, wh, logistic(scores)], 3), x.shape);
}

function sums(): Step[] {
  const shape = [1, 64, 26, 26];
  return [
    step(
      "shortcut: sum of two",
      { a: normal(shape, 1), b: normal(shape, 2) },
      { kind: "merge", inputs: ["a", "b"], attributes: { mode: "add" } },
      ([a, b]) => tf.add(a as tf.Tensor, b as tf.Tensor),
    ),
    step(
      "shortcut: sum of four",
      { a: normal(shape, 1), b: normal(shape, 2), c: normal(shape, 3), d: normal(shape, 4) },
      { kind: "merge", inputs: ["a", "b", "c", "d"], attributes: { mode: "add" } },
      (all) => tf.addN([...all]),
      ([a, b, c, d]) =>
        tf.add(tf.add(a as tf.Tensor, b as tf.Tensor), tf.add(c as tf.Tensor, d as tf.Tensor)),
    ),
    step(
      "product of two",
      { a: normal(shape, 1), b: normal(shape, 2) },
      { kind: "merge", inputs: ["a", "b"], attributes: { mode: "multiply" } },
      ([a, b]) => tf.mul(a as tf.Tensor, b as tf.Tensor),
    ),
  ];
}
