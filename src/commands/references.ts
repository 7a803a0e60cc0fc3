import { resolve } from "node:path";
import type { RuleResult } from "../checks/check-runner.js";
import type { InstalledReference } from "../checks/installed-references.js";
import { InputError } from "../errors.js";
import type { RunnerOriginal } from "../references/runner/runner-reference.js";
import { badValue } from "../suggest.js";
import { type Command, type Io, type Outcome, textOf, type Values } from "./command.js";
import { secondsOf } from "./record.js";

/** Longest time that a library may take to be loaded, in milliseconds. */
const START_MS = 120_000;
/** Longest time of a call of a checked runner, in milliseconds. */
const CALL_MS = 60_000;

/** `difftest references`: what is installed; `difftest references check`: whether a runner keeps to the protocol. */
export const referencesCommand: Command = {
  name: "references",
  summary: "list installed references, or check a runner",
  description:
    "Without an action: which libraries can run originals here, their versions and builds, and how to install what is missing. check: holds any runner to references/PROTOCOL.md, one line a rule; exit status 1 when one is broken.",
  arguments: [
    { syntax: "[action]", text: "check" },
    {
      syntax: "[runner]",
      text: 'the program to check, such as ./my-runner or "python my_runner.py"; or darknet, keras, pytorch',
    },
  ],
  options: [
    { flags: "--json", text: "print the result as JSON" },
    {
      flags: "--original <file>",
      text: "an original it can open: without one, only some rules are checked",
    },
    {
      flags: "--weights <file>",
      text: "the original's weights, where they are a file of their own",
    },
    { flags: "--timeout <seconds>", text: "longest time of one call (default: 60)" },
    { flags: "--trust", text: "let code inside a model file run" },
  ],
  examples: [
    "difftest references",
    "difftest references check ./my-runner --original my.cfg --weights my.weights",
  ],
  run,
  errorJson: (code, message) => ({ error: { code, message } }),
};

async function run(values: Values, args: readonly string[], io: Io): Promise<Outcome> {
  const [action, runner] = args;
  if (action === undefined) return await list(values, io);
  if (action !== "check") throw badValue("references", action, "check, or nothing");
  if (runner === undefined) {
    throw new InputError(
      "option",
      "references check: the runner is missing, expected a program such as ./my-runner",
    );
  }
  return await check(runner, values, io);
}

async function list(values: Values, io: Io): Promise<Outcome> {
  const { installedReferences } = await import("../checks/installed-references.js");
  const references = await installedReferences(START_MS);
  io.out(values["json"] === true ? json({ references }) : references.map(entryText).join(""));
  return "done";
}

function entryText({
  name,
  installed,
  version,
  build,
  install,
  reason,
}: InstalledReference): string {
  const line = (label: string, text: string) => `${label.padEnd(13)}${text}\n`;
  if (installed) return line(name, version ?? "") + (build === null ? "" : line("", build));
  return line(name, "not installed") + line("", reason ?? "") + line("", `install it: ${install}`);
}

async function check(runner: string, values: Values, io: Io): Promise<Outcome> {
  const known = ["darknet", "keras", "pytorch"].includes(runner) || runner.startsWith("runner:");
  const { checkRunner } = await import("../checks/check-runner.js");
  const { runnerCommand } = await import("../references/runner/installed.js");
  const results: RuleResult[] = [];
  const checked = checkRunner({
    command: runnerCommand(known ? runner : `runner:${runner}`),
    timeoutMs: values["timeout"] === undefined ? CALL_MS : secondsOf(values["timeout"]),
    original: originalOf(values),
    signal: io.signal,
  });
  for await (const result of checked) {
    results.push(result);
    if (values["json"] !== true) io.out(ruleText(result));
  }
  const count = (status: RuleResult["status"]) =>
    results.filter((result) => result.status === status).length;
  const [passed, failed, unchecked] = [count("passed"), count("failed"), count("not checked")];
  io.out(
    values["json"] === true
      ? json({ runner, passed, failed, notChecked: unchecked, rules: results })
      : `${passed} passed, ${failed} failed, ${unchecked} not checked\n`,
  );
  return failed === 0 ? "same" : "differs";
}

function originalOf(values: Values): RunnerOriginal | null {
  const [original, weights] = [textOf(values, "original"), textOf(values, "weights")];
  if (original === undefined) return null;
  return {
    original: resolve(original),
    ...(weights === undefined ? {} : { weights: resolve(weights) }),
    ...(values["trust"] === true ? { trust: true } : {}),
  };
}

function ruleText({ rule, status, detail }: RuleResult): string {
  return `${status.padEnd(13)}${rule}${detail === "" ? "" : `: ${detail}`}\n`;
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
