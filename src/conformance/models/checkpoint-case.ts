import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ObjectGraph } from "../../formats/tf-checkpoint/object-graph.js";
import { openTfCheckpoint, type TfCheckpoint } from "../../formats/tf-checkpoint/reader.js";
import type { CaseResult } from "../suite.js";
import { firstDifference } from "./judge.js";
import type { ManifestTap, ModelsManifest } from "./manifest.js";
import { openRecorded, type Recorded } from "./recorded.js";
import { attempt, storedDifference } from "./stored-tensors.js";

type Verdict = Pick<CaseResult, "status" | "detail">;

/** The path that means the checkpoint of a case, null when it has none. */
export function checkpointPath(folder: string, manifest: ModelsManifest): string | null {
  const files = Object.keys(manifest.files);
  const saved = files.find((name) => name.endsWith("saved_model.pb"));
  if (saved !== undefined) return join(folder, saved);
  const index = files.find((name) => name.endsWith(".index"));
  if (index !== undefined) return join(folder, index);
  const table = files.find((name) => !/\.(npz|json|h5|keras|onnx|safetensors|pb)$/.test(name));
  return table === undefined ? null : join(folder, table);
}

/**
 * Judges a checkpoint of area E. A whole one: every tensor by name, type, shape and bits, strings and
 * the object graph too. A damaged one: what TensorFlow refuses must be refused, what it reads must be
 * read right or refused.
 */
export function judgeCheckpoint(folder: string, manifest: ModelsManifest, path: string): Verdict {
  return manifest.damaged
    ? judgeDamaged(folder, manifest, path)
    : judgeWhole(folder, manifest, path);
}

function judgeWhole(folder: string, manifest: ModelsManifest, path: string): Verdict {
  const opened = attempt(() => openTfCheckpoint(path));
  if ("refused" in opened) return failed(`refused: ${opened.refused}`);
  const file = opened.value;
  try {
    const read = attempt(() => differenceOf(folder, manifest, file));
    if ("refused" in read) return failed(`refused: ${read.refused}`);
    if (read.value !== null) return failed(read.value);
    return passed(`${file.tensors.length} tensors, equal bit for bit${outputsNote(manifest)}`);
  } finally {
    file.close();
  }
}

function passed(detail: string): Verdict {
  return { status: "passed", detail };
}

function failed(detail: string): Verdict {
  return { status: "failed", detail };
}

/** Taps that are tensors of the file, not what the saved model computes from the case's inputs. */
function storedTaps({ taps, inputs }: ModelsManifest): ManifestTap[] {
  return taps.filter(({ tfDtype }) => tfDtype !== undefined || inputs.length === 0);
}

function outputsNote(manifest: ModelsManifest): string {
  const outputs = manifest.taps.length - storedTaps(manifest).length;
  return outputs === 0 ? "" : `; ${outputs} output of the saved function is not judged`;
}

function differenceOf(folder: string, manifest: ModelsManifest, file: TfCheckpoint): string | null {
  const taps = storedTaps(manifest);
  const expected = [...taps.map(({ name }) => name), ...manifest.otherTensors.map((t) => t.tensor)];
  const names = file.tensors.map(({ name }) => name);
  const missing = expected.filter((name) => !names.includes(name));
  const extra = names.filter((name) => !expected.includes(name));
  // Strings are not listed for every case: those beside the taps may be there.
  const surprising = extra.filter((name) => file.get(name).dtype !== "string");
  if (missing.length + surprising.length > 0) {
    return `tensors missing ${JSON.stringify(missing)}, not expected ${JSON.stringify(surprising)}`;
  }
  const recorded = openRecorded(join(folder, "expected.npz"));
  for (const { name, key, shape, tfDtype } of taps) {
    const wanted = { key, shape, dtype: storedName(tfDtype) };
    const difference = storedDifference(file.get(name), wanted, recorded, file.name);
    if (difference !== null) return `"${name}": ${difference}`;
  }
  return stringDifference(manifest, file) ?? graphDifference(folder, file);
}

