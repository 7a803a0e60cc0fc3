import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { modelsSuite } from "../../../src/conformance/models/models-suite.js";
import type { CaseResult } from "../../../src/conformance/suite.js";
import { writeNpz } from "../../../src/formats/npy/npz.js";
import { encodeModel } from "../../../src/formats/onnx/schema.js";
import type { AnyTensor } from "../../../src/tensor/tensor.js";
import { safetensorsBytes, withHeader } from "../../formats/safetensors/write-safetensors.js";
import { bundleFiles } from "../../formats/tf-checkpoint/write-checkpoint.js";

const shared = process.env["DIFFTEST_SHARED"];
const root = mkdtempSync(join(tmpdir(), "models-suite-"));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;

/** A suite of one case; files are listed with their sha256 in its manifest. */
function suiteOf(
  manifest: object,
  files: Record<string, Uint8Array>,
  expected: Record<string, AnyTensor> = {},
): string {
  count += 1;
  const suite = join(root, `${count}`);
  const folder = join(suite, "cases", "one");
  mkdirSync(folder, { recursive: true });
  const npz =
    Object.keys(expected).length === 0
      ? {}
      : { "expected.npz": writeNpz(Object.entries(expected)) };
  const all = { ...files, ...npz };
  const hashes: Record<string, string> = {};
  for (const [name, bytes] of Object.entries(all)) {
    writeFileSync(join(folder, name), bytes);
    hashes[name] = createHash("sha256").update(bytes).digest("hex");
  }
  const base = {
    id: "one",
    area: "E",
    title: "",
    probes: [],
    inputs: [],
    taps: [],
    allFinite: true,
  };
  writeFileSync(
    join(folder, "manifest.json"),
    JSON.stringify({ ...base, files: hashes, ...manifest }),
  );
  return suite;
}

async function resultsOf(suite: string): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for await (const result of modelsSuite.run(suite, {})) results.push(result);
  return results;
}

const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const values = (...list: number[]): AnyTensor => ({
  dtype: "float32",
  shape: [list.length],
  data: Float32Array.from(list),
});
const pair = safetensorsBytes([{ name: "a", dtype: "F32", shape: [2], bytes: f32(1, 2) }]);
const tap = { name: "a", shape: [2], key: "t0" };

