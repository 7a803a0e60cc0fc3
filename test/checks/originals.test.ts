import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import type { LayerByLayerOptions } from "../../src/checks/options.js";
import { syntheticInput } from "../../src/weights/synthetic.js";
import { writeKeras2, writeKeras3 } from "../formats/keras/write-model.js";
import { safetensorsBytes } from "../formats/safetensors/write-safetensors.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-originals-"));
afterAll(() => rmSync(folder, { recursive: true }));

const values = (shape: readonly number[], seed: number) =>
  Array.from(syntheticInput(shape, seed).data, (u) => 2 * u - 1);
const weights = {
  "conv/kernel": [3, 3, 3, 4],
  "conv/bias": [4],
  "out/kernel": [4, 2],
  "out/bias": [2],
} as const;
const stored = Object.entries(weights).map(([name, shape], k) => ({
  name,
  shape,
  values: values(shape, 10 + k),
}));
const model = (inputShape: readonly (number | null)[]) => ({
  class_name: "Sequential",
  config: {
    name: "m",
    layers: [
      {
        class_name: "Conv2D",
        config: {
          name: "conv",
          batch_input_shape: inputShape,
          filters: 4,
          kernel_size: [3, 3],
          padding: "same",
          activation: "relu",
        },
      },
      { class_name: "GlobalAveragePooling2D", config: { name: "pool" } },
      { class_name: "Dense", config: { name: "out", units: 2 } },
    ],
  },
});
const layers = [
  { name: "conv", weights: stored.slice(0, 2).map((w) => ({ ...w, name: `${w.name}:0` })) },
  { name: "pool", weights: [] },
  { name: "out", weights: stored.slice(2).map((w) => ({ ...w, name: `${w.name}:0` })) },
];

let original: string;
let archive: string;
beforeAll(async () => {
  original = await writeKeras2(model([null, 8, 6, 3]), layers);
  archive = await writeKeras3(
    model([null, 8, 6, 3]),
    stored.map((w, k) => ({
      ...w,
      name:
        [
          "layers/conv2d/vars/0",
          "layers/conv2d/vars/1",
          "layers/dense/vars/0",
          "layers/dense/vars/1",
        ][k] ?? "",
    })),
  );
});

const environment = ["DIFFTEST_TEST_LAYOUT", "DIFFTEST_TEST_MISTAKE"];
afterEach(() => {
  for (const name of environment) delete process.env[name];
});
const write = (name: string, content: string | Uint8Array) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const npy = (
  name: string,
  descr: string,
  shape: readonly number[],
  data: Float32Array | BigInt64Array,
) => {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const header = Buffer.from(`${text.padEnd(117)}\n`, "latin1");
  const start = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0]);
  return write(name, Buffer.concat([start, header, Buffer.from(data.buffer)]));
};
const run = (options: Partial<LayerByLayerOptions> = {}) =>
  layerByLayer({ model: "test/checks/ports/keras-conv.ts", original, ...options });

describe("a Keras model as the original", () => {
  it("runs a whole-model .h5 with its own weights, in Keras' layout", async () => {
    const result = await run();
    expect(result.verdict).toBe("same");
    expect(result.weights).toBe(original);
    expect(result.inputShapes).toEqual({ conv_input: [1, 8, 6, 3] });
    expect(result.coverage.weights).toEqual({ compared: 4, total: 4 });
    expect(result.weightsChecked).toBe("verified");
    expect(result.taps.find(({ id }) => id === "conv")?.shape).toEqual([1, 8, 6, 4]);
  });

  it("runs a .keras with the same values, and other batches", async () => {
    const result = await run({
      original: archive,
      batch: 3,
      inputs: ["random:1", "random:2", "random:3"],
    });
    expect(result.verdict).toBe("same");
    expect(result.size).toEqual({ width: 6, height: 8, channels: 3, batch: 3 });
  });

  it("converts between layouts by declaration: a port in NCHW", async () => {
    process.env["DIFFTEST_TEST_LAYOUT"] = "nchw";
    const result = await run();
    expect(result.verdict).toBe("same");
    expect(result.taps.find(({ id }) => id === "conv/conv")?.shape).toEqual([1, 8, 6, 4]);
  });

  it.each(["nhwc", "nchw"])("names a planted fault, in %s", async (layout) => {
    process.env["DIFFTEST_TEST_LAYOUT"] = layout;
    process.env["DIFFTEST_TEST_MISTAKE"] = "transposed";
    const result = await run();
    expect(result.verdict).toBe("differs");
    expect(result.faults.map(({ place, component }) => [place, component])).toEqual([
      ["conv/conv", "model"],
    ]);
    const [tap] = result.taps;
    const [, y = 9, x = 9, c = 9] = tap?.worst ?? [];
    expect([y < 8, x < 6, c < 4]).toEqual([true, true, true]);
  });

  it("takes synthetic weights instead of its own, and repeats the call", async () => {
    const result = await run({ weights: "synthetic:3" });
    expect(result.verdict).toBe("same");
    expect(result.weights).toBe("synthetic:3,gain=1");
    expect(result.command).toContain("--weights synthetic:3");
  });
});

