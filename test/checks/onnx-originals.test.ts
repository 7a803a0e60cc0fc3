import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import type { LayerByLayerOptions } from "../../src/checks/options.js";
import { ONNX_TYPE } from "../../src/formats/onnx/schema.js";
import { halfFromFloat32 } from "../../src/formats/small-floats.js";
import { floats, node, onnxBytes, value, wholes } from "../formats/onnx/write-model.js";
import { cnnModel, encoderModel } from "./onnx-models.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-onnx-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  delete process.env["DIFFTEST_TEST_MISTAKE"];
});
const write = (name: string, bytes: Uint8Array) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

const cnn = write("cnn.onnx", cnnModel());
const run = (options: Partial<LayerByLayerOptions> = {}) =>
  layerByLayer({ model: "test/checks/ports/onnx-cnn.ts", original: cnn, ...options });

describe("an ONNX model as the original", () => {
  it("is run as it is, every value by the name that the file gives it", async () => {
    const result = await run();
    expect(result.faults).toEqual([]);
    expect(result.verdict).toBe("same");
    expect(result.weightsChecked).toBe("verified");
    expect(result.coverage.weights).toEqual({ compared: 8, total: 8 });
    expect(result.coverage.covered).toEqual(["flat"]);
    const bases = result.taps
      .filter(({ mode }) => mode === "isolated")
      .map(({ id, basis }) => [id, basis]);
    expect(bases).toEqual([
      ["stem/conv", "trigger"],
      ["stem/norm", "trigger"],
      ["stem", "trigger"],
      ["gate", "trigger"],
      ["gated", "trigger"],
      ["pooled", "trigger"],
      ["logits", "trigger"],
      ["probabilities", "trigger"],
    ]);
  });

  it.each([
    ["slope", "stem", /slope/],
    ["epsilon", "stem/norm", /epsilon/],
    ["transposed", "stem/conv", /height and width are exchanged/],
  ])("names a planted fault and its cause: %s", async (mistake, place, cause) => {
    process.env["DIFFTEST_TEST_MISTAKE"] = mistake;
    const result = await run({ batch: 2, inputs: ["random:3", "random:4"] });
    expect(result.verdict).toBe("differs");
    expect(result.faults.map((fault) => [fault.component, fault.place])).toEqual([
      ["model", place],
    ]);
    expect(result.faults[0]?.cause).toMatch(cause);
  });

  it("names a weight that is not the file's", async () => {
    process.env["DIFFTEST_TEST_MISTAKE"] = "bias";
    const { faults } = await run({ mode: "isolated" });
    expect(faults.map(({ component, place }) => [component, place])).toEqual([
      ["weights", "stem.bias"],
      ["model", "stem/conv"],
    ]);
  });
});

const encoder = write("encoder.onnx", encoderModel());
const encode = (options: Partial<LayerByLayerOptions> = {}) =>
  layerByLayer({
    model: "test/checks/ports/onnx-encoder.ts",
    original: encoder,
    shape: "batch=2,seq=3",
    mode: "isolated",
    ...options,
  });

describe("inputs of an ONNX model", () => {
  it("have open axes by their names, and reach the port in their own types", async () => {
    const result = await encode({ mode: "both", inputs: ["ids=ids:0..8", "mask=random:7"] });
    expect(result.faults).toEqual([]);
    expect(result.inputShapes).toEqual({ ids: [2, 3], mask: [2, 3, 1] });
  });

  it("are rows of the table they choose from where nothing is said", async () => {
    expect((await encode()).verdict).toBe("same");
  });

  it.each([
    ["row", "encoder/words", null],
    ["epsilon", "encoder/norm", "epsilon is 0.001, expected 0.00001"],
  ])("show a planted fault: %s", async (mistake, place, cause) => {
    process.env["DIFFTEST_TEST_MISTAKE"] = mistake;
    const result = await encode();
    expect(result.faults.map((fault) => [fault.place, fault.cause])).toEqual([[place, cause]]);
  });

  it("are told which axis is open", async () => {
    await expect(encode({ shape: "batch=2" })).rejects.toThrow(
      /axis 1 of its input "ids" is open \(\[batch, seq\]\); give it: --shape seq=16/,
    );
  });
});

