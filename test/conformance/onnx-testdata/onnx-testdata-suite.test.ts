import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import protobuf from "protobufjs/minimal.js";
import { afterAll, describe, expect, it } from "vitest";
import { onnxTestdataSuite } from "../../../src/conformance/onnx-testdata/onnx-testdata-suite.js";
import type { CaseResult } from "../../../src/conformance/suite.js";
import { encodeModel, type ModelProto } from "../../../src/formats/onnx/schema.js";

const testdata = process.env["DIFFTEST_ONNX_TESTDATA"];
const root = mkdtempSync(join(tmpdir(), "onnx-testdata-"));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;

/** A `TensorProto` of float32 values: field 1 dims, 2 data_type, 9 raw_data. */
function tensorFile(...values: number[]): Uint8Array {
  const raw = new Uint8Array(Float32Array.from(values).buffer);
  const writer = protobuf.Writer.create().uint32(8).int64(values.length).uint32(16).int32(1);
  return writer.uint32(74).bytes(raw).finish();
}

/** A suite of one case with this model, input and recorded output. */
async function resultOf(
  model: ModelProto,
  input: Uint8Array,
  output: Uint8Array,
): Promise<CaseResult | undefined> {
  count += 1;
  const suite = join(root, `${count}`);
  const data = join(suite, "node", "test_one", "test_data_set_0");
  mkdirSync(data, { recursive: true });
  writeFileSync(join(data, "..", "model.onnx"), encodeModel(model));
  writeFileSync(join(data, "input_0.pb"), input);
  writeFileSync(join(data, "output_0.pb"), output);
  expect(onnxTestdataSuite.claims(suite)).toBe(true);
  for await (const result of onnxTestdataSuite.run(suite, {})) return result;
  return undefined;
}

const io = (name: string) => ({ name, type: { tensor_type: { elem_type: 1 } } });
const model = (op: string, more: object = {}): ModelProto => ({
  ir_version: 9,
  opset_import: [{ version: 18 }],
  graph: {
    name: "g",
    input: [io("x")],
    node: [
      { op_type: op, input: ["x"], output: ["h"] },
      { op_type: "Abs", input: ["h"], output: ["y"] },
    ],
    output: [io("y")],
    ...more,
  },
});

describe("the suite of ONNX' own test cases", () => {
  it("passes what the runtime computes as recorded, every value exposed", async () => {
    expect(await resultOf(model("Neg"), tensorFile(1, -2), tensorFile(1, 2))).toEqual({
      id: "test_one",
      area: "node",
      status: "passed",
      detail: "2 values exposed",
    });
  });

  it("does not cover what the runtime does not run, or computes otherwise", async () => {
    expect(await resultOf(model("Neg"), tensorFile(1, -2), tensorFile(1, 3))).toMatchObject({
      status: "not covered",
      detail: "is computed by ONNX Runtime otherwise than recorded",
    });
    expect(await resultOf(model("Unheard"), tensorFile(1), tensorFile(1))).toMatchObject({
      status: "not covered",
      detail: "is not run by ONNX Runtime",
    });
  });

  it("fails what our reader refuses", async () => {
    const doubled = [{ name: "w" }, { name: "w" }].map((w) => ({ ...w, dims: [0], data_type: 1 }));
    const broken = model("Neg", { initializer: doubled });
    expect(await resultOf(broken, tensorFile(1), tensorFile(1))).toMatchObject({
      status: "failed",
      detail: expect.stringContaining("two initializers have the name"),
    });
  });
});

describe.skipIf(testdata === undefined)("ONNX' test cases (needs DIFFTEST_ONNX_TESTDATA)", () => {
  it("come through the reader where the runtime passes them", async () => {
    const results: CaseResult[] = [];
    for await (const result of onnxTestdataSuite.run(testdata ?? "", {})) results.push(result);
    expect(results.filter(({ status }) => status === "failed")).toEqual([]);
    expect(results.filter(({ status }) => status === "passed").length).toBeGreaterThan(800);
  });
});
