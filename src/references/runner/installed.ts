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
 * The Python that runs Keras and PyTorch: DIFFTEST_PYTHON, else the environment that `scripts/install-references.sh`
 * makes, else the one on the PATH.
 */
export function pythonPath(): string {
  const own = `${REFERENCES_FOLDER}python/venv/bin/python`;
  return process.env["DIFFTEST_PYTHON"] ?? (existsSync(own) ? own : "python3");
}

/** The `MODULE.py:FUNCTION` of `pytorch:MODULE.py:FUNCTION`, or `null` for another reference. */
export function torchModule(reference: string): string | null {
  return reference.startsWith("pytorch:") ? reference.slice("pytorch:".length) : null;
}

/**
 * How to start the reference that a user named: `darknet`, `keras`, `pytorch` (or `pytorch:MODULE.py:FUNCTION`), or `runner:COMMAND` for any program.
 *
 * @throws {UnavailableError} `reference-missing` when it is not installed, and how to get it
 */
export function runnerCommand(reference: string): RunnerCommand {
  if (reference.startsWith("runner:")) {
    const [file = "", ...args] = splitCommand(reference.slice("runner:".length));
    return { name: reference, file, args };
  }
  const library = torchModule(reference) === null ? reference : "pytorch";
  if (library === "keras" || library === "pytorch") {
    const script = `${REFERENCES_FOLDER}${library}/runner.py`;
    return { name: reference, file: pythonPath(), args: [script] };
  }
  const file = darknetRunnerPath();
  if (existsSync(file)) return { name: "darknet", file, args: [] };
  throw new UnavailableError(
    "reference-missing",
    `reference darknet: ${file} is not there; run scripts/install-references.sh, or install a library (apt-get install darknet) and run references/darknet/build.sh`,
  );
}
