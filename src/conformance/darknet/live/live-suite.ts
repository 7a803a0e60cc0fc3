import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { architectureFromDarknet } from "../../../formats/darknet/architecture.js";
import { readDarknetConfig } from "../../../formats/darknet/config.js";
import type { DarknetDialect } from "../../../formats/darknet/dialect.js";
import { writeDarknetWeights } from "../../../formats/darknet/weights-writer.js";
import type { RunnerClient } from "../../../references/runner/runner-client.js";
import { synthesizeWeights, syntheticInput } from "../../../weights/synthetic.js";
import type { CaseResult, SuiteOptions } from "../../suite.js";
import { ruleOf } from "../agreement.js";
import { type DarknetManifest, readManifest } from "../manifest.js";
import {
  checkImages,
  checkLayers,
  checkLoading,
  checkTraining,
  inputOf,
  type LiveCase,
} from "./calls.js";
import { Comparison } from "./comparison.js";
import { recordingOf } from "./recording.js";

/** How a case is checked, by area. */
const CHECKS: Readonly<
  Record<string, (client: RunnerClient, one: LiveCase, comparison: Comparison) => Promise<void>>
> = {
  A: checkLayers,
  B: checkLayers,
  C: checkTraining,
  D: checkLoading,
  E: checkImages,
  F: checkLayers,
};

/**
 * Runs every case of a Darknet suite live against the library behind a runner, and compares with what the same
 * library gave when the suite was recorded.
 *
 * @param start - starts a runner; again after each one that a case has brought down
 */
export async function* runLive(
  directory: string,
  options: SuiteOptions,
  start: () => Promise<RunnerClient>,
): AsyncGenerator<CaseResult> {
  let client = await start();
  try {
    for (const id of readdirSync(join(directory, "cases")).sort()) {
      const folder = join(directory, "cases", id);
      if (!id.includes(options.only ?? "") || !existsSync(join(folder, "manifest.json"))) continue;
      try {
        yield await runOne(client, directory, folder, id);
      } catch (error) {
        yield { id, area: "?", status: "failed", detail: firstLine(error) };
        await client.close();
        client = await start();
      }
    }
  } finally {
    await client.close();
  }
}

async function runOne(
  client: RunnerClient,
  root: string,
  folder: string,
  id: string,
): Promise<CaseResult> {
  const manifest = readManifest(folder);
  const { area } = manifest;
  const check = CHECKS[area];
  const library = client.facts.fields["dialect"] as DarknetDialect;
  const recording = recordingOf(folder, manifest, library);
  if (check === undefined || typeof recording === "string") {
    const detail = typeof recording === "string" ? recording : `area ${area} is not known`;
    return { id, area, status: "not covered", detail };
  }
  const scratch = mkdtempSync(join(tmpdir(), "difftest-live-"));
  try {
    const rule = ruleOf(manifest);
    const comparison = new Comparison(
      recording.agreed && area === "F" ? { ...rule, tolerance: 1e-3 } : rule,
    );
    await check(client, caseOf(root, folder, manifest, recording, scratch, library), comparison);
    const { outcome } = comparison;
    if (outcome.detail === "nothing was compared") {
      return { id, area, status: "not covered", detail: "the runner has no call for it" };
    }
    return { id, area, ...outcome };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function caseOf(
  root: string,
  folder: string,
  manifest: DarknetManifest,
  recording: LiveCase["recording"],
  scratch: string,
  library: DarknetDialect,
): LiveCase {
  const base = { root, folder, manifest, recording };
  const { file, seed, gain, shortcutGain } = manifest.weights ?? {};
  if (file !== undefined || seed === undefined || manifest.cfg === undefined) {
    const weights = file === undefined ? undefined : join(folder, file);
    return { ...base, weights, input: inputOf(folder) };
  }
  const config = readDarknetConfig(join(root, manifest.cfg.file));
  const architecture = architectureFromDarknet(config, { dialect: library });
  const store = synthesizeWeights(architecture, {
    seed,
    ...(gain === undefined ? {} : { gain }),
    ...(shortcutGain === undefined ? {} : { shortcutGain }),
  });
  const weights = join(scratch, "net.weights");
  writeDarknetWeights(weights, architecture, (name) => store.read(name).data);
  store.close();
  const shape = architecture.inputs[0]?.shape ?? [];
  return { ...base, weights, input: syntheticInput(shape, seed + 1) };
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
