import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type h5wasm from "h5wasm";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import type { LayerByLayerOptions } from "../../src/checks/options.js";
import { hdf5Bytes } from "../formats/keras/write-model.js";
import { safetensorsBytes } from "../formats/safetensors/write-safetensors.js";
import { bundleEntries } from "../formats/tf-checkpoint/write-checkpoint.js";
import { tableBytes } from "../formats/tf-checkpoint/write-table.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-weights-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  delete process.env["DIFFTEST_TEST_MISTAKE"];
});
const write = (name: string, bytes: Uint8Array | string) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

const kernel = Float32Array.from({ length: 6 }, (_, k) => k + 0.5);
const bias = Float32Array.of(1, -2, 3);
const bytes = (values: Float32Array) => new Uint8Array(values.slice().buffer);

const safetensors = write(
  "model.safetensors",
  safetensorsBytes([
    { name: "dense/kernel", dtype: "F32", shape: [2, 3], bytes: bytes(kernel) },
    { name: "dense/bias", dtype: "F32", shape: [3], bytes: bytes(bias) },
  ]),
);

async function hdf5(): Promise<string> {
  const content = await hdf5Bytes((file) => {
    file.create_attribute("layer_names", ["dense"]);
    file.create_group("dense");
    const layer = file.get("dense") as InstanceType<typeof h5wasm.Group>;
    layer.create_attribute("weight_names", ["dense/kernel:0", "dense/bias:0"]);
    layer.create_group("dense");
    const group = layer.get("dense") as typeof layer;
    group.create_dataset({ name: "kernel:0", data: kernel, shape: [2, 3], dtype: "<f4" });
    group.create_dataset({ name: "bias:0", data: bias, shape: [3], dtype: "<f4" });
  });
  return write("model.weights.h5", content);
}

function checkpoint(): string {
  const suffix = "/.ATTRIBUTES/VARIABLE_VALUE";
  const { entries, data } = bundleEntries(
    [
      { name: `dense/bias${suffix}`, dataType: 1, shape: [3], bytes: bytes(bias) },
      { name: `dense/kernel${suffix}`, dataType: 1, shape: [2, 3], bytes: bytes(kernel) },
    ],
    1,
  );
  write("ckpt.index", tableBytes(entries));
  write("ckpt.data-00000-of-00001", data[0] ?? new Uint8Array(0));
  return join(folder, "ckpt");
}

const run = (
  weights: string,
  model = "test/checks/ports/weights-only.ts",
  options: Partial<LayerByLayerOptions> = {},
) => layerByLayer({ model, weights, ...options });

describe("a file of weights without a model", () => {
  it.each<[string, () => string | Promise<string>]>([
    ["safetensors", () => safetensors],
    ["HDF5", hdf5],
    ["a TensorFlow checkpoint", checkpoint],
  ])("is held against a port's variables, bit for bit: %s", async (_, file) => {
    const path = await file();
    const right = await run(path);
    expect(right.faults).toEqual([]);
    expect(right.verdict).toBe("same");
    expect(right.coverage.weights).toEqual({ compared: 2, total: 2 });
    expect(right.warnings.join()).toMatch(/the weights alone were compared, no layer was run/);
    process.env["DIFFTEST_TEST_MISTAKE"] = "bit";
    const wrong = await run(path);
    expect(wrong.verdict).toBe("differs");
    expect(wrong.faults.map(({ component, place }) => [component, place])).toEqual([
      ["weights", "dense/bias"],
    ]);
  });

  it("names a weight that the port never asked for, and one that is not in the file", async () => {
    process.env["DIFFTEST_TEST_MISTAKE"] = "forgotten";
    expect((await run(safetensors)).faults.map(({ place, evidence }) => [place, evidence])).toEqual(
      [["dense/bias", expect.stringMatching(/never asked for it \(3 values\)/)]],
    );
    process.env["DIFFTEST_TEST_MISTAKE"] = "unknown";
    expect((await run(safetensors)).faults.map(({ place }) => place)).toEqual(["dense/gamma"]);
  });

  it("is refused where nothing can be compared: a file without names, a port without variables", async () => {
    await expect(run(write("x.weights", new Uint8Array(64)))).rejects.toThrow(
      /without --original only files that name their tensors can be compared/,
    );
    await expect(run(write("page.h5", "<!DOCTYPE html>"))).rejects.toThrow(/is an HTML page/);
    await expect(run(join(folder, "gone.h5"))).rejects.toThrow(/there is no such file/);
    await expect(run(safetensors, undefined, { inputs: ["random:2"] })).rejects.toThrow(
      /--input: means nothing where only weights are compared; give the model/,
    );
    await expect(run(safetensors, "test/checks/ports/onnx-product.ts")).rejects.toThrow(
      /has no variables\(\), so its weights cannot be compared/,
    );
  });
});
