import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { CaseResult, Suite, SuiteOptions } from "../suite.js";
import { judgeFile } from "./file-case.js";
import { type KerasManifest, readManifest } from "./manifest.js";

/** What is not judged here, by area. */
const NOT_COVERED: Readonly<Record<string, string>> = {
  D: "losses, gradients and optimizers come with a later check",
  E: "image and text functions come with a later check",
  F: "evaluation comes with a later check",
};

/** What Keras 2 and 3 computed from real files: areas A (layers), B (files), C (whole models). */
export const kerasSuite: Suite = { id: "keras", claims, run };

function casesOf(directory: string): string[] {
  const cases = join(directory, "cases");
  if (!existsSync(cases)) return [];
  return readdirSync(cases)
    .sort()
    .map((id) => join(cases, id))
    .filter((folder) => existsSync(join(folder, "manifest.json")));
}

/** Every case of this suite says which library is its oracle, and has recorded taps or says what a tool should do. */
function claims(directory: string): boolean {
  return casesOf(directory)
    .slice(0, 50)
    .some((folder) => {
      const { oracle, alsoAgrees } = readManifest(folder) as Partial<KerasManifest>;
      return /^keras[23]/.test(oracle?.name ?? "") && Array.isArray(alsoAgrees);
    });
}

async function* run(directory: string, { only }: SuiteOptions): AsyncGenerator<CaseResult> {
  for (const folder of casesOf(directory)) {
    const manifest = readManifest(folder);
    if (only !== undefined && !manifest.id.includes(only)) continue;
    yield* runCase(folder, manifest);
  }
}

async function* runCase(folder: string, manifest: KerasManifest): AsyncGenerator<CaseResult> {
  const { id, area } = manifest;
  const reason = NOT_COVERED[area];
  if (reason !== undefined) {
    yield { id, area, status: "not covered", detail: reason };
    return;
  }
  const files = (manifest.models ?? []).map(({ file }) => file);
  if (files.length === 0) {
    yield { id, area, status: "not covered", detail: "the case names no model file" };
    return;
  }
  for (const file of files) yield await judgeFile(folder, manifest, file);
}