describe("an image for an ONNX model", () => {
  const picture = join(folder, "picture.png");
  beforeAll(async () => {
    const create = { width: 12, height: 10, channels: 3, background: "#f08030" } as const;
    await sharp({ create }).png().toFile(picture);
  });

  it("becomes its input as --preprocess says; without that, difftest asks", async () => {
    await expect(run({ inputs: [picture] })).rejects.toThrow(/give --preprocess with one of tf/);
    const result = await run({ inputs: [picture], preprocess: "torch", mode: "isolated" });
    expect(result.faults).toEqual([]);
    expect(result.size).toEqual({ width: 8, height: 8, channels: 3, batch: 1 });
  });

  it("keeps its channels last where the file has them last", async () => {
    const path = write(
      "last.onnx",
      onnxBytes({
        input: [value("image", [1, "h", "w", 3])],
        output: [value("doubled", [1, "h", "w", 3])],
        initializer: [floats("two", [], [2])],
        node: [node("Mul", ["image", "two"], "doubled")],
      }),
    );
    const result = await layerByLayer({
      model: "test/checks/ports/onnx-image-last.ts",
      original: path,
      inputs: [picture],
      preprocess: "tf",
      size: "8x6",
      mode: "isolated",
    });
    expect(result.faults).toEqual([]);
    expect(result.size).toEqual({ width: 8, height: 6, channels: 3, batch: 1 });
  });
});

describe("--taps of an ONNX model", () => {
  it("selects by the file's own names", async () => {
    const { taps, coverage } = await encode({ taps: "encoder/*" });
    expect(taps.map(({ id }) => id)).toEqual(["encoder/words", "encoder/norm"]);
    expect(coverage.excluded).not.toEqual([]);
  });

  it("refuses a pattern that no value has", async () => {
    await expect(encode({ taps: "decoder/*" })).rejects.toThrow(
      /no tap of the original has such an id/,
    );
  });
});

const input = [value("x", [3, 4])];
const output = [value("product", [3, 5])];
const kernel = floats("w", [4, 5], { seed: 5 });
const bytesOf = ({ raw_data: raw }: typeof kernel) =>
  new Float32Array((raw as Uint8Array).slice().buffer);
const half = {
  name: "w",
  data_type: ONNX_TYPE.float16,
  dims: [4, 5],
  raw_data: new Uint8Array(halfFromFloat32(bytesOf(kernel)).buffer),
};
const upper = {
  ...half,
  data_type: ONNX_TYPE.bfloat16,
  raw_data: new Uint8Array(
    Uint16Array.from(new Uint32Array(bytesOf(kernel).buffer), (bits) => bits >>> 16).buffer,
  ),
};
const product = (path: string, options: Partial<LayerByLayerOptions> = {}) =>
  layerByLayer({
    model: "test/checks/ports/onnx-product.ts",
    original: path,
    mode: "isolated",
    ...options,
  });

const inHalf = [
  node("MatMul", ["x_half", "w"], "product_half"),
  node("Cast", ["product_half"], "product", { to: ONNX_TYPE.float }),
];
/** ONNX Runtime multiplies no bfloat16 on a CPU: such models widen first. */
const widened = [
  node("Cast", ["x_half"], "x_wide", { to: ONNX_TYPE.float }),
  node("Cast", ["w"], "w_wide", { to: ONNX_TYPE.float }),
  node("MatMul", ["x_wide", "w_wide"], "product"),
];

