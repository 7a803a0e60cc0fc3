import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import ort from "onnxruntime-node";
import { InputError } from "../../errors.js";
import { exposeOutputs } from "../../formats/onnx/expose-outputs.js";
import { type OnnxModel, openOnnxModel } from "../../formats/onnx/model-reader.js";
import type { CaseResult, Suite, SuiteOptions } from "../suite.js";
import { agrees } from "./agreement.js";
import { recordedTensor } from "./recorded-tensor.js";
import { runtimeTensor, sameBits } from "./runtime-tensor.js";

/**
 * The test cases of the ONNX project (`node/test_*` with `model.onnx` and `test_data_set_0`; Debian's
 * package libonnx-testdata). What ONNX Runtime itself computes as recorded must come through our reader,
 * and every value of the model be exposed without a bit of its outputs changing.
 */
export const onnxTestdataSuite: Suite = {
  id: "onnx-testdata",
  claims: (directory) => caseFolders(directory).length > 0,
  run,
};

function caseFolders(directory: string): string[] {
  const isCase = (folder: string) =>
    existsSync(join(folder, "model.onnx")) && existsSync(join(folder, "test_data_set_0"));
  const children = (folder: string) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(folder, name));
  const direct = children(directory);
  return [...direct, ...direct.flatMap(children)].filter(isCase).sort();
}

async function* run(directory: string, options: SuiteOptions): AsyncGenerator<CaseResult> {
  for (const folder of caseFolders(directory)) {
    const id = basename(folder);
    if (!id.includes(options.only ?? "")) continue;
    yield { id, area: basename(dirname(folder)), ...(await judge(folder)) };
  }
}

type Verdict = Omit<CaseResult, "id" | "area">;
type Values = Readonly<Record<string, ort.Tensor>>;

async function judge(folder: string): Promise<Verdict> {
  const path = join(folder, "model.onnx");
  const bytes = readFileSync(path);
  let feeds: Record<string, ort.Tensor> | null;
  let model: OnnxModel;
  try {
    model = openOnnxModel(path);
    feeds = feedsOf(folder, model);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { status: "failed", detail: `refused: ${error.message}` };
  }
  if (feeds === null)
    return notCovered("has inputs that are no tensors of a type the runtime takes");
  const own = model.outputs.map(({ name }) => name);
  const plain = await attempt(bytes, feeds, own);
  if (typeof plain === "string") return notCovered("is not run by ONNX Runtime");
  if (
    !agrees(
      own.map((name) => plain[name]),
      folder,
    )
  ) {
    return notCovered("is computed by ONNX Runtime otherwise than recorded");
  }
  const names = model.taps.filter(({ tensor }) => tensor).map(({ name }) => name);
  const exposed = exposeOutputs(model, names);
  const traced = await attempt(exposed.bytes, feeds, [...exposed.outputs.values()]);
  if (typeof traced === "string") return { status: "failed", detail: `exposed: ${traced}` };
  return compare(plain, traced, names.length);
}

function notCovered(detail: string): Verdict {
  return { status: "not covered", detail };
}

function compare(plain: Values, traced: Values, taps: number): Verdict {
  for (const [name, value] of Object.entries(plain)) {
    const other = traced[name];
    if (other === undefined || !sameBits(value, other)) {
      return { status: "failed", detail: `${name} is not the same when all values are exposed` };
    }
  }
  return { status: "passed", detail: `${taps} values exposed` };
}

/** Inputs by name; null when one cannot be fed. */
function feedsOf(folder: string, model: OnnxModel): Record<string, ort.Tensor> | null {
  const inputs = [...model.inputs, ...model.defaultInputs].length;
  const order = (model.proto.graph?.input ?? []).map(({ name }) => name ?? "");
  const feeds: Record<string, ort.Tensor> = {};
  for (let k = 0; k < inputs; k++) {
    const path = join(folder, "test_data_set_0", `input_${k}.pb`);
    if (!existsSync(path)) continue;
    const value = recordedTensor(path);
    const tensor = value && runtimeTensor(value);
    if (tensor === undefined) return null;
    feeds[order[k] ?? ""] = tensor;
  }
  return feeds;
}

async function attempt(
  model: Uint8Array,
  feeds: Record<string, ort.Tensor>,
  outputs: readonly string[],
): Promise<Values | string> {
  try {
    const options = { graphOptimizationLevel: "disabled", logSeverityLevel: 4 } as const;
    const session = await ort.InferenceSession.create(model, options);
    try {
      return await session.run(feeds, outputs);
    } finally {
      await session.release();
    }
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
  }
}
