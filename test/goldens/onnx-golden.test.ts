import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import type { LayerByLayerOptions } from "../../src/checks/options.js";
import { type RecordOptions, recordGolden } from "../../src/checks/record-golden.js";
import { writeGolden } from "../../src/record/golden-writer.js";
import { verifyGolden } from "../../src/references/golden/open-golden.js";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";
import { cnnModel, encoderModel } from "../checks/onnx-models.js";
import { floats, node, onnxBytes, value } from "../formats/onnx/write-model.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-onnx-golden-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  delete process.env["DIFFTEST_TEST_MISTAKE"];
});

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const cnn = write("cnn.onnx", cnnModel());
const encoder = write("encoder.onnx", encoderModel());
/** Multiplied inside a function, of whose arithmetic nothing is known: its tolerance is measured. */
const inFunction = write(
  "function.onnx",
  onnxBytes(
    {
      input: [value("x", [3, 4])],
      output: [value("product", [3, 5])],
      initializer: [floats("w", [4, 5], { seed: 5 })],
      node: [{ ...node("Product", ["x", "w"], "product"), domain: "own" }],
    },
    {
      opset_import: [
        { domain: "", version: 18 },
        { domain: "own", version: 1 },
      ],
      functions: [
        {
          name: "Product",
          domain: "own",
          input: ["a", "b"],
          output: ["c"],
          opset_import: [{ domain: "", version: 18 }],
          node: [node("MatMul", ["a", "b"], "c")],
        },
      ],
    },
  ),
);

let count = 0;
async function record(options: Partial<RecordOptions> = {}): Promise<string> {
  const out = join(folder, `golden-${count++}`);
  await recordGolden({ original: cnn, ...options, out });
  return out;
}

const compare = (golden: string, options: Partial<LayerByLayerOptions> = {}) =>
  layerByLayer({
    model: "test/checks/ports/onnx-cnn.ts",
    original: cnn,
    reference: `golden:${golden}`,
    mode: "isolated",
    ...options,
  });

const bytesOf = (golden: string) =>
  readdirSync(golden)
    .sort()
    .map((file) => [file, readFileSync(join(golden, file)).toString("base64")]);

/** The golden with one tap's values changed, as a runtime that is wrong there would have recorded it. */
function changed(golden: string, id: string, change: (value: number) => number): string {
  const { manifest, inputs, read } = verifyGolden(golden);
  const { training: _none, ...content } = manifest;
  const out = join(folder, `golden-${count++}`);
  const changedValue = ({ shape, data }: Tensor) => tensor(shape, data.map(change));
  writeGolden(out, {
    ...content,
    note: "changed",
    inputs: manifest.inputs.map((input) => ({ ...input, value: inputs.get(input.name) as Tensor })),
    taps: manifest.taps.map((tap) => {
      const value = read(tap.id) as Tensor;
      return { ...tap, value: tap.id === id ? changedValue(value) : value };
    }),
  });
  return out;
}

describe("a golden of an ONNX model", () => {
  it("has the same bytes the second time, every value of the model by its name", async () => {
    const [first, second] = [await record(), await record()];
    expect(bytesOf(first)).toEqual(bytesOf(second));
    const { manifest, taps } = verifyGolden(first);
    expect(taps).toEqual(
      expect.arrayContaining(["stem/conv", "stem/norm", "stem", "gate", "logits"]),
    );
    expect(manifest).toMatchObject({
      reference: { name: "onnxruntime", options: { graphOptimizationLevel: "disabled" } },
      original: { file: "cnn.onnx" },
      weights: { source: "cnn.onnx" },
      outputs: ["probabilities"],
    });
  });

  it("is played back to a right port, step by step within the bounds of its steps", async () => {
    const golden = await record();
    const result = await compare(golden, { mode: "both" });
    expect(result.faults).toEqual([]);
    expect(result.verdict).toBe("same");
    expect(result.reference.name).toBe(`golden:${golden}`);
    expect(result.references?.map(({ faults }) => faults)).toEqual([0, 0]);
  });

  it("shows a port's fault and its cause as the model itself does", async () => {
    process.env["DIFFTEST_TEST_MISTAKE"] = "slope";
    const { faults } = await compare(await record());
    expect(faults.map(({ component, place }) => [component, place])).toEqual([["model", "stem"]]);
    expect(faults[0]?.cause).toMatch(/slope/);
  });

  it("takes open axes and whole numbers as they were recorded", async () => {
    const shape = "batch=2,seq=3";
    const golden = await record({ original: encoder, shape });
    const port = { model: "test/checks/ports/onnx-encoder.ts", original: encoder };
    expect((await compare(golden, { ...port, shape })).faults).toEqual([]);
    await expect(compare(golden, { ...port, shape: "batch=2,seq=4" })).rejects.toThrow(
      /was recorded with another input ids/,
    );
  });
});

