import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ort from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { exposeOutputs } from "../../../src/formats/onnx/expose-outputs.js";
import { onnxModelFrom, openOnnxModel } from "../../../src/formats/onnx/model-reader.js";
import {
  encodeModel,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  ONNX_TYPE,
  type TensorProto,
} from "../../../src/formats/onnx/schema.js";
import { readTensor } from "../../../src/formats/tensor-file.js";

const root = mkdtempSync(join(tmpdir(), "onnx-"));
afterAll(() => rmSync(root, { recursive: true }));
const folder = join(root, "model");
mkdirSync(folder);

const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const node = (op_type: string, input: string[], output: string[], more: NodeProto = {}) => ({
  op_type,
  input,
  output,
  ...more,
});
const value = (name: string, elem_type: number, dims?: (number | string)[]) => ({
  name,
  type: {
    tensor_type: {
      elem_type,
      ...(dims && {
        shape: {
          dim: dims.map((d) => (typeof d === "number" ? { dim_value: d } : { dim_param: d })),
        },
      }),
    },
  },
});
const bytesOf = (graph: GraphProto, more: ModelProto = {}) =>
  encodeModel({ ir_version: 9, opset_import: [{ domain: "", version: 18 }], graph, ...more });
const read = (graph: GraphProto, more: ModelProto = {}) =>
  onnxModelFrom(bytesOf(graph, more), "m.onnx", folder);
const withWeight = (weight: TensorProto): GraphProto => ({
  node: [node("Identity", ["w"], ["y"])],
  initializer: [{ name: "w", ...weight }],
  output: [value("y", 1)],
});
const weight = (proto: TensorProto) => {
  const model = read(withWeight(proto));
  return readTensor(model.weights.get("w"), "m.onnx");
};

