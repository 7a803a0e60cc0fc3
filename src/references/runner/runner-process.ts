import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";
import { UnavailableError } from "../../errors.js";
import { MessageReader } from "./message-reader.js";
import { writeMessage } from "./message-writer.js";
import { type Message, type NamedTensors, ProtocolError } from "./protocol.js";

/** How to start a runner. */
export interface RunnerCommand {
  /** What users call it, for messages: `darknet`, `runner:python my_port.py`. */
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How long a runner may take to end by itself once its standard input has ended, in milliseconds. */
const CLOSE_MS = 2000;
/** After its end is reported, how long its last output is waited for (a grandchild may hold the pipe). */
const LAST_OUTPUT_MS = 500;
/** Last part of what it wrote to its standard error, kept for messages. */
const STDERR_CHARACTERS = 2000;
const STDERR_LINE_CHARACTERS = 200;

/** A call that waits for its answer. */
interface Waiting {
  readonly id: number;
  readonly call: string;
  readonly onMessage: (message: Message) => void;
  readonly reject: (reason: Error) => void;
}

/**
 * A runner's process and the stream of messages with it. Whatever goes wrong ends it, once, with an
 * {@link UnavailableError} that the call under way and all later ones get.
 */
export class RunnerProcess {
  readonly name: string;
  /** How messages begin: `runner darknet`, `runner:python my_port.py`. */
  readonly label: string;
  readonly #child: ChildProcess;
  readonly #reader: MessageReader;
  readonly #ended: Promise<void>;
  #waiting: Waiting | undefined;
  #failure: UnavailableError | undefined;
  #stderr = "";
  #nextId = 1;
  #closing = false;

  constructor(command: RunnerCommand) {
    this.name = command.name;
    this.label = command.name.startsWith("runner:") ? command.name : `runner ${command.name}`;
    // A group of its own: a shell or interpreter that started the runner is killed with it.
    this.#child = spawn(command.file, [...command.args], {
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, ...command.env },
    });
    this.#reader = new MessageReader((message) => this.#receive(message));
    this.#ended = new Promise((resolve) => {
      this.#child.once("exit", () => resolve());
      this.#child.once("error", () => resolve());
    });
    this.#listen(this.#child);
  }

  /** Process id, for memory accounting. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it has failed: it answers no more. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Sends a call; every message with its id goes to `onMessage` until {@link done}.
   *
   * @throws {UnavailableError} through `reject`, whenever the runner fails
   */
  send(
    call: string,
    fields: Readonly<Record<string, unknown>>,
    tensors: NamedTensors | undefined,
    waiting: Omit<Waiting, "id" | "call">,
  ): void {
    if (this.#failure !== undefined) {
      waiting.reject(this.#failure);
      return;
    }
    const id = this.#nextId++;
    this.#waiting = { id, call, ...waiting };
    writeMessage(this.#child.stdin as Writable, id, { call, ...fields }, tensors);
  }

  /** Replies to what the runner asked during the call under way. */
  reply(fields: Readonly<Record<string, unknown>>, tensors?: NamedTensors): void {
    if (this.#waiting === undefined || this.#failure !== undefined) return;
    writeMessage(this.#child.stdin as Writable, this.#waiting.id, fields, tensors);
  }

  /** The call under way has its answer: the runner must be silent now. */
  done(): void {
    this.#waiting = undefined;
  }

  /** Ends the runner because of what it did, and kills it. */
  fail(what: string, code: UnavailableError["code"] = "reference-crashed"): UnavailableError {
    const call = this.#waiting === undefined ? "" : ` during "${this.#waiting.call}"`;
    const last = lastLine(this.#stderr);
    this.#failure ??= new UnavailableError(
      code,
      `${this.label}: ${what}${call}${last === "" ? "" : ` (its standard error ends: ${last})`}`,
    );
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#failure);
    this.#kill();
    return this.#failure;
  }

  /** Ends the runner: by the end of its input, or, when it does not react, by force. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#waiting !== undefined) this.fail("was closed");
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#kill(), this.#failure === undefined ? CLOSE_MS : 0);
    await this.#ended;
    clearTimeout(timer);
    // What it started itself may live on and hold the pipes.
    this.#kill();
    for (const stream of this.#child.stdio) stream?.destroy();
  }

  #listen(child: ChildProcess): void {
    child.once("error", (error: NodeJS.ErrnoException) => {
      const missing = error.code === "ENOENT" || error.code === "EACCES";
      this.fail(
        `cannot be started: ${error.message}`,
        missing ? "reference-missing" : "reference-crashed",
      );
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString("utf8")).slice(-STDERR_CHARACTERS);
    });
    child.stdout?.on("data", (chunk: Buffer) => this.#take(chunk));
    // A broken pipe says less than the end of the process, which follows.
    child.stdin?.on("error", () => undefined);
    child.stdout?.once("end", () => {
      // The exit, if it is one, is reported within moments and says more.
      setTimeout(() => this.#unlessClosing(`closed its standard output${this.#half()}`), 200);
    });
    child.once("exit", (code, signal) => {
      const report = () => this.#unlessClosing(`${endOf(code, signal)}${this.#half()}`);
      const timer = setTimeout(report, LAST_OUTPUT_MS);
      child.once("close", () => {
        clearTimeout(timer);
        report();
      });
    });
  }

  #take(chunk: Buffer): void {
    if (this.#failure !== undefined || this.#closing) return;
    try {
      this.#reader.push(chunk);
      if (this.#waiting === undefined && this.#reader.unfinished !== null) this.#unasked();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.fail(error.message);
    }
  }

  #receive(message: Message): void {
    const waiting = this.#waiting;
    if (this.#failure !== undefined) return;
    if (waiting === undefined) {
      this.#unasked();
      return;
    }
    const { id } = message.fields;
    if (id !== waiting.id) {
      this.fail(`answered with id ${JSON.stringify(id)}, expected ${waiting.id}`);
      return;
    }
    waiting.onMessage(message);
  }

  #unasked(): void {
    this.fail("spoke without being asked");
  }

  #unlessClosing(what: string): void {
    if (!this.#closing && this.#failure === undefined) this.fail(what);
  }

  #half(): string {
    const half = this.#reader.unfinished;
    return half === null ? "" : ` in the middle of an answer: ${half}`;
  }

  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // The group is gone: nothing is left to kill.
    }
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `ended with status ${code}` : `was killed by ${signal}`;
}

function lastLine(text: string): string {
  const line = text.trim().split("\n").at(-1)?.trim() ?? "";
  if (line === "") return "";
  const short =
    line.length > STDERR_LINE_CHARACTERS ? `${line.slice(0, STDERR_LINE_CHARACTERS)}…` : line;
  // Control characters of a progress bar do not belong into a line for the user.
  return short.replaceAll(/\p{Cc}+/gu, " ").trim();
}

/** A command line as a user writes it behind `runner:`, in words; quotes keep blanks together. */
export function splitCommand(text: string): readonly string[] {
  const words = text.match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  return words.map((word) => word.replace(/^(["'])(.*)\1$/s, "$2"));
}
