import { join } from "node:path";
import { openSafetensors, type SafetensorsFile } from "../../formats/safetensors/reader.js";
import type { CaseResult } from "../suite.js";
import type { ModelsManifest } from "./manifest.js";
import { openRecorded } from "./recorded.js";
import { attempt, storedDifference } from "./stored-tensors.js";

type Verdict = Pick<CaseResult, "status" | "detail">;

/** What the library says of a tensor it accepts: `('a', 'F32', [4, 2])`. */
const LISTED = /\('((?:[^'\\]|\\.)*)', '(\w+)', \[([\d, ]*)\]\)/g;

/**
 * Judges a safetensors file of area E: what the library refuses must be refused; what it reads must
 * be read with the same names, shapes and bits. Only a doubled key may be refused as well.
 */
export function judgeSafetensors(folder: string, manifest: ModelsManifest, file: string): Verdict {
  const read = attempt(() => readAll(join(folder, file)));
  const accepted = manifest.accepted ?? !manifest.damaged;
  if ("refused" in read) {
    const stricter = read.refused.includes("is there twice");
    const right = !accepted || stricter;
    const detail = `refused: ${read.refused}`;
    return right ? { status: "passed", detail } : { status: "failed", detail };
  }
  if (!accepted) {
    return { status: "failed", detail: "read, expected to be refused as the library does" };
  }
  const difference = differenceOf(folder, manifest, read.value);
  return difference === null
    ? { status: "passed", detail: `${read.value.tensors.length} tensors, equal bit for bit` }
    : { status: "failed", detail: difference };
}

function readAll(path: string): SafetensorsFile {
  const file = openSafetensors(path);
  for (const tensor of file.tensors) tensor.bytes();
  return file;
}

function differenceOf(
  folder: string,
  manifest: ModelsManifest,
  file: SafetensorsFile,
): string | null {
  const shapes = listedShapes(manifest) ?? new Map(manifest.taps.map((t) => [t.name, t.shape]));
  const names = file.tensors.map(({ name }) => name).sort();
  const expected = [...shapes.keys()].sort();
  if (JSON.stringify(names) !== JSON.stringify(expected)) {
    return `tensors ${JSON.stringify(names)}, expected ${JSON.stringify(expected)}`;
  }
  if (manifest.taps.length === 0) return null;
  const recorded = openRecorded(join(folder, "expected.npz"));
  for (const { name, key, shape } of manifest.taps) {
    const wanted = { key, shape: shapes.get(name) ?? shape };
    const difference = storedDifference(file.get(name), wanted, recorded, file.name);
    if (difference !== null) return `"${name}": ${difference}`;
  }
  return null;
}

/** Names and shapes as the library read them (the recorded array of a scalar has one axis). */
function listedShapes({ oracleSays }: ModelsManifest): Map<string, number[]> | null {
  const said = oracleSays["deserialize"];
  if (said === undefined || !said.startsWith("ok: ")) return null;
  return new Map(
    [...said.matchAll(LISTED)].map(([, name = "", , sizes = ""]) => [
      name,
      sizes === "" ? [] : sizes.split(",").map(Number),
    ]),
  );
}
