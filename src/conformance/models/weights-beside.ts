import { join } from "node:path";
import { openSafetensors } from "../../formats/safetensors/reader.js";
import { readTensor } from "../../formats/tensor-file.js";
import { openTfCheckpoint, type TfCheckpoint } from "../../formats/tf-checkpoint/reader.js";
import type { CaseResult } from "../suite.js";
import type { ManifestTap, ModelsManifest } from "./manifest.js";
import { openRecorded } from "./recorded.js";
import { attempt, storedDifference } from "./stored-tensors.js";

type Verdict = Pick<CaseResult, "status" | "detail">;

/**
 * Judges the weights file that lies beside a case of areas A, C and D, apart from what the model
 * computes: names, shapes, checksums, and values where the manifest has them.
 */
export function judgeWeights(folder: string, manifest: ModelsManifest): Verdict {
  const { weights } = manifest;
  const judged = attempt(() =>
    weights?.format === "safetensors"
      ? safetensorsVerdict(folder, manifest)
      : checkpointVerdict(folder, manifest),
  );
  return "refused" in judged
    ? { status: "failed", detail: `refused: ${judged.refused}` }
    : judged.value;
}

/** Whether the case has a weights file of a format that is read here. */
export function hasWeights({ weights }: ModelsManifest): boolean {
  return weights?.format === "safetensors" || weights?.format.startsWith("TF V2") === true;
}

function passed(detail: string): Verdict {
  return { status: "passed", detail };
}

function failed(detail: string): Verdict {
  return { status: "failed", detail };
}

/** Values are not recorded there; a gradient has the shape of its parameter, which confirms name and shape. */
function safetensorsVerdict(folder: string, manifest: ModelsManifest): Verdict {
  const file = openSafetensors(join(folder, manifest.weights?.file ?? "model.safetensors"));
  try {
    const gradients = new Map(
      manifest.taps
        .filter(({ kind }) => kind === "grad")
        .map(({ name, shape }) => [name.replace(/^d[_/]/, ""), shape]),
    );
    let confirmed = 0;
    for (const tensor of file.tensors) {
      readTensor(tensor, file.name);
      const shape = gradients.get(tensor.name);
      if (shape === undefined) continue;
      if (`${shape}` !== `${tensor.shape}`) {
        return failed(`"${tensor.name}": shape [${tensor.shape}], its gradient has [${shape}]`);
      }
      confirmed += 1;
    }
    if (file.tensors.length === 0) return failed("no tensors");
    return passed(`${file.tensors.length} tensors, ${confirmed} shapes confirmed by gradients`);
  } finally {
    file.close();
  }
}

function checkpointVerdict(folder: string, manifest: ModelsManifest): Verdict {
  const file = openTfCheckpoint(join(folder, manifest.weights?.prefix ?? "ckpt"));
  try {
    for (const tensor of file.tensors) {
      if (tensor.dtype === "string") tensor.strings();
      else tensor.bytes();
    }
    const difference = mapDifference(manifest, file) ?? stateDifference(folder, manifest, file);
    return difference === null
      ? passed(`${file.tensors.length} tensors, every checksum right`)
      : failed(difference);
  } finally {
    file.close();
  }
}

/** Each variable of the manifest's map has its key, its shape and its own name in the object graph. */
function mapDifference({ weights }: ModelsManifest, file: TfCheckpoint): string | null {
  const { map, variables } = weights ?? {};
  if (map === undefined) return null;
  if (map.length !== variables) return `${map.length} variables in the map, expected ${variables}`;
  const fullNames = new Map(
    (file.objectGraph() ?? []).flatMap(({ attributes }) =>
      attributes.map(({ key, fullName }) => [key, fullName] as const),
    ),
  );
  for (const { name, checkpointKey, shape } of map) {
    const tensor = file.get(checkpointKey);
    if (`${tensor.shape}` !== `${shape}`) {
      return `"${checkpointKey}": shape [${tensor.shape}], expected [${shape}]`;
    }
    const fullName = fullNames.get(checkpointKey);
    if (`${fullName}:0` !== name)
      return `"${checkpointKey}": is "${fullName}:0", expected "${name}"`;
  }
  const known = new Set(map.map(({ checkpointKey }) => checkpointKey));
  const roles = file.roles();
  const extra = file.tensors.filter(
    ({ name }) => !known.has(name) && roles.get(name)?.kind === "weight",
  );
  const names = extra.map(({ name }) => name);
  return extra.length === 0 ? null : `weights not in the map: ${names.slice(0, 5).join(", ")}`;
}

/** Values that a case recorded from the checkpoint, bit for bit. */
function stateDifference(
  folder: string,
  manifest: ModelsManifest,
  file: TfCheckpoint,
): string | null {
  const prefix = "checkpoint/";
  const taps = manifest.taps.filter(
    ({ kind, name, sample }) => kind === "state" && name.startsWith(prefix) && !sample,
  );
  if (taps.length === 0) return null;
  const recorded = openRecorded(join(folder, "expected.npz"));
  for (const { name, key, shape } of taps satisfies readonly ManifestTap[]) {
    const tensor = file.get(name.slice(prefix.length));
    const difference = storedDifference(tensor, { key, shape }, recorded, file.name);
    if (difference !== null) return `"${name}": ${difference}`;
  }
  return null;
}