describe("onnxModelFrom", () => {
  it("tells inputs with their dynamic axes, defaults, outputs, operator sets and every node output", () => {
    const model = read(
      {
        input: [value("x", 1, ["batch", 3, ""]), value("w", 1, [1]), value("any", 7)],
        initializer: [{ name: "w", dims: [1], data_type: 1, raw_data: f32(1) }],
        node: [
          node("Dropout", ["x"], ["a", "mask"], { name: "drop" }),
          node("My", ["a", "w"], ["", "y"], { domain: "com.me" }),
        ],
        output: [value("y", 10, [])],
      },
      {
        opset_import: [{ version: 17 }, { domain: "com.me", version: 1 }],
        producer_name: "pytorch",
        producer_version: "2",
      },
    );
    expect(model.irVersion).toBe(9);
    expect(model.producer).toBe("pytorch 2");
    expect(model.opsets).toEqual(
      new Map([
        ["", 17],
        ["com.me", 1],
      ]),
    );
    expect(model.inputs).toEqual([
      { name: "x", dtype: "float32", shape: ["batch", 3, null] },
      { name: "any", dtype: "int64", shape: null },
    ]);
    expect(model.defaultInputs.map(({ name }) => name)).toEqual(["w"]);
    expect(model.outputs).toEqual([{ name: "y", dtype: "float16", shape: [] }]);
    expect(
      model.taps.map(({ name, node, opType, domain, output, graphOutput }) => [
        name,
        node,
        opType,
        domain,
        output,
        graphOutput,
      ]),
    ).toEqual([
      ["a", 0, "Dropout", "", 0, false],
      ["mask", 0, "Dropout", "", 1, false],
      ["y", 1, "My", "com.me", 1, true],
    ]);
  });

  it("reads weights from raw data and from the field of their type", () => {
    expect(weight({ dims: [2], data_type: 1, raw_data: f32(1, 2) }).data).toEqual(
      Float32Array.of(1, 2),
    );
    expect(weight({ dims: [2], data_type: 1, float_data: [1, 2] }).data).toEqual(
      Float32Array.of(1, 2),
    );
    expect(weight({ dims: [1], data_type: 11, double_data: [0.1] }).data).toEqual(
      Float64Array.of(0.1),
    );
    expect(weight({ dims: [2], data_type: 10, int32_data: [0x3c00, 0xbc00] }).data).toEqual(
      Float32Array.of(1, -1),
    );
    expect(weight({ dims: [1], data_type: 16, int32_data: [0x3f80] }).data).toEqual(
      Float32Array.of(1),
    );
    expect(weight({ dims: [2], data_type: 7, int64_data: [-1, 2 ** 50] }).data).toEqual(
      BigInt64Array.of(-1n, 2n ** 50n),
    );
    expect(weight({ dims: [1], data_type: 12, uint64_data: [2 ** 32 - 1] }).data).toEqual(
      BigInt64Array.of(2n ** 32n - 1n),
    );
    expect(weight({ dims: [2], data_type: 3, int32_data: [-1, 127] }).data).toEqual(
      Int32Array.of(-1, 127),
    );
    expect(weight({ dims: [2], data_type: 9, int32_data: [1, 0] }).data).toEqual(
      Uint8Array.of(1, 0),
    );
    const text = read(withWeight({ dims: [1], data_type: 8, string_data: [Buffer.from("ä")] }));
    expect(text.weights.get("w").strings()).toEqual([Uint8Array.from(Buffer.from("ä"))]);
    const nibbles = read(withWeight({ dims: [3], data_type: 22, raw_data: Uint8Array.of(1, 2) }));
    expect(nibbles.weights.get("w").byteLength).toBe(2);
    expect(read(withWeight({ dims: [1], data_type: 99 })).unreadable).toEqual([
      { name: "w", dataType: 99 },
    ]);
  });

  it("tells what lies in bodies and functions, and what of it can be tapped", () => {
    const body: GraphProto = { node: [node("Relu", ["x"], ["r"]), node("Neg", ["r"], ["n"])] };
    const model = read(
      {
        node: [
          node("If", ["c"], ["z"], { attribute: [{ name: "then_branch", type: 5, g: body }] }),
          node("Swish", ["z"], ["s"], { domain: "my" }),
        ],
        output: [value("s", 1)],
      },
      { functions: [{ name: "Swish", domain: "my", node: [node("Mul", ["a", "a"], ["b"])] }] },
    );
    expect(model.nested).toEqual([
      { kind: "body", opType: "If", attribute: "then_branch", tappable: ["z"], nodes: 2 },
      { kind: "function", domain: "my", name: "Swish", tappable: ["s"], nodes: 1 },
    ]);
  });

  it("knows values that are no tensors, by declaration, by operator and through bodies", () => {
    const sequence = (name: string) => ({
      name,
      type: { sequence_type: { elem_type: { tensor_type: { elem_type: 1 } } } },
    });
    const body = (name: string, output: object): GraphProto => ({
      node: [node("SequenceEmpty", [], [name])],
      output: [output],
    });
    const ifNode = (output: string, branch: GraphProto) =>
      node("If", ["c"], [output], { attribute: [{ name: "then_branch", type: 5, g: branch }] });
    const model = read({
      input: [sequence("in")],
      value_info: [sequence("declared")],
      node: [
        node("SplitToSequence", ["x"], ["split"]),
        node("Identity", ["split"], ["same"]),
        node("SequenceAt", ["split", "i"], ["element"]),
        node("Identity", ["in"], ["copy"]),
        node("Anything", ["x"], ["declared"]),
        ifNode("typed", body("s", sequence("s"))),
        ifNode("untyped", body("s", { name: "s" })),
      ],
      output: [value("element", 1)],
    });
    expect(model.taps.filter(({ tensor }) => tensor).map(({ name }) => name)).toEqual(["element"]);
    expect(model.taps).toHaveLength(7);
  });

  const doubled = [{ name: "w" }, { name: "w" }].map((w) => ({ ...w, dims: [0], data_type: 1 }));
  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(0), /0 bytes without a graph; is it an ONNX model\?/],
    ["a model without version", encodeModel({ graph: { node: [{}] } }), /without an IR version/],
    ["an empty graph", encodeModel({ ir_version: 8, graph: {} }), /its graph is empty/],
    [
      "other bytes",
      Buffer.from("just some text that is no model"),
      /is no ONNX model, or damaged: /,
    ],
    ["a Git-LFS pointer", Buffer.from("version https://git-lfs"), /is a Git-LFS pointer/],
    [
      "a shape of other size",
      bytesOf(withWeight({ dims: [3], data_type: 1, raw_data: f32(1) })),
      /"w": float32 \[3\] takes 12 bytes, the file has 4/,
    ],
    [
      "a shape bomb",
      bytesOf(withWeight({ dims: [2 ** 40, 2 ** 40], data_type: 1 })),
      /is not a list of sizes/,
    ],
    ["a negative size", bytesOf(withWeight({ dims: [-1], data_type: 1 })), /shape \[-1\] is not/],
    [
      "strings that are too few",
      bytesOf(withWeight({ dims: [2], data_type: 8 })),
      /needs 2 strings, the file has 0/,
    ],
    [
      "a segment",
      bytesOf(withWeight({ dims: [0], data_type: 1, segment: { begin: 0, end: 1 } })),
      /is a segment of a tensor/,
    ],
    [
      "two weights of one name",
      bytesOf({ ...withWeight({}), initializer: doubled }),
      /two initializers have the name "w"/,
    ],
    [
      "two values of one name",
      bytesOf({ node: [node("Relu", ["x"], ["x"])], input: [value("x", 1)] }),
      /two values of its graph have the name "x"/,
    ],
  ])("refuses %s", (_, bytes, message) => {
    const open = () => onnxModelFrom(bytes, "m.onnx", folder);
    expect(open).toThrow(message);
    expect(open).toThrow(expect.objectContaining({ name: "InputError" }));
  });

  it("refuses a file beyond 2 GiB before it reads it", () => {
    const path = join(root, "huge.onnx");
    writeFileSync(path, "");
    truncateSync(path, 2 ** 31);
    expect(() => openOnnxModel(path)).toThrow(/has 2147483648 bytes, a protocol buffer at most/);
  });
});

