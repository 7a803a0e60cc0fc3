import { createHash } from "node:crypto";
import { InputError, UnavailableError } from "../errors.js";
import type { BuildContext, PlainTensor, PortVariable, PortWeights, Tap } from "../port/port.js";
import { runnerCommand } from "../references/runner/installed.js";
import type { Message, NamedTensors } from "../references/runner/protocol.js";
import { type OnAsk, RunnerClient } from "../references/runner/runner-client.js";
import type { TapPlan } from "../references/tap-plan.js";
import { type KernelLayout, WEIGHT_LAYOUTS } from "../tensor/layout.js";
import { type AnyTensor, tensor } from "../tensor/tensor.js";
import { checkPort, type LoadedPort } from "./load-port.js";
import { valuesOf } from "./tensor-kinds.js";

/** What a runner needs beside the weights and the inputs. */
export interface RunnerPortOptions {
  readonly timeoutMs: number;
  /** Called with the process id as soon as there is one. */
  readonly onSpawn: (pid: number) => void;
  /** Files of the original, for ports that read them themselves; only what is a file. */
  readonly files: { readonly original?: string; readonly weights?: string };
}

/** What {@link LoadedPort.build} hands to `forward`: the variables that the runner has shown. */
type Shown = Readonly<Record<string, PortVariable>>;

/** A port that is a program of its own and speaks the runner protocol: `--model "runner:python my_port.py"`. */
export class RunnerPort {
  /** The same contract as a module's default export. */
  readonly port: LoadedPort;
  /** Whether the replies to taps bring values to go on with. */
  mode: "isolated" | "cumulative" = "cumulative";
  readonly #client: RunnerClient;
  readonly #options: RunnerPortOptions;
  /** Hash of what each tap brought in the run, by name: a probe shows what does not follow from the replies. */
  #hashes = new Map<string, string>();

  private constructor(client: RunnerClient, options: RunnerPortOptions) {
    this.#client = client;
    this.#options = options;
    const { name, fields } = client.facts;
    this.port = checkPort(
      {
        name,
        original: fields["original"] ?? "",
        layout: fields["layout"],
        runtime: "plain",
        build: (weights: PortWeights, context: BuildContext) => this.#build(weights, context),
        forward: (_: Shown, inputs: Readonly<Record<string, PlainTensor>>, tap: Tap) =>
          this.#forward(inputs, tap),
        ...(fields["variables"] === true ? { variables: (shown: Shown) => shown } : {}),
      },
      client.name,
    );
  }