describe("a golden of an ONNX model that is wrong at one tap", () => {
  it.each([
    ["a step whose bound is derived", "gated", (one: number) => one * 1.001],
    ["a step that only moves values", "flat", (one: number) => one + 0.01],
    ["a step inside the function of another", "logits", (one: number) => one - 0.001],
  ])("is accused there, and the port is not: %s", async (_, id, change) => {
    const golden = changed(await record(), id, change);
    const { verdict, faults, warnings } = await compare(golden);
    expect(faults.map(({ component, place }) => [component, place])).toEqual([["reference", id]]);
    expect(verdict).toBe("differs");
    expect(warnings.join()).toContain("so the port was compared with onnxruntime");
  });

  it("is accused where the tolerance is measured", async () => {
    const port = { model: "test/checks/ports/onnx-product.ts", original: inFunction };
    const golden = await record({ original: inFunction });
    expect((await compare(golden, port)).faults).toEqual([]);
    const { faults } = await compare(
      changed(golden, "product", (one) => one + 0.01),
      port,
    );
    expect(faults.map(({ component, place }) => [component, place])).toEqual([
      ["reference", "product"],
    ]);
    expect(faults[0]?.evidence).toMatch(/more than the measured noise of own\.Product/);
  });
});

describe("a golden that does not fit an ONNX model", () => {
  it("is refused: changed bytes, another model, another input", async () => {
    const golden = await record();
    await expect(compare(golden, { inputs: ["random:2"] })).rejects.toThrow(
      /was recorded with another input image/,
    );
    const other = write("other.onnx", cnnModel().slice(0));
    writeFileSync(other, Buffer.concat([readFileSync(cnn), Buffer.from([0x1a, 0])]));
    await expect(compare(golden, { original: other })).rejects.toThrow(
      /was recorded with another original, cnn\.onnx/,
    );
    const path = join(golden, "trace.npz");
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    await expect(compare(golden)).rejects.toThrow(/trace\.npz: was changed after it was recorded/);
  });
});

describe("another program as the reference of an ONNX model", () => {
  const runner = "runner:node test/references/fakes/runner.mjs";
  const doubled = write(
    "doubled.onnx",
    onnxBytes({
      input: [value("input", [2, 2])],
      output: [value("double_0", [2, 2])],
      initializer: [floats("two", [], [2])],
      node: [node("Mul", ["input", "two"], "double_0")],
    }),
  );

  it("is recorded and held against ONNX Runtime by the names of the model's values", async () => {
    const golden = await record({ original: doubled, reference: runner });
    expect(verifyGolden(golden).manifest.reference).toMatchObject({ name: "fake", version: "1.2" });
    const embedded = await record({ original: doubled });
    expect(verifyGolden(golden).read("double_0")).toEqual(verifyGolden(embedded).read("double_0"));
  });

  it.each(["keras", "darknet", "pytorch"])("is not %s, which reads no ONNX", async (reference) => {
    await expect(record({ reference })).rejects.toThrow(
      `--reference ${reference}: does not read ONNX models; leave it out`,
    );
  });
});