describe("the models suite", () => {
  it("claims folders of its cases and no others", () => {
    expect(modelsSuite.claims(suiteOf({}, {}))).toBe(true);
    expect(modelsSuite.claims(suiteOf({ allFinite: undefined }, {}))).toBe(false);
    expect(modelsSuite.claims(mkdtempSync(join(root, "empty-")))).toBe(false);
  });

  it("passes a safetensors file that is read bit for bit, and fails one bit or shape or name off", async () => {
    const status = async (manifest: object, expected: AnyTensor) => {
      const suite = suiteOf(
        { taps: [tap], ...manifest },
        { "m.safetensors": pair },
        { t0: expected },
      );
      const [result] = await resultsOf(suite);
      return `${result?.status}: ${result?.detail}`;
    };
    expect(await status({}, values(1, 2))).toBe("passed: 1 tensors, equal bit for bit");
    expect(await status({}, values(1, 2 + 2 ** -22))).toMatch(
      /^failed: "a": byte 4 is 0, expected 1/,
    );
    expect(await status({ taps: [{ ...tap, shape: [1, 2] }] }, values(1, 2))).toMatch(
      /^failed: "a": shape \[2\], expected \[1, 2\]/,
    );
    expect(await status({ taps: [{ ...tap, name: "b" }] }, values(1, 2))).toMatch(
      /^failed: tensors \["a"\], expected \["b"\]/,
    );
  });

  it("wants what the library refuses refused, and only a doubled key refused beyond that", async () => {
    const verdict = async (accepted: boolean, bytes: Uint8Array) =>
      (await resultsOf(suiteOf({ accepted, damaged: true }, { "m.safetensors": bytes })))[0]
        ?.status;
    const empty = withHeader("{}", f32());
    expect(await verdict(false, empty)).toBe("failed");
    expect(await verdict(true, empty)).toBe("passed");
    expect(await verdict(false, withHeader("[]", f32()))).toBe("passed");
    expect(await verdict(true, withHeader("[]", f32()))).toBe("failed");
    expect(await verdict(true, withHeader('{"a":1,"a":1}', f32()))).toBe("passed");
  });

  it("judges a checkpoint by names, types, bits and strings", async () => {
    const { index, data } = bundleFiles([{ name: "a", dataType: 1, shape: [2], bytes: f32(1, 2) }]);
    const files = { "c.index": index, "c.data-00000-of-00001": data[0] ?? f32() };
    const verdict = async (manifest: object, expected = values(1, 2)) => {
      const [result] = await resultsOf(suiteOf(manifest, files, { t0: expected }));
      return `${result?.status}: ${result?.detail}`;
    };
    expect(await verdict({ taps: [tap] })).toBe("passed: 1 tensors, equal bit for bit");
    expect(await verdict({ taps: [tap] }, values(1, 3))).toMatch(/^failed: "a": byte/);
    expect(await verdict({ taps: [{ ...tap, tfDtype: "int32" }] })).toMatch(
      /float32, expected int32/,
    );
    expect(await verdict({ taps: [] })).toMatch(
      /^failed: tensors missing \[\], not expected \["a"\]/,
    );
  });

  it("holds a damaged checkpoint against what TensorFlow says of each tensor", async () => {
    const { index, data } = bundleFiles([{ name: "a", dataType: 1, shape: [2], bytes: f32(1, 2) }]);
    const [whole = f32()] = data;
    const verdict = async (
      says: Record<string, string>,
      bytes: Uint8Array,
      expected = values(1, 2),
    ) => {
      const manifest = { damaged: true, oracleSays: says, taps: [{ ...tap, name: "undamaged/a" }] };
      const files = { "c.index": index, "c.data-00000-of-00001": bytes };
      return (await resultsOf(suiteOf(manifest, files, { t0: expected })))[0]?.status;
    };
    expect(await verdict({ open: "ok", a: "ok, right values" }, whole)).toBe("passed");
    expect(await verdict({ open: "ok", a: "ok, right values" }, whole, values(1, 3))).toBe(
      "failed",
    );
    expect(await verdict({ open: "ok", a: "OpError: checksum" }, whole)).toBe("failed");
    expect(await verdict({ open: "OpError: not an sstable" }, whole)).toBe("failed");
    expect(
      await verdict(
        { open: "ok", a: "OpError: checksum" },
        whole.map((b) => b ^ 1),
      ),
    ).toBe("passed");
  });

  it("runs an ONNX file with its inner values exposed, and fails a value off by more than allowed", async () => {
    const io = (name: string) => ({ name, type: { tensor_type: { elem_type: 1 } } });
    const model = encodeModel({
      ir_version: 9,
      opset_import: [{ version: 18 }],
      graph: {
        name: "g",
        initializer: [{ name: "w", dims: [2], data_type: 1, raw_data: f32(1, -2) }],
        node: [
          { op_type: "Neg", input: ["w"], output: ["n"] },
          { op_type: "Relu", input: ["n"], output: ["y"] },
        ],
        output: [io("y")],
      },
    });
    const run = async (n: AnyTensor, taps = ["n", "y"]) => {
      const manifest = {
        area: "F",
        taps: taps.map((name) => ({ name, shape: [2], key: name, source: "ort" })),
      };
      const suite = suiteOf(manifest, { "model.onnx": model }, { n, y: values(0, 2) });
      return (await resultsOf(suite))[0];
    };
    expect(await run(values(-1, 2))).toMatchObject({ status: "passed", distance: 0 });
    expect(await run(values(-1, 2.0001))).toMatchObject({ status: "failed" });
    expect(await run(values(-1, Number.NaN))).toMatchObject({ detail: "n: 2 at 1, expected NaN" });
    expect(await run(values(-1, 2), ["n", "nothing"])).toMatchObject({ status: "failed" });
    expect(await run(values(-1, 2), [])).toMatchObject({ detail: "nothing to compare" });
  });

  it("judges the weights beside a case that it does not cover", async () => {
    const gradient = { name: "d_a", shape: [2], key: "t0", kind: "grad" };
    const manifest = (shape: number[]) => ({
      area: "C",
      taps: [{ ...gradient, shape }],
      weights: { format: "safetensors", file: "m.safetensors" },
    });
    const statuses = async (shape: number[]) => {
      const suite = suiteOf(manifest(shape), { "m.safetensors": pair }, { t0: values(1, 2) });
      return (await resultsOf(suite)).map(({ id, area, status }) => [id, area, status]);
    };
    expect(await statuses([2])).toEqual([
      ["one", "C", "not covered"],
      ["one:weights", "C weights", "passed"],
    ]);
    expect((await statuses([3]))[1]?.[2]).toBe("failed");
  });

  it("fails a damaged file that is refused only because the recorded values are missing", async () => {
    const { index, data } = bundleFiles([{ name: "a", dataType: 1, shape: [2], bytes: f32(1, 2) }]);
    const manifest = {
      damaged: true,
      oracleSays: { open: "ok", a: "ok, right values" },
      taps: [{ ...tap, name: "undamaged/a" }],
    };
    const files = { "c.index": index, "c.data-00000-of-00001": data[0] ?? f32() };
    expect(await resultsOf(suiteOf(manifest, files, { other: values(1) }))).toMatchObject([
      { status: "failed", detail: expect.stringContaining("recorded values cannot be read") },
    ]);
  });

  it("fails a case whose files are not those of its manifest, or whose manifest is none", async () => {
    const suite = suiteOf({ taps: [tap] }, { "m.safetensors": pair }, { t0: values(1, 2) });
    const path = join(suite, "cases", "one", "m.safetensors");
    writeFileSync(
      path,
      readFileSync(path).map((byte) => byte ^ 1),
    );
    expect(await resultsOf(suite)).toMatchObject([
      { status: "failed", detail: "m.safetensors has another sha256 than its manifest says" },
    ]);
    writeFileSync(join(suite, "cases", "one", "manifest.json"), "{");
    expect(await resultsOf(suite)).toMatchObject([{ status: "failed", area: "?" }]);
  });
});

describe.skipIf(shared === undefined)("the recorded models suite (needs DIFFTEST_SHARED)", () => {
  it("has every file of area E and F, and every weights file beside the others, read right", async () => {
    const suite = join(shared ?? "", "models-conformance");
    const results = await resultsOf(suite);
    expect(results.filter(({ status }) => status === "failed")).toEqual([]);
    const cases = readdirSync(join(suite, "cases")).length;
    expect(results.filter(({ id }) => !id.includes(":"))).toHaveLength(cases);
    const covered = results.filter(({ status }) => status === "passed");
    expect(covered.filter(({ area }) => area === "F")).not.toEqual([]);
    expect(covered.filter(({ area }) => area === "E").length).toBeGreaterThan(40);
    expect(covered.filter(({ area }) => area.endsWith("weights")).length).toBeGreaterThan(100);
  });
});
