import { runnerCommand } from "../references/runner/installed.js";
import { RunnerClient } from "../references/runner/runner-client.js";
import { runLive } from "./darknet/live/live-suite.js";
import type { CaseResult, SuiteOptions } from "./suite.js";
import { SUITES } from "./suites.js";

/** What `npm run conformance` runs. */
export interface SuiteRun extends SuiteOptions {
  /** A library to run the cases in live, instead of judging our own reading of them. */
  readonly reference?: string;
}

/**
 * Judges the cases of a folder, whichever suite it is of.
 *
 * @returns the results as they come, or the names of the known suites where none claims the folder
 */
export function runSuite(
  folder: string,
  { reference, ...options }: SuiteRun,
): AsyncGenerator<CaseResult> | { readonly known: readonly string[] } {
  const suite = SUITES.find(({ claims }) => claims(folder));
  if (suite === undefined) return { known: SUITES.map(({ id }) => id) };
  if (reference === undefined) return suite.run(folder, options);
  return runLive(folder, options, () => RunnerClient.start(runnerCommand(reference)));
}
