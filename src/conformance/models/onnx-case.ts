import { dirname, join } from "node:path";
import ort from "onnxruntime-node";
import { type ExposedModel, exposeOutputs } from "../../formats/onnx/expose-outputs.js";
import { openOnnxModel } from "../../formats/onnx/model-reader.js";
import { readTensor } from "../../formats/tensor-file.js";
import type { AnyTensor } from "../../tensor/tensor.js";
import type { CaseResult } from "../suite.js";
import { distanceOf } from "./judge.js";
import type { ManifestTap, ModelsManifest } from "./manifest.js";
import { openRecorded, type Recorded } from "./recorded.js";
import { attempt } from "./stored-tensors.js";

type Verdict = Pick<CaseResult, "status" | "detail" | "distance">;

/** The suite's tolerance for single layers: what ONNX Runtime itself computed must come back. */
const LAYER_TOLERANCE = 1e-5;
/** For whole models: values of the program that exported the model. */
const MODEL_TOLERANCE = 1e-4;

/**
 * Judges an ONNX case of area F: the file is read, every weight of it too, and run with each recorded
 * value exposed as an output. The values of ONNX Runtime decide; where the case has none for a name,
 * the reference evaluator's, and the exporting program's values stand beside the outputs.
 */
export async function judgeOnnx(folder: string, manifest: ModelsManifest): Promise<Verdict> {
  const path = join(folder, manifest.weights?.file ?? "model.onnx");
  const read = attempt(() => {
    const model = openOnnxModel(path);
    for (const weight of model.weights.tensors) {
      if (weight.dtype !== "string") readTensor(weight, path);
    }
    const names = new Set(model.taps.map(({ name }) => name));
    const wanted = manifest.taps.filter(({ name }) => names.has(name)).map(({ name }) => name);
    return { model, exposed: exposeOutputs(model, [...new Set(wanted)]) };
  });
  if ("refused" in read) return { status: "failed", detail: `refused: ${read.refused}` };
  const { model, exposed } = read.value;
  const inputs = openInputs(folder, manifest);
  const actual = await runModel(exposed, inputs, dirname(path));
  const recorded = openRecorded(join(folder, "expected.npz"));
  const outputs = model.outputs.map(({ name }) => name);
  return verdictOf(pairs(manifest.taps, outputs), actual, recorded);
}

function openInputs(folder: string, manifest: ModelsManifest): Map<string, AnyTensor> {
  return new Map(
    manifest.inputs.map(({ name, key, file }) => [
      name,
      openRecorded(join(folder, file)).tensor(key),
    ]),
  );
}

/** A recorded value and the value of the model that must agree with it. */
interface Pair {
  readonly tap: ManifestTap;
  readonly value: string;
  readonly tolerance: number;
}

/** The exporting program's outputs are listed flat, in the order of the model's. */
function pairs(taps: readonly ManifestTap[], outputs: readonly string[]): Pair[] {
  const byRuntime = new Set(taps.filter(({ source }) => source === "ort").map(({ name }) => name));
  const exporter = taps.filter(({ source }) => source === "torch");
  return taps.flatMap((tap): Pair[] => {
    const position = exporter.indexOf(tap);
    if (position >= 0) {
      return [{ tap, value: outputs[position] ?? "", tolerance: MODEL_TOLERANCE }];
    }
    if (tap.source === "reference" && byRuntime.has(tap.name)) return [];
    return [{ tap, value: tap.name, tolerance: LAYER_TOLERANCE }];
  });
}

function verdictOf(
  list: readonly Pair[],
  actual: ReadonlyMap<string, AnyTensor>,
  recorded: Recorded,
): Verdict {
  let worst = 0;
  for (const { tap, value, tolerance } of list) {
    const found = actual.get(value);
    if (found === undefined) {
      return { status: "failed", detail: `${tap.name}: is no value of the model` };
    }
    const result = distanceOf(found, recorded.tensor(tap.key));
    if (result.kind === "other") return { status: "failed", detail: `${tap.name}: ${result.what}` };
    const part = result.distance / tolerance;
    if (!(part <= 1)) {
      const detail = `${tap.name}: ${result.distance.toExponential(2)} off at ${result.index}, allowed ${tolerance}`;
      return { status: "failed", detail, distance: part };
    }
    worst = Math.max(worst, part);
  }
  if (list.length === 0) return { status: "failed", detail: "nothing to compare" };
  return { status: "passed", detail: `${list.length} values compared`, distance: worst };
}

/** Runs a model with optimizations off; all its outputs by the names of the original. */
async function runModel(
  { bytes, outputs, castInputs }: ExposedModel,
  inputs: ReadonlyMap<string, AnyTensor>,
  folder: string,
): Promise<Map<string, AnyTensor>> {
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 3,
    extra: { session: { model_external_initializers_file_folder_path: folder } },
  });
  try {
    const feeds = Object.fromEntries(
      [...inputs].map(([name, { dtype, data, shape }]) => [
        castInputs.get(name) ?? name,
        new ort.Tensor(dtype as "float32", data as Float32Array, [...shape]),
      ]),
    );
    const results = await session.run(feeds, [...new Set(outputs.values())]);
    return new Map(
      [...outputs].map(([name, output]) => [name, tensorFrom(results[output] as ort.Tensor)]),
    );
  } finally {
    await session.release();
  }
}

/** Integers of fewer than 32 bits as the wider type that recorded ones are read to. */
function tensorFrom(value: ort.Tensor): AnyTensor {
  const shape = value.dims;
  const { type, data } = value;
  if (type === "int8" || type === "int16" || type === "uint16") {
    return { dtype: "int32", shape, data: Int32Array.from(data as Int8Array) };
  }
  return { dtype: type, shape, data } as AnyTensor;
}
