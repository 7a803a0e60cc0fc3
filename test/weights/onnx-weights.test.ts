import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openOnnxModel } from "../../src/formats/onnx/model-reader.js";
import { ONNX_EXTERNAL, ONNX_TYPE, type TensorProto } from "../../src/formats/onnx/schema.js";
import { weightsFromOnnx } from "../../src/formats/onnx/weights.js";
import { onnxWeights } from "../../src/weights/onnx-weights.js";
import { openWeightStore } from "../../src/weights/open-weight-store.js";
import { floats, node, onnxBytes, value } from "../formats/onnx/write-model.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-onnx-weights-"));
afterAll(() => rmSync(folder, { recursive: true }));

const first = floats("first", [2, 2], [1, 2, 3, 4]);
const second = floats("second", [2], [5, -6]);
const listed: TensorProto = {
  name: "second",
  dims: [2],
  data_type: ONNX_TYPE.float,
  float_data: [5, -6],
};
const outside = (name: string, dims: number[], offset: number): TensorProto => ({
  name,
  dims,
  data_type: ONNX_TYPE.float,
  data_location: ONNX_EXTERNAL,
  external_data: [
    { key: "location", value: "values.bin" },
    { key: "offset", value: String(offset) },
  ],
});
writeFileSync(
  join(folder, "values.bin"),
  new Uint8Array(Float32Array.of(99, 1, 2, 3, 4, 5, -6).buffer),
);

describe("the weights of an ONNX model", () => {
  it.each<[string, readonly TensorProto[], string]>([
    ["are read from the model's own file", [first, second], "model.onnx"],
    [
      "are read from the file of its external data",
      [outside("first", [2, 2], 4), outside("second", [2], 20)],
      "values.bin",
    ],
    ["are copied where one must be converted", [first, listed], ""],
    ["are copied where they lie in two files", [first, outside("second", [2], 20)], ""],
  ])("%s", (_, initializer, file) => {
    const path = join(folder, "model.onnx");
    const bytes = onnxBytes({
      input: [value("x", [1, 2])],
      output: [value("y", [1, 2])],
      initializer: [...initializer],
      node: [node("MatMul", ["x", "first"], "h"), node("Add", ["h", "second"], "y")],
    });
    writeFileSync(path, bytes);
    const model = openOnnxModel(path);
    const description = onnxWeights(model, path, weightsFromOnnx(model));
    const { source } = description;
    expect(source.kind === "file" ? source.path : "").toBe(file === "" ? "" : join(folder, file));
    const store = openWeightStore(description);
    expect([...store.read("first").data]).toEqual([1, 2, 3, 4]);
    expect([...store.read("second").data]).toEqual([5, -6]);
    store.close();
  });
});
