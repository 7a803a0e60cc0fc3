#!/usr/bin/env node
import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import picocolors from "picocolors";
import type { Command, Io, Outcome } from "./commands/command.js";
import { COMMANDS } from "./commands/commands.js";
import { writeOutputFile } from "./commands/output-file.js";
import { parseCall } from "./commands/program.js";
import { InputError, UnavailableError } from "./errors.js";
import { ownVersion } from "./runtime/own-version.js";

/**
 * 0: done, or all compared is the same. 1: the port differs. 2: the call or a file was wrong.
 * 3: a reference or back-end is missing, crashed or did not answer. 70: a bug in difftest (the
 * number that sysexits.h has for it, so that CI never takes a bug of ours for a verdict). 130: Ctrl-C.
 */
export type Status = 0 | 1 | 2 | 3 | 70 | 130;

const STATUS_OF: Readonly<Record<Outcome, Status>> = { done: 0, same: 0, differs: 1 };

/** Runs a command line: the only place that turns outcomes and errors into an exit status. */
export async function main(argv: readonly string[], io: Io): Promise<Status> {
  try {
    const call = parseCall(COMMANDS, argv);
    if (call.kind === "version") io.out(`${ownVersion()}\n`);
    if (call.kind === "help") io.out(call.text);
    if (call.kind !== "run") return 0;
    return STATUS_OF[await call.command.run(call.values, call.args, io)];
  } catch (error) {
    return failed(error, argv, io);
  }
}

function failed(error: unknown, argv: readonly string[], io: Io): Status {
  if (io.signal.aborted) {
    io.err("difftest: interrupted\n");
    return 130;
  }
  if (error instanceof InputError || error instanceof UnavailableError) {
    io.err(`difftest: ${error.message}\n`);
    writeErrorJson(argv, error.code, error.message, io);
    return error instanceof InputError ? 2 : 3;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  io.err(`${stack}\nThis is a bug in difftest. Please report it with the command line:\n`);
  io.err(`  difftest ${argv.join(" ")}\n`);
  writeErrorJson(argv, "bug", error instanceof Error ? error.message : String(error), io);
  return 70;
}

/** Who asked for JSON gets JSON, even when the very options were wrong: hence read from the words. */
function writeErrorJson(argv: readonly string[], code: string, message: string, io: Io): void {
  const command: Command | undefined = COMMANDS.find(({ name }) => name === argv[0]);
  const at = argv.lastIndexOf("--json");
  const glued = argv.findLast((word) => word.startsWith("--json="))?.slice("--json=".length);
  const target = at < 0 ? glued : argv[at + 1];
  if (!command?.errorJson || !target || target.startsWith("--")) return;
  // The error may be that this very file cannot be made.
  if (message.startsWith("--json")) return;
  const json = `${JSON.stringify(command.errorJson(code, message), null, 2)}\n`;
  try {
    if (target === "-") io.out(json);
    else writeOutputFile(target, json);
  } catch (error) {
    // The first error was told already; the second says only why no file tells it too.
    io.err(`difftest: ${(error as Error).message}\n`);
  }
}

/** Runs the command of this process, with its streams and signals. */
async function runProcess(): Promise<void> {
  const controller = new AbortController();
  // The first signal lets the run clean up; a second one ends it at once.
  const interrupt = () => {
    if (controller.signal.aborted) {
      // A progress bar has hidden the cursor and gets no chance to show it again.
      if (process.stderr.isTTY) process.stderr.write("\u001b[?25h");
      process.exit(130);
    }
    controller.abort(new Error("interrupted"));
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  // `difftest models | head -1` closes the pipe: not an error of anybody.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });
  const forced = process.env["FORCE_COLOR"] !== undefined && process.env["FORCE_COLOR"] !== "0";
  const colourful = (stream: NodeJS.WriteStream) =>
    picocolors.isColorSupported && (stream.isTTY || forced);
  process.exitCode = await main(process.argv.slice(2), {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    colour: { out: colourful(process.stdout), err: colourful(process.stderr) },
    interactive: process.stderr.isTTY === true,
    signal: controller.signal,
  });
  process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  // Whatever is still winding down in a run that was given up need not be waited for.
  if (controller.signal.aborted) process.exit();
}

const started = process.argv[1];
if (started !== undefined && pathToFileURL(realpathSync(started)).href === import.meta.url) {
  await runProcess();
}
