import { InputError, UnavailableError } from "../../errors.js";
import type { AnyTensor } from "../../tensor/tensor.js";
import type { Message, NamedTensors } from "./protocol.js";
import { type RunnerCommand, RunnerProcess } from "./runner-process.js";

/** Limits and switches of a client. */
export interface RunnerOptions {
  /** Longest time a call may take, in milliseconds; the first includes starting. @defaultValue 600 000 */
  readonly timeoutMs?: number;
  /** Aborts the call under way and ends the runner. */
  readonly signal?: AbortSignal;
  /** Sends calls that the runner does not offer as well: what it answers then is looked at. */
  readonly unchecked?: boolean;
  /** Called with the process id as soon as there is one. */
  readonly onSpawn?: (pid: number) => void;
}

const DEFAULT_TIMEOUT_MS = 600_000;

/** What a runner says of itself. */
export interface RunnerFacts {
  readonly name: string;
  readonly version: string;
  readonly role: "reference" | "port";
  readonly calls: readonly string[];
  readonly build?: string;
  readonly commit?: string;
  readonly deterministic: boolean;
  /** Everything it said, for what is of one role only. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A whole answer: the fields of its last part, the tensors of all parts. */
export type RunnerAnswer = Message;

/** Called when the runner asks something during a call; returns what to reply. */
export type OnAsk = (message: Message) => {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly tensors?: NamedTensors;
};

/** A runner that has been started and answers calls, one after the other. */
export class RunnerClient {
  readonly #process: RunnerProcess;
  readonly #options: RunnerOptions;
  #facts: RunnerFacts | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(command: RunnerCommand, options: RunnerOptions) {
    this.#process = new RunnerProcess(command);
    this.#options = options;
    if (this.#process.pid !== undefined) options.onSpawn?.(this.#process.pid);
  }

  /**
   * Starts a runner and asks who it is.
   *
   * @throws {UnavailableError} when it cannot be started or does not keep to the protocol
   */
  static async start(command: RunnerCommand, options: RunnerOptions = {}): Promise<RunnerClient> {
    const client = new RunnerClient(command, options);
    try {
      client.#facts = factsIn(client, await client.call("version"));
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  get facts(): RunnerFacts {
    return this.#facts as RunnerFacts;
  }

  /** What users call it. */
  get name(): string {
    return this.#process.name;
  }

  /** How messages about it begin. */
  get label(): string {
    return this.#process.label;
  }

  /** Process id, for memory accounting. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Whether it still answers: it neither ended nor broke the protocol. */
  get usable(): boolean {
    return !this.#process.failed;
  }

  /**
   * One call; waits for those before it.
   *
   * @throws {InputError} when the runner refuses what it was given
   * @throws {UnavailableError} when it crashes, hangs or does not keep to the protocol: it is dead then
   */
  call(
    name: string,
    fields: Readonly<Record<string, unknown>> = {},
    tensors?: NamedTensors,
    onAsk?: OnAsk,
  ): Promise<RunnerAnswer> {
    const offered = this.#options.unchecked === true ? undefined : this.#facts?.calls;
    if (offered !== undefined && !offered.includes(name)) {
      return Promise.reject(
        new InputError(
          "unsupported",
          `${this.label}: does not offer "${name}", it offers ${offered.join(", ")}`,
        ),
      );
    }
    const next = this.#last.then(() => this.#send(name, fields, tensors, onAsk));
    this.#last = next.catch(() => undefined);
    return next;
  }

  /** The runner answered in form, but not what the call demands: it is ended. */
  refuse(what: string): UnavailableError {
    return this.#process.fail(what);
  }

  /** Ends the runner. Safe to call twice. */
  close(): Promise<void> {
    return this.#process.close();
  }

  #send(
    name: string,
    fields: Readonly<Record<string, unknown>>,
    tensors: NamedTensors | undefined,
    onAsk: OnAsk | undefined,
  ): Promise<RunnerAnswer> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
    return new Promise<RunnerAnswer>((resolve, reject) => {
      const timer = setTimeout(
        () =>
          this.#process.fail(`did not answer within ${timeoutMs / 1000} s`, "reference-timeout"),
        timeoutMs,
      );
      const abort = () => this.#process.fail("was interrupted");
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        finish();
      };
      const collected = new Map<string, AnyTensor>();
      this.#process.send(name, fields, tensors, {
        reject: (reason) => settle(() => reject(reason)),
        onMessage: (message) => {
          if (message.fields["ask"] !== undefined) {
            this.#answerAsk(message, onAsk);
            // The time that the reply took is not the runner's.
            timer.refresh();
            return;
          }
          const end = this.#partOf(message, collected);
          if (end === undefined) return;
          this.#process.done();
          settle(() => (end instanceof Error ? reject(end) : resolve(end)));
        },
      });
      signal?.addEventListener("abort", abort, { once: true });
      if (signal?.aborted) abort();
    });
  }

  /** Adds a part of the answer; returns the whole answer, or the error, once it is complete. */
  #partOf(message: Message, collected: Map<string, AnyTensor>): RunnerAnswer | Error | undefined {
    const { ok, more } = message.fields;
    if (ok === false) return this.#errorOf(message);
    if (ok !== true) {
      this.#process.fail(`answered without "ok": true or false`);
      return undefined;
    }
    for (const [key, value] of message.tensors) {
      if (collected.has(key)) {
        this.#process.fail(`sent two tensors named ${JSON.stringify(key)} in one answer`);
        return undefined;
      }
      collected.set(key, value);
    }
    return more === true ? undefined : { fields: message.fields, tensors: collected };
  }

  #answerAsk(message: Message, onAsk: OnAsk | undefined): void {
    if (onAsk === undefined) {
      this.#process.fail(`asked for "${String(message.fields["ask"])}", which only a port may do`);
      return;
    }
    const { fields, tensors } = onAsk(message);
    this.#process.reply({ reply: message.fields["ask"], ...fields }, tensors);
  }

  #errorOf(message: Message): Error {
    const { code, message: text } = (message.fields["error"] ?? {}) as Readonly<
      Record<string, unknown>
    >;
    const line = `${this.label}: ${typeof text === "string" ? oneLine(text) : "failed without a message"}`;
    if (code === "unusable") return new InputError("format", line);
    if (code === "unsupported") return new InputError("unsupported", line);
    if (code === "untrusted") return new InputError("unsafe", line);
    return new UnavailableError(
      code === "missing" ? "reference-missing" : "reference-crashed",
      line,
    );
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ").trim();
}

function factsIn(client: RunnerClient, { fields }: RunnerAnswer): RunnerFacts {
  const { name, version, role, calls, build, commit, deterministic } = fields;
  const texts = [name, version].every((text) => typeof text === "string");
  const known = role === "reference" || role === "port";
  if (!texts || !known || !Array.isArray(calls)) {
    throw client.refuse(
      `answered "version" without one of name, version, role (reference or port), calls`,
    );
  }
  return {
    name: name as string,
    version: version as string,
    role,
    calls: calls.map(String),
    ...(typeof build === "string" ? { build } : {}),
    ...(typeof commit === "string" ? { commit } : {}),
    deterministic: deterministic !== false,
    fields,
  };
}
