import type { Worker } from "node:worker_threads";
import { InputError, UnavailableError } from "../errors.js";
import { startThread } from "../runtime/entry.js";
import type {
  FromPort,
  PipelineRecord,
  PortFacts,
  PortJob,
  PortStart,
  WeightRecord,
} from "./port-messages.js";
import type { TapRecord } from "./recorder.js";

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
  readonly #ended: Promise<void>;
  #onMessage: (message: FromPort) => void = () => undefined;
  #onError: (error: Error) => void = () => undefined;

  constructor(start: PortStart) {
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
   * Runs the port once.
   *
   * @param onTap - called as each tap comes
   * @throws {InputError} `port` when the port itself fails; {@link UnavailableError} when the reference is gone
   */
  run(job: PortJob, onTap: (record: TapRecord) => void): Promise<PortRun> {
    const taps: TapRecord[] = [];
    let weights: readonly WeightRecord[] = [];
    let pipeline: PipelineRecord | null = null;
    const empty = { ignored: [], provenance: {}, buildMs: 0, forwardMs: 0 };
    return new Promise((resolve, reject) => {
      this.#onError = reject;
      this.#worker.once("exit", () => reject(new Error("the port's thread ended early")));
      this.#onMessage = (message) => {
        switch (message.type) {
          case "tap":
            taps.push(message.record);
            onTap(message.record);
            return;
          case "weights":
            weights = message.records;
            return;
          case "pipeline":
            pipeline = message.record;
            return;
          case "done":
            resolve({ ...message, taps, weights, pipeline, stopped: null, weightsFault: null });
            return;
          case "failed":
            if (message.kind === "weights") {
              const weightsFault = {
                weight: message.code,
                message: message.message + message.place,
              };
              resolve({ ...empty, taps, weights, pipeline, stopped: null, weightsFault });
            } else if (message.kind === "forward" && taps.some(hasWrongShape)) {
              const stopped = message.message + message.place;
              resolve({ ...empty, taps, weights, pipeline, stopped, weightsFault: null });
            } else reject(errorOf(message));
            return;
          case "facts":
            return;
        }
      };
      this.#worker.postMessage(job);
    });
  }

  /** Ends the thread, busy or not. */
  async close(): Promise<void> {
    await this.#worker.terminate();
    await this.#ended;
  }
}

function hasWrongShape({ id, compared }: TapRecord): boolean {
  return id !== null && compared === null;
}

function errorOf(message: FromPort & { type: "failed" }): Error {
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
