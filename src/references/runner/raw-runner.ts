import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeMessage } from "./message-writer.js";
import type { RunnerCommand } from "./runner-process.js";

/** How a program ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A runner whose bytes are seen as they come, for what no client lets through. */
export class RawRunner {
  readonly #child: ChildProcess;
  readonly #ended: Promise<Ending>;
  #output = Buffer.alloc(0);

  constructor(command: RunnerCommand) {
    this.#child = spawn(command.file, [...command.args], {
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#output = Buffer.concat([this.#output, chunk]);
    });
    this.#child.stdin?.on("error", () => undefined);
    this.#ended = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => resolve({ code, signal }));
      this.#child.once("error", () => resolve({ code: null, signal: null }));
    });
  }

  /** Bytes that it has written so far. */
  get output(): Buffer {
    return this.#output;
  }

  /** Sends a call, cut into pieces of so many bytes that come apart. */
  async send(id: number, call: string, pieceBytes = Number.POSITIVE_INFINITY): Promise<void> {
    const bytes = Buffer.concat(encodeMessage(id, { call }));
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      this.#child.stdin?.write(bytes.subarray(at, at + pieceBytes));
      if (pieceBytes < bytes.length) await sleep(20);
    }
  }

  /** Waits until something holds of what it has written; `false` when the time is over or the runner is. */
  async until(holds: (output: Buffer) => boolean, timeoutMs: number): Promise<boolean> {
    let ended = false;
    void this.#ended.then(() => {
      ended = true;
    });
    const deadline = performance.now() + timeoutMs;
    while (!holds(this.#output)) {
      if (ended || performance.now() > deadline) return holds(this.#output);
      await sleep(10);
    }
    return true;
  }

  /** Ends its input and waits for its end; `null` when it goes on for longer than that. */
  async end(timeoutMs: number): Promise<Ending | null> {
    this.#child.stdin?.end();
    return await Promise.race([this.#ended, sleep(timeoutMs, null, { ref: false })]);
  }

  /** Ends it by force, with what it has started. */
  kill(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}
