import { type ChildProcess, fork } from "node:child_process";
import { InputError, UnavailableError } from "../../errors.js";
import { entryOf } from "../../runtime/entry.js";
import { ScratchFile, writeExactly } from "../../runtime/scratch-file.js";
import type { WeightStoreDescription } from "../../weights/weight-store.js";
import {
  type FromChild,
  type OutputAnswer,
  type RunRequest,
  type ToChild,
  WEIGHTS_FD,
} from "./protocol.js";

type WithoutId<T> = T extends { readonly id: number } ? Omit<T, "id"> : never;

/** How long the child may take to end by itself before it is killed, in milliseconds. */
const CLOSE_MS = 2000;
/** Last part of what the child wrote to its standard error, kept for the message of a crash. */
const STDERR_CHARACTERS = 2000;

/** ONNX Runtime in a child process. One run at a time, in the order of the calls. */
export class OnnxRuntimeProcess {
  /** Outputs with an `offset` are written here by the child. */
  readonly scratch: ScratchFile;
  readonly #child: ChildProcess;
  readonly #weights: WeightStoreDescription | undefined;
  readonly #weightsFile: ScratchFile | undefined;
  readonly #waiting = new Map<
    number,
    { resolve: (answer: FromChild & { ok: true }) => void; reject: (reason: Error) => void }
  >();
  #next = 1;
  #stderr = "";
  #closed = false;
  #failure: UnavailableError | undefined;

  private constructor(weights: WeightStoreDescription | undefined, scratch: ScratchFile) {
    this.scratch = scratch;
    const { description, file } = inheritable(weights);
    this.#weights = description;
    this.#weightsFile = file;
    const entry = entryOf(import.meta.url, "./child.js");
    this.#child = fork(entry.path, [], {
      serialization: "advanced",
      execArgv: [...entry.execArgv],
      stdio: ["ignore", "ignore", "pipe", "ipc", scratch.fd, file?.fd ?? "ignore"],
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk).slice(-STDERR_CHARACTERS);
    });
    this.#child.on("message", (answer: FromChild) => this.#receive(answer));
    this.#child.on("error", (error) => this.#fail(`cannot be started: ${error.message}`));
    this.#child.on("exit", (code, signal) => {
      if (!this.#closed) this.#fail(`ended with ${signal ?? `status ${code}`}`);
    });
  }

  /**
   * Starts the process and opens the weights in it.
   *
   * @throws {UnavailableError} when it cannot be started
   */
  static async start(weights?: WeightStoreDescription): Promise<OnnxRuntimeProcess> {
    const started = new OnnxRuntimeProcess(weights, new ScratchFile());
    try {
      if (started.#weights !== undefined)
        await started.#call({ type: "open", weights: started.#weights });
      else await started.#call({ type: "version" });
    } catch (error) {
      await started.close();
      throw error;
    }
    return started;
  }

  /** Version of onnxruntime-node that the child loaded. */
  async version(): Promise<string> {
    return (await this.#call({ type: "version" })).version ?? "";
  }

  /** Process id, for memory accounting. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Runs one graph.
   *
   * @returns the outputs in the order asked for; `data` where `send` was asked for
   * @throws {UnavailableError} `reference-crashed` when the process died
   */
  async run(run: RunRequest): Promise<readonly OutputAnswer[]> {
    return (await this.#call({ type: "run", run })).outputs ?? [];
  }

  /** Ends the process; kills it when it does not end by itself. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const ended =
      this.#child.exitCode !== null ||
      this.#child.signalCode !== null ||
      this.#child.pid === undefined
        ? Promise.resolve()
        : new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(
      () => this.#child.kill("SIGKILL"),
      this.#waiting.size > 0 ? 0 : CLOSE_MS,
    );
    await ended;
    clearTimeout(timer);
    for (const { reject } of this.#waiting.values()) reject(new Error("the reference was closed"));
    this.#waiting.clear();
    this.scratch.close();
    this.#weightsFile?.close();
  }

  #call(message: WithoutId<ToChild>): Promise<FromChild & { ok: true }> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, ...message } as ToChild, (error) => {
        if (error) this.#fail(`does not take messages: ${error.message}`);
      });
    });
  }

  #receive(answer: FromChild): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.ok) waiting?.resolve(answer);
    else waiting?.reject(referenceFailure(answer.message));
  }

  #fail(what: string): void {
    const last = this.#stderr.trim().split("\n").at(-1) ?? "";
    this.#failure ??= new UnavailableError(
      "reference-crashed",
      `reference onnxruntime: its process ${what}${last === "" ? "" : ` (${last})`}; run the command again, and report it if it repeats`,
    );
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}

function referenceFailure(message: string): Error {
  const line = message.split("\n")[0] ?? message;
  return new UnavailableError("reference-crashed", `reference onnxruntime: ${line}`);
}

/** Weights that live in memory go through an inherited file without a name; those with a path are opened again. */
function inheritable(weights: WeightStoreDescription | undefined): {
  description?: WeightStoreDescription;
  file?: ScratchFile;
} {
  if (weights === undefined || weights.source.kind === "file") {
    return weights === undefined ? {} : { description: weights };
  }
  if (weights.source.kind === "descriptor") {
    throw new InputError(
      "format",
      "weights behind a descriptor cannot be opened in another process",
    );
  }
  const file = new ScratchFile();
  writeExactly(
    file.fd,
    new Uint8Array(weights.source.bytes),
    file.allocate(weights.source.bytes.byteLength),
  );
  return { description: { ...weights, source: { kind: "descriptor", fd: WEIGHTS_FD } }, file };
}