describe("external data", () => {
  writeFileSync(join(folder, "w.bin"), Buffer.concat([f32(9), f32(1, 2)]));
  writeFileSync(join(root, "secret.bin"), f32(1, 2));
  symlinkSync(join(root, "secret.bin"), join(folder, "link.bin"));
  const at = (entries: Record<string, string>): TensorProto => ({
    name: "w",
    dims: [2],
    data_type: ONNX_TYPE.float,
    data_location: 1,
    external_data: Object.entries(entries).map(([key, text]) => ({ key, value: text })),
  });

  it("is read from the model's folder, at its offset", () => {
    const path = join(folder, "m.onnx");
    writeFileSync(path, bytesOf(withWeight(at({ location: "w.bin", offset: "4", length: "8" }))));
    const model = openOnnxModel(path);
    expect(readTensor(model.weights.get("w"), path).data).toEqual(Float32Array.of(1, 2));
  });

  it.each<[Record<string, string>, RegExp]>([
    [{ location: "../secret.bin" }, /names the file "..\/secret\.bin", expected a path below/],
    [{ location: join(root, "secret.bin") }, /expected a path below the model's own folder/],
    [{ location: "link.bin" }, /expected no link out of the model's folder/],
    [{ location: "none.bin" }, /none\.bin, which is not there/],
    [{ location: "w.bin", offset: "8" }, /needs 8 bytes at offset 8 of .*w\.bin, which has 12/],
    [{ location: "w.bin", length: "4" }, /external data has 4 bytes, its shape takes 8/],
    [{ location: "w.bin", offset: "-4" }, /offset of its external data is "-4", expected a whole/],
    [{ offset: "4" }, /its external data has no location/],
  ])("is refused where it names %j", (entries, message) => {
    expect(() => read(withWeight(at(entries)))).toThrow(message);
    // The same inside a constant: the runtime would open that file as well.
    const constant = node("Constant", [], ["y"], {
      attribute: [{ name: "value", type: 4, t: at(entries) }],
    });
    expect(() => read({ node: [constant], output: [value("y", 1)] })).toThrow(message);
  });

  it("needs a folder", () => {
    const bytes = bytesOf(withWeight(at({ location: "w.bin", offset: "4" })));
    expect(() => onnxModelFrom(bytes, "m", null)).toThrow(
      /lies in the file "w\.bin"; open the model/,
    );
  });
});

describe("exposeOutputs", () => {
  const run = async (bytes: Uint8Array, feeds: Record<string, ort.Tensor>, names?: string[]) => {
    const options = { graphOptimizationLevel: "disabled", logSeverityLevel: 3 } as const;
    const session = await ort.InferenceSession.create(bytes, options);
    const results = await (names ? session.run(feeds, names) : session.run(feeds));
    await session.release();
    return Object.fromEntries(
      Object.entries(results).map(([name, t]) => [name, [...(t.data as Float32Array)]]),
    );
  };

  it("makes every node output one of the model's by appending to its bytes", async () => {
    const model = read({
      input: [value("x", 1, [2])],
      node: [node("Neg", ["x"], ["a"]), node("Abs", ["a"], ["y"])],
      output: [value("y", 1, [2])],
    });
    const exposed = exposeOutputs(model, ["a", "y"]);
    expect(exposed.bytes.subarray(0, model.bytes.length)).toEqual(model.bytes);
    expect([...exposed.outputs]).toEqual([
      ["y", "y"],
      ["a", "a"],
    ]);
    const x = new ort.Tensor("float32", [1, -2], [2]);
    expect(await run(exposed.bytes, { x })).toEqual({ y: [1, 2], a: [-1, 2] });
    expect(() => exposeOutputs(model, ["x", "q"])).toThrow(
      /no node of its main graph makes a tensor "x", "q"/,
    );
  });

  it("leaves sequences out, so that the tensors beside them can be asked for", async () => {
    const type = { sequence_type: { elem_type: { tensor_type: { elem_type: 1 } } } };
    const model = read({
      input: [value("x", 1, [1])],
      node: [
        node("SequenceConstruct", ["x"], ["q"]),
        node("Neg", ["x"], ["n"]),
        node("Abs", ["n"], ["y"]),
      ],
      output: [{ name: "q", type }, value("y", 1)],
    });
    const { bytes, outputs } = exposeOutputs(model, ["n"]);
    expect([...outputs.keys()]).toEqual(["y", "n"]);
    const x = new ort.Tensor("float32", [3], [1]);
    expect(await run(bytes, { x }, [...outputs.values()])).toEqual({ y: [3], n: [-3] });
    expect(() => exposeOutputs(model, ["q"])).toThrow(/makes a tensor "q"/);
  });

  it("passes bfloat16 values, inputs and outputs through casts", async () => {
    const BF16 = ONNX_TYPE.bfloat16;
    const to = (type: number) => [{ name: "to", type: 2, i: type }];
    const model = read({
      input: [value("x", BF16, [2]), value("x/as-float32", 1, [1])],
      initializer: [{ name: "w", dims: [2], data_type: BF16, int32_data: [0x3f80, 0xbf80] }],
      node: [
        node("Concat", ["w", "x"], ["c"], { attribute: [{ name: "axis", type: 2, i: 0 }] }),
        node("Shape", ["c"], ["s"]),
        node("Cast", ["c"], ["f"], { attribute: to(1) }),
        node("Cast", ["f"], ["b"], { attribute: to(BF16) }),
        node("Identity", ["x/as-float32"], ["i"]),
      ],
      output: [value("b", BF16)],
    });
    const exposed = exposeOutputs(model, ["c", "s", "f", "b", "i"]);
    expect([...exposed.outputs]).toEqual([
      ["b", "b/float32"],
      ["c", "c/float32"],
      ["s", "s"],
      ["f", "f"],
      ["i", "i"],
    ]);
    expect([...exposed.castInputs]).toEqual([["x", "x/as-float32_"]]);
    const feeds = {
      "x/as-float32_": new ort.Tensor("float32", [2, 3], [2]),
      "x/as-float32": new ort.Tensor("float32", [7], [1]),
    };
    expect(await run(exposed.bytes, feeds)).toEqual({
      "b/float32": [1, -1, 2, 3],
      "c/float32": [1, -1, 2, 3],
      s: [4n],
      f: [1, -1, 2, 3],
      i: [7],
    });
  });
});
