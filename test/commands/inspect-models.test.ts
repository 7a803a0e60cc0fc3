import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { encodeModel, type GraphProto } from "../../src/formats/onnx/schema.js";
import { runMain } from "../cli/run-main.js";
import { numbers, writeKeras2, writeKeras3 } from "../formats/keras/write-model.js";
import { safetensorsBytes } from "../formats/safetensors/write-safetensors.js";
import { bundleFiles } from "../formats/tf-checkpoint/write-checkpoint.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-inspect-models-"));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, content: string | Uint8Array) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const inspect = async (path: string, ...options: string[]) =>
  await runMain(["inspect", path, ...options]);
const f = (name: string, ...values: number[]) => ({
  name,
  dtype: "F32",
  shape: [values.length],
  bytes: f32(...values),
});

const sequential = (layers: readonly unknown[]) => ({
  class_name: "Sequential",
  config: { name: "m", layers },
});
const conv = {
  class_name: "Conv2D",
  config: {
    name: "conv",
    filters: 2,
    kernel_size: [1, 1],
    batch_input_shape: [null, 4, 4, 1],
    data_format: "channels_last",
  },
};
const convWeights = {
  name: "conv",
  weights: [
    { name: "conv/kernel:0", shape: [1, 1, 1, 2], values: [0, 0] },
    { name: "conv/bias:0", shape: [2], values: [1, Number.NaN] },
  ],
};

describe("difftest inspect on Keras files", () => {
  it("tells layers, shapes, parameters, and warns of NaN and of a kernel of zeros", async () => {
    const path = await writeKeras2(sequential([conv]), [convWeights]);
    const { status, out } = await inspect(path, "--taps");
    expect(status).toBe(0);
    expect(out).toMatch(/written by Keras +2\.15\.0/);
    expect(out).toMatch(/conv +Conv2D +1x4x4x2 +4\n/);
    expect(out).toMatch(/conv +conv-nd +1x4x4x2 +conv\/kernel, conv\/bias/);
    expect(out).toContain("warning  conv/kernel:0: all 2 values are 0");
    expect(out).toContain("warning  conv/bias:0: 1 of 2 values are NaN");
  });

  it("shows what a model holds that cannot be run, and says why", async () => {
    const lambda = { class_name: "Lambda", config: { name: "magic", function: "code" } };
    const path = await writeKeras2(sequential([conv, lambda]), [convWeights]);
    const { status, out } = await inspect(path);
    expect(status).toBe(0);
    expect(out).toMatch(/magic +Lambda\n/);
    expect(out).toMatch(/warning .*Lambda/);
  });

  it("reads weights alone, and an architecture alone", async () => {
    const path = await writeKeras3({}, [
      { name: "layers/dense/vars/0", shape: [4, 8], values: numbers(32) },
    ]);
    expect((await inspect("references/keras/mnist-cnn.json")).out).toMatch(
      /Keras model, architecture alone[\s\S]*dense_1 +Dense +1x10 +10,250/,
    );
    expect((await inspect(path)).status).toBe(2);
  });
});

describe("difftest inspect on named tensors", () => {
  it("warns of negative and zero variances, doubled tensors, averages beside weights and text damage", async () => {
    const twin = numbers(16);
    const damaged = Buffer.alloc(8193);
    for (let at = 0; at < damaged.length; at += 3) damaged.set([0xef, 0xbf, 0xbd], at);
    const bytes = safetensorsBytes(
      [
        f("bn.running_var", 1, -2, 0),
        f("a.weight", ...twin),
        f("b.weight", ...twin),
        f("a.weight_ema", 1, 2),
        { name: "c.weight", dtype: "U8", shape: [8193], bytes: damaged },
      ],
      { format: "pt" },
    );
    const { status, out } = await inspect(write("m.safetensors", bytes));
    const text = out.replaceAll(/\n +/g, " ");
    expect(status).toBe(0);
    expect(text).toMatch(/metadata format +pt/);
    expect(text).toContain("bn.running_var: is a variance and has negative values, down to -2");
    expect(text).toContain("bn.running_var: is a variance and 1 of 3 values are 0");
    expect(text).toContain("b.weight: has the very values of a.weight");
    expect(text).toContain("1 moving averages lie beside the weights themselves (a.weight_ema)");
    expect(text).toContain("c.weight: contains 2731 times the bytes EF BF BD");
  });

  it("tells optimizer slots from weights in a checkpoint, by its prefix, its index, or a SavedModel's folder", async () => {
    const tensor = (name: string, ...values: number[]) => ({
      name,
      dataType: 1,
      shape: [values.length],
      bytes: f32(...values),
    });
    const { index, data } = bundleFiles([
      tensor("conv/kernel", 1, 2, 3),
      tensor("conv/kernel/Adam", 4, 5, 6),
    ]);
    const saved = join(folder, "saved", "variables");
    mkdirSync(saved, { recursive: true });
    for (const place of [join(folder, "ckpt"), join(saved, "variables")]) {
      writeFileSync(`${place}.index`, index);
      writeFileSync(`${place}.data-00000-of-00001`, data[0] as Uint8Array);
    }
    writeFileSync(join(folder, "saved", "saved_model.pb"), "");
    for (const path of ["ckpt", "ckpt.index", "saved"]) {
      const { status, out } = await inspect(join(folder, path));
      expect(status).toBe(0);
      expect(out).toMatch(/parameters +3\noptimizer slots +1/);
      expect(out).toMatch(/conv\/kernel\/Adam +3 +float32 +slot Adam/);
    }
  });

  it.each([
    ["page.h5", "<!DOCTYPE html><html>", "an HTML page"],
    ["pointer.safetensors", "version https://git-lfs.github.com/spec/v1\noid", "a Git-LFS pointer"],
    [
      "error.onnx",
      '<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>',
      "an XML error page",
    ],
  ])("says what was saved as %s by mistake", async (name, content, what) => {
    const { status, err } = await inspect(write(name, content));
    expect(status).toBe(2);
    expect(err).toContain(what);
  });
});

describe("difftest inspect on .onnx", () => {
  const float = { tensor_type: { elem_type: 1, shape: { dim: [{ dim_param: "batch" }] } } };
  const graph: GraphProto = {
    input: [{ name: "x", type: float }],
    initializer: [
      { name: "w", dims: [2], data_type: 1, raw_data: f32(1, Number.POSITIVE_INFINITY) },
    ],
    node: [
      { op_type: "Add", input: ["x", "w"], output: ["sum"], name: "first" },
      { op_type: "Relu", input: ["sum"], output: ["y"] },
    ],
    output: [{ name: "y", type: float }],
  };

  it("tells inputs with their open axes, operators, every tap, and infinite weights", async () => {
    const bytes = encodeModel({ ir_version: 9, opset_import: [{ version: 18 }], graph });
    const { status, out } = await inspect(write("m.onnx", bytes), "--taps");
    expect(status).toBe(0);
    expect(out).toMatch(/inputs +x batch float32\n/);
    expect(out).toMatch(/opsets +ai\.onnx 18\n/);
    expect(out).toMatch(/sum +Add +first/);
    expect(out).toMatch(/y +Relu +yes/);
    expect(out).toContain("warning  w: 1 of 2 values are infinite");
  });
});
