import { setImmediate } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { InputError, UnavailableError } from "../errors.js";
import { startThread } from "../runtime/entry.js";
import { sizeOf } from "../tensor/tensor.js";
import { Handover } from "./handover.js";
import type {
  FromPort,
  PipelineRecord,
  PortFacts,
  PortJob,
  PortStart,
  RunMessage,
  WeightRecord,
} from "./port-messages.js";
import { TapExaminer, type TapRecord } from "./tap-examiner.js";

/** All that one run of a port brought. */
export interface PortRun {
  readonly taps: readonly TapRecord[];
  readonly weights: readonly WeightRecord[];
  readonly pipeline: PipelineRecord | null;
  /** Taps whose return value the port ignored. */
  readonly ignored: readonly string[];
  /** Weights that each tap depends on; empty for ports without TensorFlow.js. */
  readonly provenance: Readonly<Record<string, readonly string[]>>;
  /**
   * Set where the port threw an exception after it had tapped a wrong shape: what it computes from that may well
   * not fit together. The taps before it count.
   */
  readonly stopped: string | null;
  /** Set where a weight was asked for that the original has not, or not so: a fault, and the run ended there. */
  readonly weightsFault: { readonly weight: string; readonly message: string } | null;
  readonly buildMs: number;
  readonly forwardMs: number;
}

/** A port in a thread of its own. */
export class PortThread {
  /** What the module says about itself; rejected when it cannot be loaded or its back-end is missing. */
  readonly facts: Promise<PortFacts>;
  readonly #worker: Worker;
  readonly #program: Int32Array;
  readonly #ended: Promise<void>;
  #onMessage: (message: FromPort) => void = () => undefined;
  #onError: (error: Error) => void = () => undefined;

  constructor(start: PortStart) {
    this.#program = new Int32Array(start.runner.pid);
    this.#worker = startThread(import.meta.url, "./port-worker.js", { workerData: start });
    this.#worker.on("message", (message: FromPort) => this.#onMessage(message));
    this.#worker.on("error", (error) => this.#onError(error));
    this.#ended = new Promise((resolve) => this.#worker.once("exit", () => resolve()));
    this.facts = new Promise((resolve, reject) => {
      this.#onMessage = (message) => {
        if (message.type === "facts") resolve(message.facts);
        if (message.type === "failed") reject(errorOf(message));
      };
      this.#onError = reject;
      this.#worker.once("exit", () =>
        reject(new Error("the port's thread ended before it had loaded the port")),
      );
    });
    // Whoever awaits later gets the error; until then it is not unhandled.
    this.facts.catch(() => undefined);
  }

  /**
   * Runs the port once. Its taps are examined in this thread, while the port computes the next ones.
   *
   * @param onTap - called as each tap comes
   * @throws {InputError} `port` when the port itself fails; {@link UnavailableError} when the reference is gone
   */
  async run(job: Omit<PortJob, "handover">, onTap: (record: TapRecord) => void): Promise<PortRun> {
    // A port that was never loaded has ended already: its own reason is the one to tell.
    await this.facts;
    const handover = new Handover(Math.max(0, ...job.plan.taps.map(({ shape }) => sizeOf(shape))));
    const examiner = new TapExaminer({ ...job, original: job.originalLayout, handover });
    const collected = new Collected();
    return await new Promise((resolve, reject) => {
      // In turn, and the event loop goes round in between: the reference's answers come by it too.
      let turn = Promise.resolve();
      const inTurn = (work: () => void): void => {
        turn = turn
          .then(() => setImmediate())
          .then(work, work)
          .catch(reject);
      };
      this.#onError = reject;
      this.#worker.once("exit", () =>
        inTurn(() => reject(new Error("the port's thread ended early"))),
      );
      this.#onMessage = (message) =>
        inTurn(() => {
          if (message.type === "tap") {
            const record = examiner.examine(message.sent);
            collected.taps.push(record);
            onTap(record);
          } else {
            const run = collected.add(message);
            if (run !== undefined) resolve(run);
          }
        });
      this.#worker.postMessage({ ...job, handover: handover.buffer } satisfies PortJob);
    });
  }

  /** Process id of the program that the port is, for memory accounting; `undefined` where it is none. */
  get pid(): number | undefined {
    return Atomics.load(this.#program, 0) || undefined;
  }

  /** Ends the thread, busy or not, and the program that it has started. */
  async close(): Promise<void> {
    await this.#worker.terminate();
    await this.#ended;
    if (this.pid !== undefined) killGroup(this.pid);
  }
}

/** Ends a program and what it has started. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** What a run has brought so far. */
class Collected {
  readonly taps: TapRecord[] = [];
  #weights: readonly WeightRecord[] = [];
  #pipeline: PipelineRecord | null = null;

  /**
   * Takes a message; returns the run when it is over.
   *
   * @throws {Error} when it failed
   */
  add(message: RunMessage): PortRun | undefined {
    switch (message.type) {
      case "facts":
        return undefined;
      case "weights":
        this.#weights = message.records;
        return undefined;
      case "pipeline":
        this.#pipeline = message.record;
        return undefined;
      case "done":
        return this.#run(message);
      case "failed":
        return this.#failed(message);
    }
  }

  #failed(message: RunMessage & { type: "failed" }): PortRun {
    const text = message.message + message.place;
    if (message.kind === "weights")
      return this.#run({ weightsFault: { weight: message.code, message: text } });
    if (message.kind === "forward" && this.taps.some(hasWrongShape))
      return this.#run({ stopped: text });
    throw errorOf(message);
  }

  #run(ended: Partial<PortRun>): PortRun {
    return {
      ignored: [],
      provenance: {},
      buildMs: 0,
      forwardMs: 0,
      stopped: null,
      weightsFault: null,
      ...ended,
      taps: this.taps,
      weights: this.#weights,
      pipeline: this.#pipeline,
    };
  }
}

function hasWrongShape({ id, compared }: TapRecord): boolean {
  return id !== null && compared === null;
}

function errorOf(message: RunMessage & { type: "failed" }): Error {
  const text = message.message + message.place;
  if (message.kind === "input" || message.kind === "forward")
    return new InputError(message.code as InputError["code"], text);
  if (message.kind === "unavailable" || message.kind === "reference") {
    return new UnavailableError(message.code as UnavailableError["code"], text);
  }
  const error = new Error(text);
  error.stack = message.stack;
  return error;
}
