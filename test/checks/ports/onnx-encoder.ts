import { definePort, type PlainTensor, type Tap } from "../../../src/port/port.js";
import {
  each,
  makes,
  normed,
  type Plain,
  plain,
  product,
  rowByRow,
  takeAll,
} from "./plain-tensors.js";

type Weights = Readonly<Record<string, Plain>>;

/** Rows of a table, normalised, hidden where the mask says so, times a matrix. */
function forward(
  weights: Weights,
  { ids, mask }: Readonly<Record<string, PlainTensor>>,
  tap: Tap,
): void {
  if (!(ids?.data instanceof Int32Array)) throw new Error(`ids are ${ids?.dtype}`);
  if (mask?.dtype !== "bool") throw new Error(`the mask is ${mask?.dtype}`);
  const of = (name: string) => weights[name] as Plain;
  const [rows = 1, width = 1] = of("words.table").shape;
  const words = new Float32Array(ids.data.length * width);
  ids.data.forEach((id, k) => {
    const row = makes("row") ? (id + 1) % rows : id;
    words.set(of("words.table").data.subarray(row * width, (row + 1) * width), k * width);
  });
  const embedded = tap("encoder/words", { data: words, shape: [...ids.shape, width] });
  const [scale, shift] = [of("norm.scale").data, of("norm.shift").data];
  const normalized = tap(
    "encoder/norm",
    rowByRow(plain(embedded), (row) =>
      normed(row, makes("epsilon") ? 1e-3 : 1e-5).map(
        (v, k) => v * (scale[k] ?? 0) + (shift[k] ?? 0),
      ),
    ),
  );
  const hidden = each(plain(normalized), (v, k) =>
    Number(mask.data[Math.floor(k / width)]) === 0 ? 0 : v,
  );
  const shown = tap("shown", hidden);
  tap("out", product(plain(shown), of("out.kernel")));
}

export default definePort<Weights, PlainTensor>({
  name: "onnx-encoder",
  original: "written by the test",
  layout: "nchw",
  runtime: "plain",
  build: takeAll,
  forward,
});
