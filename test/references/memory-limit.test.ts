import { afterEach, describe, expect, it } from "vitest";
import { onnxModelFrom } from "../../src/formats/onnx/model-reader.js";
import { type NodeProto, ONNX_ATTRIBUTE } from "../../src/formats/onnx/schema.js";
import { OnnxModelRun } from "../../src/references/onnxruntime/onnx-model-run.js";
import { OnnxRuntimeProcess } from "../../src/references/onnxruntime/onnxruntime-process.js";
import { tensor } from "../../src/tensor/tensor.js";
import { copiedTensors } from "../../src/weights/tensor-file-weights.js";
import { floats, node, onnxBytes, value, wholes } from "../formats/onnx/write-model.js";

afterEach(() => {
  delete process.env["DIFFTEST_MEMORY"];
});

const inputs = { input: [value("x", [3, 4])] };
const sizes = [node("Shape", ["x"], "sizes"), node("Mul", ["sizes", "factors"], "large_sizes")];

/** Doubles a value again and again: what no shape in the file tells. */
function doubling(times: number): [NodeProto[], ReturnType<typeof wholes>[]] {
  const steps = Array.from({ length: times }, (_, k) =>
    node("Concat", [k === 0 ? "x" : `v${k}`, k === 0 ? "x" : `v${k}`], `v${k + 1}`, { axis: 0 }),
  );
  return [steps, []];
}

/** As {@link doubling}, in the body of a loop, where nothing can be tapped. */
function loop(times: number): [NodeProto[], ReturnType<typeof wholes>[]] {
  const body = {
    name: "body",
    input: [value("k", [], 7), value("go", [], 9), value("v", ["n", 4])],
    output: [value("go_on", [], 9), value("w", ["m", 4])],
    node: [node("Identity", ["go"], "go_on"), node("Concat", ["v", "v"], "w", { axis: 0 })],
  };
  const attribute = [{ name: "body", type: ONNX_ATTRIBUTE.graph, g: body }];
  const one = { op_type: "Loop", input: ["times", "", "x"], output: ["grown"], attribute };
  return [[one], [wholes("times", [times], [])]];
}

describe("the memory of a reference", () => {
  it.each<[string, [NodeProto[], ReturnType<typeof wholes>[]]]>([
    [
      "a size that is computed",
      [
        [...sizes, node("ConstantOfShape", ["large_sizes"], "huge")],
        [wholes("factors", [10_000, 10_000])],
      ],
    ],
    ["values that grow from node to node", doubling(29)],
    ["a loop that doubles a value", loop(31)],
  ])(
    "ends its process when it is more than allowed, in one line and at once: %s",
    async (_, [nodes, stored]) => {
      process.env["DIFFTEST_MEMORY"] = "1";
      const bytes = onnxBytes({
        ...inputs,
        output: [{ name: nodes.at(-1)?.output?.[0] ?? "" }],
        initializer: [floats("unused", [1], [1]), ...stored],
        node: nodes,
      });
      const model = onnxModelFrom(bytes, "bomb.onnx", null);
      const runtime = await OnnxRuntimeProcess.start(copiedTensors([], "bomb.onnx"));
      const started = Date.now();
      const x = tensor([3, 4], new Float32Array(12));
      try {
        await expect(
          OnnxModelRun.record(runtime, model, new Map([["x", x]])),
        ).rejects.toMatchObject({
          name: "UnavailableError",
          message: expect.stringMatching(
            /^reference onnxruntime: its process asked for [\d.]+ GiB of memory, expected at most 1\.0 GiB; give smaller inputs .*DIFFTEST_MEMORY=\d+$/,
          ),
        });
        expect(Date.now() - started).toBeLessThan(10_000);
      } finally {
        await runtime.close();
      }
    },
  );

  it("is told to be short where the system gives none", async () => {
    const nodes = [...sizes, node("ConstantOfShape", ["large_sizes"], "huge")];
    const bytes = onnxBytes({
      ...inputs,
      output: [{ name: "huge" }],
      initializer: [wholes("factors", [10_000_000, 10_000_000])],
      node: nodes,
    });
    const model = onnxModelFrom(bytes, "bomb.onnx", null);
    const runtime = await OnnxRuntimeProcess.start(copiedTensors([], "bomb.onnx"));
    try {
      const x = tensor([3, 4], new Float32Array(12));
      await expect(OnnxModelRun.record(runtime, model, new Map([["x", x]]))).rejects.toMatchObject({
        name: "UnavailableError",
        message: expect.stringMatching(
          /^bomb\.onnx: ONNX Runtime gets no memory for what ConstantOfShape makes .*--shape/,
        ),
      });
    } finally {
      await runtime.close();
    }
  });

  it("is no matter to a model that needs less", async () => {
    process.env["DIFFTEST_MEMORY"] = "1";
    const [nodes] = doubling(3);
    const bytes = onnxBytes({ ...inputs, output: [{ name: "v3" }], node: nodes });
    const model = onnxModelFrom(bytes, "small.onnx", null);
    const runtime = await OnnxRuntimeProcess.start(copiedTensors([], "small.onnx"));
    try {
      const x = tensor([3, 4], new Float32Array(12));
      const run = await OnnxModelRun.record(runtime, model, new Map([["x", x]]));
      expect(run.values.get("v3")?.shape).toEqual([24, 4]);
    } finally {
      await runtime.close();
    }
  });
});
