import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../errors.js";
import { OnnxRuntimeProcess } from "../../references/onnxruntime/onnxruntime-process.js";
import type { CaseResult, Suite, SuiteOptions } from "../suite.js";
import { loadingCase } from "./loading-case.js";
import { readManifest } from "./manifest.js";
import { runCase } from "./run-case.js";
import { trainingCase } from "./training-case.js";

/** What is not judged yet, by area. */
const NOT_COVERED: Readonly<Record<string, string>> = {
  E: "image functions come with a later check",
};

/** Real Darknet libraries' outputs: areas A (layers), B (heads), C (gradients), D (weights files), F (whole models). */
export const darknetSuite: Suite = {
  id: "darknet",
  claims: (directory) =>
    casesOf(directory).some((folder) => existsSync(join(folder, "net.cfg")) || usesConfig(folder)),
  run,
};

function casesOf(directory: string): string[] {
  const cases = join(directory, "cases");
  if (!existsSync(cases)) return [];
  return readdirSync(cases)
    .sort()
    .map((id) => join(cases, id))
    .filter((folder) => existsSync(join(folder, "manifest.json")));
}

/** Whole models have their config beside the cases. */
function usesConfig(folder: string): boolean {
  return readFileSync(join(folder, "manifest.json"), "utf8").includes('"cfg-upstream/');
}

async function* run(directory: string, options: SuiteOptions): AsyncGenerator<CaseResult> {
  const process = await OnnxRuntimeProcess.start();
  try {
    for (const folder of casesOf(directory)) {
      if (
        !folder
          .split("/")
          .at(-1)
          ?.includes(options.only ?? "")
      )
        continue;
      yield await runOne(process, directory, folder);
    }
  } finally {
    await process.close();
  }
}

async function runOne(
  process: OnnxRuntimeProcess,
  directory: string,
  folder: string,
): Promise<CaseResult> {
  const id = folder.split("/").at(-1) ?? folder;
  try {
    const manifest = readManifest(folder);
    const { area } = manifest;
    const reason = NOT_COVERED[area];
    if (reason !== undefined) return { id, area, status: "not covered", detail: reason };
    if (area === "C") return { id, area, ...trainingCase(folder, manifest) };
    if (area === "D") return { id, area, ...loadingCase(folder, manifest) };
    return { id, area, ...(await runCase(process, directory, folder, manifest)) };
  } catch (error) {
    const detail =
      error instanceof InputError || error instanceof Error
        ? (error.message.split("\n")[0] ?? "")
        : String(error);
    return { id, area: "?", status: "failed", detail };
  }
}
