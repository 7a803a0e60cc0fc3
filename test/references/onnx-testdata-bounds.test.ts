import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recordedTensor } from "../../src/conformance/onnx-testdata/recorded-tensor.js";
import { architectureFromOnnx } from "../../src/formats/onnx/architecture.js";
import { onnxModelFrom } from "../../src/formats/onnx/model-reader.js";
import {
  decodeModel,
  decodeTensor,
  encodeModel,
  type TensorProto,
} from "../../src/formats/onnx/schema.js";
import { weightsFromOnnx } from "../../src/formats/onnx/weights.js";
import { readTensor } from "../../src/formats/tensor-file.js";
import { OnnxModelReference } from "../../src/references/onnxruntime/onnx-model-reference.js";
import { OnnxModelRun } from "../../src/references/onnxruntime/onnx-model-run.js";
import { OnnxRuntimeProcess } from "../../src/references/onnxruntime/onnxruntime-process.js";
import { tensor } from "../../src/tensor/tensor.js";
import { copiedTensors } from "../../src/weights/tensor-file-weights.js";
import { recordTaps } from "./record-taps.js";

const testdata = process.env["DIFFTEST_ONNX_TESTDATA"];

/** Cases of the operators whose arithmetic is known, in float32; pools with gaps between their elements are left to the runtime. */
const CASES =
  /^test_(lstm_(defaults|with)|gru_(defaults|seq|with)|rnn_seq|simple_rnn_(defaults|with)|conv_with|basic_conv_|convtranspose|averagepool|maxpool_\dd|global|prelu|instancenorm|layer_normalization_\dd_axis\d$|gemm|matmul_|resize_(upsample|downsample)_(scales|sizes)_(linear|nearest)|lrn|reduce_(l1|l2|log_sum|sum_square)_|logsoftmax|softmax_(axis|default)|sum_|mean_|depthtospace|spacetodepth|tile|celu|thresholdedrelu|shrink)/;
const LEFT_OUT = /expanded|ver18|batchwise|crop|uint8|maxpool_2d_dilations|log_sum_exp/;

let runtime: OnnxRuntimeProcess;
beforeAll(async () => {
  runtime = await OnnxRuntimeProcess.start();
});
afterAll(() => runtime?.close());

/** How each value of a case came by its bound: `derived`, `noise`, or `doubted` where our own definition did not give it. */
async function basesOf(folder: string): Promise<string[]> {
  const proto = decodeModel(readFileSync(join(folder, "model.onnx")));
  const graph = proto.graph ?? {};
  const [first, ...others] = graph.input ?? [];
  const data = (k: number) => join(folder, "test_data_set_0", `input_${k}.pb`);
  // Kernels, shapes and axes are stored in models that people have; here they are inputs.
  const stored = others.map(
    ({ name = "" }, k): TensorProto => ({ ...decodeTensor(readFileSync(data(k + 1))), name }),
  );
  const bytes = encodeModel({
    ...proto,
    graph: {
      ...graph,
      input: first === undefined ? [] : [first],
      initializer: [...(graph.initializer ?? []), ...stored],
    },
  });
  const model = onnxModelFrom(bytes, folder, null);
  const weights = weightsFromOnnx(model).map((spec) => ({
    spec,
    tensor: model.weights.get(spec.name),
  }));
  await runtime.open(copiedTensors(weights, folder));
  const given = recordedTensor(data(0));
  if (given === undefined || first === undefined) throw new Error(`${folder} has no input`);
  const x = tensor(
    given.shape,
    Float32Array.from(readTensor(given, folder).data as Float32Array, Number),
  );
  const run = await OnnxModelRun.record(runtime, model, new Map([[first.name ?? "", x]]));
  const numbers = (name: string) => {
    const one = model.weights.tensors.find((weight) => weight.name === name);
    return one && Array.from(readTensor(one, folder).data as Float32Array, Number);
  };
  const inputs = [{ name: first.name ?? "", shape: x.shape }];
  const architecture = architectureFromOnnx(model, inputs, { values: run.values, numbers });
  const reference = new OnnxModelReference(runtime, run, architecture);
  const taps = architecture.layers.map(({ id }) => id);
  await recordTaps(reference, runtime, taps);
  const kinds = new Map(architecture.operations.map(({ id, kind }) => [id, kind]));
  return taps.map((id) =>
    kinds.get(id) === "opaque" ? "noise" : reference.isDoubtful(id) ? "doubted" : "derived",
  );
}

describe.skipIf(testdata === undefined)("ONNX' test cases (needs DIFFTEST_ONNX_TESTDATA)", () => {
  it("of known operators give what their definitions do, within the derived bounds", async () => {
    const folder = join(testdata ?? "", "node");
    const names = readdirSync(folder).filter((name) => CASES.test(name) && !LEFT_OUT.test(name));
    expect(names.length).toBeGreaterThan(100);
    const others: string[] = [];
    for (const name of names) {
      const bases = await basesOf(join(folder, name));
      if (bases.some((basis) => basis !== "derived")) others.push(`${name}: ${bases}`);
    }
    expect(others).toEqual([]);
  }, 240_000);
});
