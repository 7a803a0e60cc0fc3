import { definePort, type PlainTensor } from "../../../src/port/port.js";
import { makes, type Plain, plain, product, rowByRow } from "./plain-tensors.js";

/** x·W in float32, whatever the original computes in. */
export default definePort<Plain, PlainTensor>({
  name: "onnx-product",
  original: "written by the test",
  layout: "nchw",
  runtime: "plain",
  build: (weights) => weights.take(weights.names[0] ?? ""),
  forward: (kernel, { x }, tap) => {
    const result = product(plain(x), kernel);
    const turned = rowByRow(result, (row) => [...row.slice(1), ...row.slice(0, 1)]);
    tap("product", makes("unit") ? turned : result);
  },
});