describe("inputs of a Keras model", () => {
  const ids = {
    class_name: "Functional",
    config: {
      name: "ids",
      layers: [
        {
          class_name: "InputLayer",
          name: "ids",
          config: { name: "ids", batch_input_shape: [null, null], dtype: "int32" },
          inbound_nodes: [],
        },
        {
          class_name: "InputLayer",
          name: "offset",
          config: { name: "offset", batch_input_shape: [null, 5, 4], dtype: "float32" },
          inbound_nodes: [],
        },
        {
          class_name: "Embedding",
          name: "words",
          config: { name: "words", input_dim: 7, output_dim: 4 },
          inbound_nodes: [[["ids", 0, 0, {}]]],
        },
        {
          class_name: "Add",
          name: "sum",
          config: { name: "sum" },
          inbound_nodes: [
            [
              ["words", 0, 0, {}],
              ["offset", 0, 0, {}],
            ],
          ],
        },
      ],
      input_layers: [
        ["ids", 0, 0],
        ["offset", 0, 0],
      ],
      output_layers: [["sum", 0, 0]],
    },
  };
  const port = { model: "test/checks/ports/keras-ids.ts", shape: "ids=2x5" };
  let path: string;
  beforeAll(async () => {
    path = await writeKeras2(ids, [
      {
        name: "words",
        weights: [{ name: "words/embeddings:0", shape: [7, 4], values: values([7, 4], 5) }],
      },
    ]);
  });

  it.each<[string, Partial<LayerByLayerOptions>, RegExp]>([
    [
      "an input that is not there",
      { inputs: ["idz=ids:0..3"] },
      /no input "idz", expected one of ids, offset; did you mean ids\?/,
    ],
    [
      "an input without a name",
      { inputs: ["random:1"] },
      /has 2 inputs, ids, offset; say which one/,
    ],
    [
      "an open axis",
      { shape: "batch=2" },
      /axis 1 of its input "ids" is open \(\[any, any\]\); give it: --shape ids=2x16/,
    ],
    [
      "a shape that does not fit",
      { shape: "ids=2x5,offset=2x5x3" },
      /declares its input "offset" as \[any, 5, 4\]/,
    ],
    ["an axis nobody has", { shape: "seq=3" }, /has no such axis or input/],
  ])("refuses %s", async (_, options, message) => {
    await expect(run({ original: path, ...port, ...options })).rejects.toThrow(message);
  });

  it("hands whole numbers to the port as int32, made from the rows that the model has", async () => {
    const result = await run({ original: path, ...port });
    expect(result.verdict).toBe("same");
    expect(result.inputShapes).toEqual({ ids: [2, 5], offset: [2, 5, 4] });
    expect(result.taps.find(({ id }) => id === "words")?.shape).toEqual([2, 5, 4]);
  });

  it.each<[string, () => string]>([
    ["a range", () => "ids=ids:0..6"],
    [
      "a .npy of int64",
      () =>
        `ids=${npy("ids.npy", "<i8", [2, 5], BigInt64Array.from([0n, 1n, 2n, 3n, 4n, 5n, 6n, 0n, 1n, 2n]))}`,
    ],
  ])("reads them from %s, and names a table row that is wrong", async (_, input) => {
    const options = { original: path, ...port, inputs: [input(), "offset=random:4"] };
    expect((await run(options)).verdict).toBe("same");
    process.env["DIFFTEST_TEST_MISTAKE"] = "row";
    const result = await run(options);
    expect(result.faults.map(({ place }) => place)).toEqual(["words"]);
  });

  it("refuses fractions where the model takes whole numbers", async () => {
    const floats = npy("floats.npy", "<f4", [2, 5], new Float32Array(10));
    await expect(run({ original: path, ...port, inputs: [`ids=${floats}`] })).rejects.toThrow(
      /float32 values, expected int32 or int64/,
    );
  });

  it("gives an image to the model as keras.applications would, and asks how when nothing says so", async () => {
    const image = join(folder, "image.png");
    await sharp({
      create: { width: 12, height: 16, channels: 3, background: { r: 255, g: 0, b: 51 } },
    })
      .png()
      .toFile(image);
    await expect(run({ inputs: [image] })).rejects.toThrow(
      /give --preprocess with one of tf, caffe/,
    );
    const result = await run({ inputs: [image], preprocess: "caffe" });
    expect(result.verdict).toBe("same");
    expect(result.command).toContain("--preprocess caffe");
  });
});

describe("files that are no original", () => {
  it.each<[string, string | Uint8Array, RegExp]>([
    [
      "w.safetensors",
      safetensorsBytes([]),
      /is a safetensors file, which holds weights and no architecture/,
    ],
    ["model.txt", "hello", /looks like none of the known kinds/],
    ["page.keras", "<!DOCTYPE html>", /is an HTML page/],
  ])("refuses %s", async (name, content, message) => {
    await expect(run({ original: write(name, content) })).rejects.toThrow(message);
  });

  it("refuses options that mean nothing for the format", async () => {
    await expect(run({ letterbox: true })).rejects.toThrow(
      /--letterbox: means nothing for a Keras model/,
    );
    const config = { original: "examples/small.cfg", model: "examples/plain-port.mjs" };
    await expect(run({ ...config, preprocess: "tf" })).rejects.toThrow(
      /--preprocess: means nothing for a Darknet/,
    );
  });

  it("tells a weights file that does not belong to the model, tensor by tensor", async () => {
    const safe = write(
      "other.safetensors",
      safetensorsBytes([
        { name: "conv.kernel", dtype: "F32", shape: [1], bytes: new Uint8Array(4) },
        { name: "extra", dtype: "F32", shape: [1], bytes: new Uint8Array(4) },
      ]),
    );
    await expect(run({ weights: safe })).rejects.toThrow(
      /"conv.kernel" has shape \[1\], expected \[3,3,3,4\]/,
    );
  });
});
