import {
  definePort,
  type PlainTensor,
  type PortWeights,
  type Tap,
} from "../../../src/port/port.js";

/** A mistake to make: told through the environment, which a thread inherits. */
const mistake = process.env["DIFFTEST_TEST_MISTAKE"];

type Taken = { readonly data: Float32Array; readonly shape: readonly number[] };

interface Encoder {
  readonly table: Taken;
  readonly scale: Taken;
  readonly shift: Taken;
  readonly kernel: Taken;
}

function build(weights: PortWeights): Encoder {
  return {
    table: weights.take("words.table"),
    scale: weights.take("norm.scale"),
    shift: weights.take("norm.shift"),
    kernel: weights.take("out.kernel", { layout: "oi" }),
  };
}

/** Rows of a table, normalised, hidden where the mask says so, times a matrix. */
function forward(
  { table, scale, shift, kernel }: Encoder,
  { ids, mask }: Readonly<Record<string, PlainTensor>>,
  tap: Tap,
): void {
  if (!(ids?.data instanceof Int32Array)) throw new Error(`ids are ${ids?.dtype}`);
  if (mask?.dtype !== "bool") throw new Error(`the mask is ${mask?.dtype}`);
  const width = table.shape[1] ?? 1;
  const rows = new Float32Array(ids.data.length * width);
  ids.data.forEach((id, k) => {
    const row = mistake === "row" ? (id + 1) % (table.shape[0] ?? 1) : id;
    rows.set(table.data.subarray(row * width, (row + 1) * width), k * width);
  });
  const words = tap("encoder/words", { data: rows, shape: [...ids.shape, width] });
  const epsilon = mistake === "epsilon" ? 1e-3 : 1e-5;
  const normed = tap(
    "encoder/norm",
    rowByRow(words, width, (values) => {
      const mean = values.reduce((a, b) => a + b, 0) / width;
      const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / width;
      return values.map(
        (v, k) =>
          ((v - mean) / Math.sqrt(variance + epsilon)) * (scale.data[k] ?? 0) +
          (shift.data[k] ?? 0),
      );
    }),
  );
  const hidden = Float32Array.from(normed.data as Float32Array, (v, k) =>
    Number(mask.data[Math.floor(k / width)]) === 0 ? 0 : v,
  );
  const shown = tap("shown", { data: hidden, shape: normed.shape });
  const units = kernel.shape[0] ?? 1;
  const product = rowByRow(shown, width, (values) =>
    Array.from({ length: units }, (_, unit) =>
      values.reduce((sum, v, k) => sum + v * (kernel.data[unit * width + k] ?? 0), 0),
    ),
  );
  tap("out", product);
}

function rowByRow(
  { data, shape }: PlainTensor,
  width: number,
  change: (values: number[]) => number[],
): PlainTensor {
  const rows: number[] = [];
  for (let at = 0; at < data.length; at += width) {
    rows.push(...change(Array.from((data as Float32Array).subarray(at, at + width))));
  }
  const last = rows.length / (data.length / width);
  return { data: Float32Array.from(rows), shape: [...shape.slice(0, -1), last] };
}

export default definePort<Encoder, PlainTensor>({
  name: "onnx-encoder",
  original: "written by the test",
  layout: "nchw",
  runtime: "plain",
  build,
  forward,
});
