import { definePort, type PlainTensor } from "../../../src/port/port.js";

/** A mistake to make: told through the environment, which a thread inherits. */
const mistake = process.env["DIFFTEST_TEST_MISTAKE"];

type Taken = { readonly data: Float32Array; readonly shape: readonly number[] };

/** x·W in float32, whatever the original computes in. */
export default definePort<Taken, PlainTensor>({
  name: "onnx-product",
  original: "written by the test",
  layout: "nchw",
  runtime: "plain",
  build: (weights) => weights.take(weights.names[0] ?? ""),
  forward: ({ data: kernel, shape: [inner = 1, units = 1] }, { x }, tap) => {
    const rows = (x?.data.length ?? 0) / inner;
    const result = Float32Array.from({ length: rows * units }, (_, k) => {
      const [row, unit] = [Math.floor(k / units), k % units];
      let sum = 0;
      for (let i = 0; i < inner; i++) {
        const weight = kernel[i * units + (mistake === "unit" ? (unit + 1) % units : unit)] ?? 0;
        sum += Number(x?.data[row * inner + i]) * weight;
      }
      return sum;
    });
    tap("product", { data: result, shape: [rows, units] });
  },
});
