import { statSync } from "node:fs";
import { join } from "node:path";
import type { Hdf5Content, Hdf5Weight } from "../../formats/keras/hdf5-protocol.js";
import { readHdf5 } from "../../formats/keras/read-hdf5.js";
import { sizeOf } from "../../tensor/tensor.js";
import type { CaseResult } from "../suite.js";
import { firstDifference } from "./judge.js";
import type { ManifestTap, ModelsManifest } from "./manifest.js";
import { openRecorded, type Recorded } from "./recorded.js";
import { attemptLater } from "./stored-tensors.js";

type Verdict = Pick<CaseResult, "status" | "detail">;

/**
 * Judges an HDF5 file of weights of area E: the layers in the order of the file, and every recorded tensor by
 * the path `layer/weight`, bit for bit. What the model computes from them (a tap of no weight's name) is
 * recorded too, and the file does not say how: the Keras suite judges such things. A damaged file may be
 * refused, and must be where the library refuses it.
 */
export async function judgeHdf5(
  folder: string,
  manifest: ModelsManifest,
  file: string,
): Promise<Verdict> {
  const path = join(folder, file);
  const byteLength = statSync(path).size;
  const read = await attemptLater(() =>
    readHdf5({ source: { kind: "file", path }, name: path, byteLength }),
  );
  if ("refused" in read) {
    return { status: manifest.damaged ? "passed" : "failed", detail: `refused: ${read.refused}` };
  }
  const { open = "ok" } = manifest.oracleSays;
  if (!open.startsWith("ok")) return { status: "failed", detail: `read, the library says ${open}` };
  return contentVerdict(folder, manifest, read.value);
}

function contentVerdict(folder: string, manifest: ModelsManifest, content: Hdf5Content): Verdict {
  const order = content.layers.map(({ name }) => name);
  const { layerNames = order } = manifest;
  if (`${order}` !== `${layerNames}`) {
    return { status: "failed", detail: `layers ${order}, expected ${layerNames}` };
  }
  const weights = weightsByPath(content);
  const taps = manifest.taps.filter(({ name }) => name.includes("/"));
  const recorded = openRecorded(join(folder, "expected.npz"));
  const missing = [...weights.keys()].filter((name) => !taps.some((tap) => tap.name === name));
  if (taps.length === 0 || missing.length > 0) {
    return { status: "failed", detail: `tensors that were not recorded: ${missing.join(", ")}` };
  }
  for (const tap of taps) {
    const difference = differenceOf(tap, weights.get(tap.name), content.values, recorded);
    if (difference !== null) return { status: "failed", detail: `"${tap.name}": ${difference}` };
  }
  return { status: "passed", detail: `${taps.length} tensors, equal bit for bit` };
}

function weightsByPath({ layers, store }: Hdf5Content): ReadonlyMap<string, Hdf5Weight> {
  return new Map([
    ...layers.flatMap(({ name, weights }) =>
      weights.map((weight) => [`${name}/${weight.name}`, weight] as const),
    ),
    ...store.map((weight) => [weight.name, weight] as const),
  ]);
}

function differenceOf(
  { key, shape }: ManifestTap,
  weight: Hdf5Weight | undefined,
  values: SharedArrayBuffer,
  recorded: Recorded,
): string | null {
  if (weight === undefined) return "is not in the file";
  if (`${weight.shape}` !== `${shape}`) return `shape [${weight.shape}], expected [${shape}]`;
  const bytes = new Uint8Array(values, 4 * weight.offset, 4 * sizeOf(weight.shape));
  return firstDifference(bytes, recorded.array(key).bytes);
}