describe("a model of half precision", () => {
  it.each([
    ["float16", ONNX_TYPE.float16, half, inHalf],
    ["bfloat16", ONNX_TYPE.bfloat16, upper, widened],
  ])(
    "%s is compared to within the measured noise, and a fault in it found",
    async (name, type, stored, nodes) => {
      const path = write(
        `${name}.onnx`,
        onnxBytes({
          input,
          output,
          initializer: [stored],
          node: [node("Cast", ["x"], "x_half", { to: type }), ...nodes],
        }),
      );
      const right = await product(path);
      expect(right.faults).toEqual([]);
      expect(right.taps.map(({ basis, notes }) => [basis, notes])).toEqual([
        ["noise", [expect.stringMatching(/measured noise floor/)]],
      ]);
      expect(right.warnings.join()).toMatch(/of half precision/);
      process.env["DIFFTEST_TEST_MISTAKE"] = "unit";
      expect((await product(path)).faults.map(({ place }) => place)).toEqual(["product"]);
    },
  );
});

describe("code that is not in the main graph", () => {
  it("is told to be out of reach, with what can be tapped; the node around it is compared", async () => {
    const path = write(
      "function.onnx",
      onnxBytes(
        {
          input,
          output,
          initializer: [kernel],
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
    const right = await product(path);
    expect(right.faults).toEqual([]);
    expect(right.warnings.join()).toMatch(
      /1 nodes lie inside the function Product and cannot be tapped; product can/,
    );
    process.env["DIFFTEST_TEST_MISTAKE"] = "unit";
    expect((await product(path)).faults.map(({ place }) => place)).toEqual(["product"]);
  });
});

describe("an ONNX model that cannot be run", () => {
  const foreign = { ...node("Magic", ["x", "w"], "product"), domain: "my.company" };
  it.each<[string, Uint8Array, Partial<LayerByLayerOptions>, RegExp]>([
    [
      "operators of a domain that the runtime does not have",
      onnxBytes({ input, output, initializer: [kernel], node: [foreign] }),
      {},
      /1 nodes use operators that ONNX Runtime does not have: my\.company\.Magic/,
    ],
    [
      "an operator that does not exist",
      onnxBytes({
        input,
        output,
        initializer: [kernel],
        node: [node("Magic", ["x", "w"], "product")],
      }),
      {},
      /operator Magic of operator set 18 is not in ONNX Runtime/,
    ],
    [
      "an operator that is there for other types",
      onnxBytes({
        input,
        output,
        initializer: [upper],
        node: [node("Cast", ["x"], "x_half", { to: ONNX_TYPE.bfloat16 }), ...inHalf],
      }),
      {},
      /operator MatMul \(node "MatMul:product_half"\) is not in ONNX Runtime for the types it has here/,
    ],
    [
      "shapes that do not fit",
      onnxBytes({
        input: [value("x", [3, 7])],
        output,
        initializer: [kernel],
        node: [node("MatMul", ["x", "w"], "product")],
      }),
      {},
      /ONNX Runtime: .*(incompatible|dimension|mismatch)/i,
    ],
    [
      "a few bytes that ask for gigabytes",
      onnxBytes({
        input,
        output,
        initializer: [kernel, wholes("huge", [60_000, 60_000])],
        node: [node("Expand", ["x", "huge"], "big"), node("MatMul", ["x", "w"], "product")],
      }),
      {},
      /Expand "Expand:big" is told to make a value of 60000x60000, expected at most 536870912 elements/,
    ],
    [
      "an HTML page",
      new TextEncoder().encode("<!DOCTYPE html><html></html>"),
      {},
      /is an HTML page/,
    ],
    [
      "weights of another file",
      onnxBytes({
        input,
        output,
        initializer: [kernel],
        node: [node("MatMul", ["x", "w"], "product")],
      }),
      { weights: "synthetic:1" },
      /an ONNX model holds its weights/,
    ],
  ])("%s: one line", async (name, bytes, options, message) => {
    const path = write(`${name.replaceAll(" ", "-")}.onnx`, bytes);
    await expect(product(path, options)).rejects.toThrow(message);
  });
});