/** TensorFlow's names of types by ours: `float8_e4m3fn`, and the quantized ones, which are stored as plain integers. */
function storedName(dtype: string | undefined): string | undefined {
  return dtype?.replace(/^q(?=u?int)/, "").replace(/^float8_(e\dm\d)(fn)?$/, "float8$1");
}

function stringDifference({ otherTensors }: ModelsManifest, file: TfCheckpoint): string | null {
  for (const { tensor, dtype, shape, bytes, strings } of otherTensors) {
    const found = file.get(tensor);
    if (found.dtype !== dtype || `${found.shape}` !== `${shape}`) {
      return `"${tensor}": ${found.dtype} [${found.shape.join(", ")}], expected ${dtype} [${shape.join(", ")}]`;
    }
    const read = found.strings();
    const length = read.reduce((sum, text) => sum + text.length, 0);
    if (bytes !== undefined && length !== bytes) {
      return `"${tensor}": ${length} bytes, expected ${bytes}`;
    }
    for (const [k, hex] of (strings ?? []).entries()) {
      const difference = firstDifference(read[k] ?? new Uint8Array(0), Buffer.from(hex, "hex"));
      if (difference !== null) return `"${tensor}": string ${k}: ${difference}`;
    }
  }
  return null;
}

/** Compares with `object-graph.json`, where the case has one. */
function graphDifference(folder: string, file: TfCheckpoint): string | null {
  const path = join(folder, "object-graph.json");
  if (!existsSync(path)) return null;
  const expected = JSON.parse(readFileSync(path, "utf8")) as unknown[];
  const actual = plainGraph(file.objectGraph() ?? []);
  const node = expected.findIndex((one, k) => JSON.stringify(one) !== JSON.stringify(actual[k]));
  if (node < 0 && expected.length === actual.length) return null;
  return `object graph: node ${node} is ${JSON.stringify(actual[node])}, expected ${JSON.stringify(expected[node])}`;
}

function plainGraph(graph: ObjectGraph): object[] {
  return graph.map(({ children, attributes, slots }, node) => ({
    node,
    children: Object.fromEntries(children),
    attributes: attributes.map(({ name, fullName, key }) => ({
      name,
      full_name: fullName,
      checkpoint_key: key,
    })),
    slots: slots.map(({ original, slot, node: id }) => ({ original, slot, node: id })),
  }));
}

function judgeDamaged(folder: string, manifest: ModelsManifest, path: string): Verdict {
  const { open = "ok", ...tensors } = manifest.oracleSays;
  const opened = attempt(() => openTfCheckpoint(path));
  if ("refused" in opened) return passed(`refused: ${opened.refused}`);
  try {
    if (!open.startsWith("ok")) return failed(`opened, TensorFlow says ${open}`);
    const recorded = openRecorded(join(folder, "expected.npz"));
    const notes: string[] = [];
    for (const [name, says] of Object.entries(tensors)) {
      const read = attempt(() => damagedDifference(opened.value, name, manifest, recorded));
      if ("refused" in read) notes.push(`refused: ${read.refused}`);
      else if (read.value !== null) return failed(`"${name}": ${read.value}`);
      else if (!says.startsWith("ok")) return failed(`"${name}": read, TensorFlow says ${says}`);
    }
    return passed(notes.join("; ") || `${Object.keys(tensors).length} tensors read right`);
  } finally {
    opened.value.close();
  }
}

/** What differs from the values before the damage; of strings only that they can be read is known. */
function damagedDifference(
  file: TfCheckpoint,
  name: string,
  { taps }: ModelsManifest,
  recorded: Recorded,
): string | null {
  const tensor = file.get(name);
  const tap = taps.find((one) => one.name === `undamaged/${name}`);
  if (tap !== undefined) {
    return storedDifference(tensor, { key: tap.key, shape: tap.shape }, recorded, file.name);
  }
  if (tensor.dtype === "string") tensor.strings();
  else tensor.bytes();
  return null;
}
