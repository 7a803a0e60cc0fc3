import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { UnavailableError } from "../../errors.js";
import { type RunnerCommand, splitCommand } from "./runner-process.js";

/** The folder `references` of this package. */
export const REFERENCES_FOLDER: string = fileURLToPath(
  new URL("../../../references/", import.meta.url),
);

/** Where `references/darknet/build.sh` leaves the runner; DIFFTEST_DARKNET_RUNNER names another one. */
export function darknetRunnerPath(): string {
  return process.env["DIFFTEST_DARKNET_RUNNER"] ?? `${REFERENCES_FOLDER}darknet/build/runner`;
}

/**
 * How to start the reference that a user named: `darknet`, or `runner:COMMAND` for any program.
 *
 * @throws {UnavailableError} `reference-missing` when it is not installed, and how to get it
 */
export function runnerCommand(reference: string): RunnerCommand {
  if (reference.startsWith("runner:")) {
    const [file = "", ...args] = splitCommand(reference.slice("runner:".length));
    return { name: reference, file, args };
  }
  const file = darknetRunnerPath();
  if (existsSync(file)) return { name: "darknet", file, args: [] };
  throw new UnavailableError(
    "reference-missing",
    `reference darknet: ${file} is not there; install a library (apt-get install darknet) and run references/darknet/build.sh`,
  );
}