  /**
   * Starts the program.
   *
   * @param name - `runner:COMMAND`
   * @throws {InputError} when it is no port
   * @throws {UnavailableError} when it cannot be started or does not keep to the protocol
   */
  static async start(name: string, options: RunnerPortOptions): Promise<RunnerPort> {
    const client = await RunnerClient.start(runnerCommand(name), options);
    try {
      const { role } = client.facts;
      if (role === "port") return new RunnerPort(client, options);
      throw new InputError(
        "port",
        `--model ${name}: says it is a ${role}, expected a port; --reference ${name} runs it as a reference`,
      );
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Ends the program. */
  close(): Promise<void> {
    return this.#client.close();
  }

  /**
   * Taps whose replies the port does not go on with: the port runs once more and gets other values back, which what
   * follows from them must show.
   *
   * @param plan - says which taps follow from which
   * @param pairs - port name → reference id, where they differ
   */
  async ignored(
    inputs: Readonly<Record<string, PlainTensor>>,
    plan: TapPlan,
    pairs: Readonly<Record<string, string>>,
  ): Promise<readonly string[]> {
    const first = this.#hashes;
    const second = new Map<string, string>();
    try {
      await this.#run(inputs, (name, value) => {
        second.set(name, hashOf(value));
        return altered(value);
      });
    } catch (error) {
      // A port may well stumble over values that no network has; then nothing is known. One that died is told.
      if (error instanceof UnavailableError && !this.#client.usable) throw error;
      return [];
    }
    const changed = (name: string) => first.get(name) !== second.get(name);
    return [...first.keys()].filter((name) => {
      const id = pairs[name] ?? name;
      const after = [...first.keys()].filter((other) =>
        plan.taps.some((tap) => tap.id === (pairs[other] ?? other) && tap.frontier.includes(id)),
      );
      return after.length > 0 && !after.some(changed);
    });
  }

  async #build(weights: PortWeights, context: BuildContext): Promise<Shown> {
    const { inputs = [], ...network } = context;
    const { tensors } = await this.#call(
      "describe",
      {
        ...this.#options.files,
        network,
        inputs: inputs.map(({ name, shape, type = "float" }) => ({
          name,
          shape,
          dtype: DTYPES[type],
        })),
      },
      undefined,
      (message) => {
        const { ask, name, layout } = message.fields;
        if (ask !== "take")
          throw this.#client.refuse(
            `asked for "${String(ask)}" during "describe", expected "take"`,
          );
        return new Map([["value", taken(weights, String(name), layout)]]);
      },
    );
    const shown = [...tensors].map(
      ([name, value]) => [name, { value: value as PlainTensor }] as const,
    );
    return Object.fromEntries(shown);
  }

  async #forward(inputs: Readonly<Record<string, PlainTensor>>, tap: Tap): Promise<void> {
    this.#hashes = new Map();
    await this.#run(inputs, (name, value) => {
      this.#hashes.set(name, hashOf(value));
      const back = tap(name, value as PlainTensor);
      if (this.mode === "cumulative") return undefined;
      const { shape, data } = valuesOf(back, `tap "${name}"`);
      return tensor(shape, data);
    });
  }

  async #run(
    inputs: Readonly<Record<string, PlainTensor>>,
    onTap: (name: string, value: AnyTensor) => AnyTensor | undefined,
  ): Promise<void> {
    const given = new Map(Object.entries(inputs).map(([name, one]) => [name, one as AnyTensor]));
    await this.#call("run", { mode: this.mode }, given, (message) => {
      const { ask, name } = message.fields;
      const value = message.tensors.get("value");
      if (ask !== "tap" || value === undefined) {
        throw this.#client.refuse(
          `asked for "${String(ask)}" during "run", expected "tap" with a tensor "value"`,
        );
      }
      const reply = onTap(String(name), value);
      return reply === undefined ? undefined : new Map([["value", reply]]);
    });
  }

  /** A call during which the runner asks. What the answer to a question throws is what the call throws. */
  async #call(
    name: string,
    fields: Readonly<Record<string, unknown>>,
    tensors: NamedTensors | undefined,
    answer: (message: Message) => NamedTensors | undefined,
  ): Promise<Message> {
    let thrown: { readonly error: unknown } | undefined;
    const onAsk: OnAsk = (message) => {
      try {
        const reply = answer(message);
        return { fields: {}, ...(reply === undefined ? {} : { tensors: reply }) };
      } catch (error) {
        thrown ??= { error };
        const text = error instanceof Error ? error.message : String(error);
        return { fields: { ok: false, error: { code: "failed", message: text } } };
      }
    };
    try {
      const answered = await this.#client.call(name, fields, tensors, onAsk);
      if (thrown === undefined) return answered;
    } catch (error) {
      // The runner lives and said that it failed: an exception in the port's own code, as a module's.
      const own = error instanceof UnavailableError && this.#client.usable;
      if (thrown === undefined) throw own ? new Error(error.message, { cause: error }) : error;
    }
    throw thrown.error;
  }
}

const DTYPES = { float: "float32", int: "int32", bool: "bool" } as const;

function taken(weights: PortWeights, name: string, layout: unknown): AnyTensor {
  if (layout !== undefined && !(WEIGHT_LAYOUTS as readonly unknown[]).includes(layout)) {
    throw new InputError(
      "port",
      `take "${name}": unknown layout ${JSON.stringify(layout)}, known: ${WEIGHT_LAYOUTS.join(", ")}`,
    );
  }
  const options = layout === undefined ? {} : { layout: layout as KernelLayout };
  const { shape, data } = weights.take(name, options);
  return tensor(shape, data);
}

/** Other values of about the same size. */
function altered(value: AnyTensor): AnyTensor {
  return tensor(
    value.shape,
    Float32Array.from(value.data as ArrayLike<number>, (x) => 0.5 - Number(x)),
  );
}

function hashOf({ shape, data }: AnyTensor): string {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return createHash("sha1").update(`${shape}`).update(bytes).digest("base64");
}
