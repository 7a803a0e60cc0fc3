/**
 * Runs a conformance suite: any folder of a format that is known, driven by its manifests alone.
 *
 *     npm run conformance -- [DIR] [--only TEXT] [--reference darknet|runner:COMMAND]
 *
 * With --reference the cases run live in that library instead, and must give what was recorded from it.
 * Without a folder the small part that lies in `goldens/darknet-conformance`. Exit status 0: none failed and
 * something passed; 1: a case failed; 2: no such folder, or not a suite.
 *
 * It runs compiled, in `dist-conformance`: a suite starts a thread for each HDF5 file, and in each the TypeScript
 * loader would cost several times what reading the file does.
 */
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { runSuite as RunSuite } from "../src/conformance/run-suite.js";
import type { CaseResult } from "../src/conformance/suite.js";
import { compile, isCurrent } from "./compile.js";

const PROJECT = "tsconfig.conformance.json";
const FOLDER = "dist-conformance";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string" }, reference: { type: "string" } },
});
const directory = positionals[0] ?? "goldens/darknet-conformance";
process.exitCode = await main(directory, values.only, values.reference);

async function main(
  folder: string,
  only: string | undefined,
  reference: string | undefined,
): Promise<number> {
  if (!existsSync(folder)) return usage(`${folder}: there is no such folder`);
  const run = (await compiled())(folder, {
    ...(only === undefined ? {} : { only }),
    ...(reference === undefined ? {} : { reference }),
  });
  if ("known" in run)
    return usage(`${folder}: no suite is known by its cases; known: ${run.known.join(", ")}`);
  const results: CaseResult[] = [];
  for await (const result of run) {
    results.push(result);
    if (result.status === "failed")
      console.log(`failed       ${result.area} ${result.id}: ${result.detail}`);
  }
  summarize(results);
  reportBeyondRule(results);
  const count = (status: CaseResult["status"]) =>
    results.filter((result) => result.status === status).length;
  console.log(
    `${count("passed")} passed, ${count("failed")} failed, ${count("not covered")} not covered`,
  );
  return count("failed") === 0 && count("passed") > 0 ? 0 : 1;
}

async function compiled(): Promise<typeof RunSuite> {
  const entry = `${FOLDER}/conformance/run-suite.js`;
  if (!isCurrent(entry, ["tsconfig.build.json", PROJECT])) compile(PROJECT, FOLDER);
  const module = (await import(pathToFileURL(entry).href)) as { runSuite: typeof RunSuite };
  return module.runSuite;
}

function summarize(results: readonly CaseResult[]): void {
  for (const area of [...new Set(results.map((result) => result.area))].sort()) {
    const own = results.filter((result) => result.area === area);
    const count = (status: CaseResult["status"]) =>
      own.filter((result) => result.status === status).length;
    const judged = own.filter(
      (result) => result.status === "passed" && result.distance !== undefined,
    );
    const worst = judged.toSorted((a, b) => (b.distance ?? 0) - (a.distance ?? 0))[0];
    const far =
      worst === undefined
        ? ""
        : `, worst distance ${(worst.distance ?? 0).toPrecision(2)} of the tolerance (${worst.id})`;
    console.log(
      `area ${area}: ${count("passed")} passed, ${count("failed")} failed, ${count("not covered")} not covered${far}`,
    );
    for (const reason of new Set(
      own.filter(({ status }) => status === "not covered").map(({ detail }) => detail),
    )) {
      console.log(`  not covered: ${reason}`);
    }
  }
}

/** What passed by an allowance of ours and not by the suite's rule is never passed over in silence. */
function reportBeyondRule(results: readonly CaseResult[]): void {
  const beyond = results.filter(({ beyondRule }) => beyondRule !== undefined);
  if (beyond.length === 0) return;
  console.log(`agrees beyond the rule: ${beyond.length} of those passed`);
  for (const { area, id, beyondRule } of beyond) console.log(`  ${area} ${id}: ${beyondRule}`);
}

function usage(message: string): number {
  console.error(message);
  return 2;
}
