import { basename, join } from "node:path";
import { InputError } from "../../errors.js";
import type { CaseResult, Suite, SuiteOptions } from "../suite.js";
import { checkpointPath, judgeCheckpoint } from "./checkpoint-case.js";
import { judgeHdf5 } from "./hdf5-case.js";
import { caseFolders, changedFile, type ModelsManifest, readManifest } from "./manifest.js";
import { judgeOnnx } from "./onnx-case.js";
import { judgeSafetensors } from "./safetensors-case.js";
import { hasWeights, judgeWeights } from "./weights-beside.js";

/** Areas whose main content is not judged, and why. */
const NOT_COVERED: Readonly<Record<string, string>> = {
  A: "what transformers models compute is not judged",
  B: "tokenizers are not judged",
  C: "what PyTorch layers, losses and optimisers compute is not judged",
  D: "what the Model Garden's models compute is not judged",
};

/**
 * Recorded models, checkpoints and weights files of PyTorch, TensorFlow, safetensors and ONNX: areas
 * E (files) and F (ONNX), and the weights file beside each case of A, C and D.
 */
export const modelsSuite: Suite = { id: "models", claims, run };

/** The manifests of this suite say whether all values are finite; those of the others do not. */
function claims(directory: string): boolean {
  const [first] = caseFolders(directory);
  if (first === undefined) return false;
  try {
    readManifest(first);
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

async function* run(directory: string, options: SuiteOptions): AsyncGenerator<CaseResult> {
  for (const folder of caseFolders(directory)) {
    if (basename(folder).includes(options.only ?? "")) yield* judgeCase(folder);
  }
}

async function* judgeCase(folder: string): AsyncGenerator<CaseResult> {
  let manifest: ModelsManifest;
  try {
    manifest = readManifest(folder);
  } catch (error) {
    yield { id: basename(folder), area: "?", status: "failed", detail: messageOf(error) };
    return;
  }
  const { id, area } = manifest;
  const changed = changedFile(folder, manifest);
  if (changed !== null) {
    yield { id, area, status: "failed", detail: changed };
    return;
  }
  yield { id, area, ...(await judged(() => judgeMain(folder, manifest))) };
  if (area in NOT_COVERED && hasWeights(manifest)) {
    const verdict = await judged(async () => judgeWeights(folder, manifest));
    yield { id: `${id}:weights`, area: `${area} weights`, ...verdict };
  }
}

type Verdict = Omit<CaseResult, "id" | "area">;

/** A fault of ours fails the case that shows it; the others go on. */
async function judged(judge: () => Promise<Verdict>): Promise<Verdict> {
  try {
    return await judge();
  } catch (error) {
    return { status: "failed", detail: messageOf(error) };
  }
}

function messageOf(error: unknown): string {
  const line = (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
  return error instanceof InputError ? line : `not an InputError: ${line}`;
}

async function judgeMain(folder: string, manifest: ModelsManifest): Promise<Verdict> {
  const { area } = manifest;
  const reason = NOT_COVERED[area];
  if (reason !== undefined) return { status: "not covered", detail: reason };
  if (area === "F") return judgeOnnx(folder, manifest);
  if (area === "E") return await judgeFile(folder, manifest);
  return { status: "not covered", detail: `area ${area} is not known` };
}

async function judgeFile(folder: string, manifest: ModelsManifest): Promise<Verdict> {
  const files = Object.keys(manifest.files);
  const safetensors = files.find((name) => name.endsWith(".safetensors"));
  if (safetensors !== undefined) return judgeSafetensors(folder, manifest, safetensors);
  const hdf5 = files.find((name) => name.endsWith(".h5"));
  if (hdf5 !== undefined) return await judgeHdf5(folder, manifest, hdf5);
  const path = checkpointPath(folder, manifest);
  if (path !== null) return judgeCheckpoint(folder, manifest, path);
  return { status: "not covered", detail: `no file that is read here: ${join(...files)}` };
}
