import { definePort, type PlainTensor } from "../../../src/port/port.js";

/** With `DIFFTEST_TEST_MISTAKE=row` every id takes the row behind its own. */
const shift = process.env["DIFFTEST_TEST_MISTAKE"] === "row" ? 1 : 0;

/** An embedding of `ids` plus `offset`, element by element. */
export default definePort<{ readonly table: Float32Array; readonly width: number }, PlainTensor>({
  name: "keras-ids",
  original: "written by the test",
  layout: "nhwc",
  runtime: "plain",
  build: (weights) => {
    const { data, shape } = weights.take("words/embeddings");
    return { table: data, width: shape[1] ?? 1 };
  },
  forward: ({ table, width }, { ids, offset }, tap) => {
    if (ids === undefined || offset === undefined) throw new Error("two inputs are needed");
    if (!(ids.data instanceof Int32Array)) throw new Error(`ids are ${ids.dtype}`);
    const rows = new Float32Array(ids.data.length * width);
    ids.data.forEach((id, k) => {
      const row = (id + shift) % (table.length / width);
      rows.set(table.subarray(row * width, (row + 1) * width), k * width);
    });
    const words = tap("words", { data: rows, shape: [...ids.shape, width] });
    const sum = Float32Array.from(words.data, (value, k) => value + (offset.data[k] ?? 0));
    tap("sum", { data: sum, shape: words.shape });
  },
});
