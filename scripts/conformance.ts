/**
 * Runs a conformance suite: any folder of a format that is known, driven by its manifests alone.
 *
 *     npm run conformance -- [DIR] [--only TEXT] [--reference darknet|runner:COMMAND]
 *
 * With --reference the cases run live in that library instead, and must give what was recorded from it.
 * Without a folder the small part that lies in `goldens/darknet-conformance`. Exit status 0: none failed and
 * something passed; 1: a case failed; 2: no such folder, or not a suite.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { runLive } from "../src/conformance/darknet/live/live-suite.js";
import type { CaseResult } from "../src/conformance/suite.js";
import { SUITES } from "../src/conformance/suites.js";
import { runnerCommand } from "../src/references/runner/installed.js";
import { RunnerClient } from "../src/references/runner/runner-client.js";

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
  const suite = SUITES.find(({ claims }) => claims(folder));
  if (suite === undefined)
    return usage(
      `${folder}: no suite is known by its cases; known: ${SUITES.map(({ id }) => id).join(", ")}`,
    );
  const results: CaseResult[] = [];
  const options = only === undefined ? {} : { only };
  const run =
    reference === undefined
      ? suite.run(folder, options)
      : runLive(folder, options, () => RunnerClient.start(runnerCommand(reference)));
  for await (const result of run) {
    results.push(result);
    if (result.status === "failed")
      console.log(`failed       ${result.area} ${result.id}: ${result.detail}`);
  }
  summarize(results);
  const count = (status: CaseResult["status"]) =>
    results.filter((result) => result.status === status).length;
  console.log(
    `${count("passed")} passed, ${count("failed")} failed, ${count("not covered")} not covered`,
  );
  return count("failed") === 0 && count("passed") > 0 ? 0 : 1;
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

function usage(message: string): number {
  console.error(message);
  return 2;
}
