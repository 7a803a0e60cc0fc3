import { describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { verifyGolden } from "../../src/references/golden/open-golden.js";

const MODELS = [
  { name: "cnn", options: { shape: "batch=2" }, sources: ["random:1"] },
  {
    name: "encoder",
    options: { shape: "batch=2,seq=4", inputs: ["ids=ids:0..8", "mask=ids:0..1"] },
    sources: ["ids:0..8", "ids:0..1"],
  },
];

describe("what ONNX Runtime was recorded to give for small ONNX models", () => {
  it.each(MODELS)("$name: is whole, and a right port agrees with it", async (model) => {
    const golden = `goldens/onnx/${model.name}`;
    const { inputs } = verifyGolden(golden).manifest;
    expect(inputs.map(({ source }) => source)).toEqual(model.sources);
    const { verdict, faults } = await layerByLayer({
      ...model.options,
      model: `test/checks/ports/onnx-${model.name}.ts`,
      original: `goldens/onnx/${model.name}.onnx`,
      reference: `onnxruntime,golden:${golden}`,
    });
    expect({ verdict, faults }).toEqual({ verdict: "same", faults: [] });
  });
});
