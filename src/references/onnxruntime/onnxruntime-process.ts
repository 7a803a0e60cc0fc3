import { type ChildProcess, fork } from "node:child_process";
import { InputError, UnavailableError } from "../../errors.js";
import { entryOf } from "../../runtime/entry.js";
import { MemoryGuard } from "../../runtime/memory-guard.js";
import { memoryLimit } from "../../runtime/process-memory.js";
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
  /** Where weights that have no file of their own are handed over: a child inherits what is open when it starts. */
  readonly #weightsFile: ScratchFile;
  readonly #waiting = new Map<
    number,
    { resolve: (answer: FromChild & { ok: true }) => void; reject: (reason: Error) => void }
  >();
  readonly #guard: MemoryGuard;
  #next = 1;
  #stderr = "";
  #closed = false;
  #failure: UnavailableError | undefined;

  private constructor(scratch: ScratchFile, weightsFile: ScratchFile, threads: number) {
    this.scratch = scratch;
    this.#weightsFile = weightsFile;
    const entry = entryOf(import.meta.url, "./child.js");
    this.#child = fork(entry.path, [String(threads)], {
      serialization: "advanced",
      execArgv: [...entry.execArgv, "--expose-gc"],
      env: { ...process.env, GLIBC_TUNABLES: tunables(process.env["GLIBC_TUNABLES"]) },
      stdio: ["ignore", "ignore", "pipe", "ipc", scratch.fd, weightsFile.fd],
    });
    const limit = memoryLimit();
    this.#guard = new MemoryGuard(limit, (held) => this.#exceeded(held, limit));
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
    const started = OnnxRuntimeProcess.launch();
    try {
      if (weights === undefined) await started.version();
      else await started.open(weights);
    } catch (error) {
      await started.close();
      throw error;
    }
    return started;
  }

  /**
   * Starts the process and does not wait for it: loading the runtime takes a quarter of a second.
   *
   * @param threads - on which it computes; 0: one for each processor
   */
  static launch(threads = 0): OnnxRuntimeProcess {
    return new OnnxRuntimeProcess(new ScratchFile(), new ScratchFile(), threads);
  }

  /**
   * Opens weights in the process, those of the graphs to come. Runs asked for before must be over.
   *
   * @throws {UnavailableError} when the process died, or could not be started
   */
  async open(weights: WeightStoreDescription): Promise<void> {
    await this.#call({ type: "open", weights: inheritable(weights, this.#weightsFile) });
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
    this.#guard.stop();
    const ended =
      this.#child.exitCode !== null ||
      this.#child.signalCode !== null ||
      this.#child.pid === undefined
        ? Promise.resolve()
        : new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    if (this.#child.connected) this.#child.disconnect();
    // In the middle of a run, or before it was asked for anything, there is nothing to finish.
    const idle = this.#waiting.size === 0 && this.#next > 1;
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), idle ? CLOSE_MS : 0);
    await ended;
    clearTimeout(timer);
    for (const { reject } of this.#waiting.values()) reject(new Error("the reference was closed"));
    this.#waiting.clear();
    this.scratch.close();
    this.#weightsFile.close();
  }

  #call(message: WithoutId<ToChild>): Promise<FromChild & { ok: true }> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (message.type === "run") this.#guard.start(this.#child.pid);
      this.#child.send({ id, ...message } as ToChild, (error) => {
        if (error) this.#fail(`does not take messages: ${error.message}`);
      });
    });
  }

  #receive(answer: FromChild): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#guard.stop();
    if (answer.ok) waiting?.resolve(answer);
    else waiting?.reject(referenceFailure(answer.message));
  }

  /** Nobody waits for it any more, whatever it is doing. */
  #exceeded(held: number, limit: number): void {
    this.#end(
      `asked for ${gibibytes(held)} of memory, expected at most ${gibibytes(limit)}; give smaller inputs (--shape, --batch), or more with DIFFTEST_MEMORY=${Math.ceil((2 * held) / 2 ** 30)}`,
    );
    this.#child.kill("SIGKILL");
  }

  #fail(what: string): void {
    const last = this.#stderr.trim().split("\n").at(-1) ?? "";
    this.#end(
      `${what}${last === "" ? "" : ` (${last})`}; run the command again, and report it if it repeats`,
    );
  }

  /** The first reason holds. */
  #end(what: string): void {
    this.#guard.stop();
    this.#failure ??= new UnavailableError(
      "reference-crashed",
      `reference onnxruntime: its process ${what}`,
    );
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}

/**
 * How the child's allocator treats memory, where it is glibc's: tensors come and go by tens of megabytes, and memory
 * that is given back to the system is cleared page by page when it is fetched again. So it is kept, in one heap, in huge
 * pages. Whoever runs difftest may say otherwise.
 */
function tunables(given: string | undefined): string {
  const own = [
    "glibc.malloc.hugetlb=1",
    "glibc.malloc.mmap_max=0",
    `glibc.malloc.trim_threshold=${2 ** 32 - 1}`,
    "glibc.malloc.arena_max=1",
  ];
  return [...own, ...(given ? [given] : [])].join(":");
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toPrecision(2)} GiB`;
}

function referenceFailure(message: string): Error {
  const line = message.split("\n")[0] ?? message;
  return new UnavailableError("reference-crashed", `reference onnxruntime: ${line}`);
}

/** Weights that live in memory go through an inherited file without a name; those with a path are opened again. */
function inheritable(weights: WeightStoreDescription, file: ScratchFile): WeightStoreDescription {
  switch (weights.source.kind) {
    case "file":
      return weights;
    case "descriptor":
      throw new InputError(
        "format",
        "weights behind a descriptor cannot be opened in another process",
      );
    case "memory": {
      const bytes = new Uint8Array(weights.source.bytes);
      // Always from the start of the file: those opened before are not read any more.
      writeExactly(file.fd, bytes, 0);
      return { ...weights, source: { kind: "descriptor", fd: WEIGHTS_FD } };
    }
  }
}
