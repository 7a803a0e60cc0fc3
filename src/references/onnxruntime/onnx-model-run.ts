import { dirname, resolve } from "node:path";
import { InputError, UnavailableError } from "../../errors.js";
import { exposeOutputs } from "../../formats/onnx/expose-outputs.js";
import { type OnnxModel, onnxModelFrom } from "../../formats/onnx/model-reader.js";
import { narrowValues } from "../../formats/onnx/narrow-values.js";
import { readExactly, writeExactly } from "../../runtime/scratch-file.js";
import { sizeOf, type Tensor, tensor } from "../../tensor/tensor.js";
import type { OnnxRuntimeProcess } from "./onnxruntime-process.js";
import type { FeedSource, OutputAnswer, RunRequest } from "./protocol.js";

/** A value of the run; its numbers lie in the scratch file, float32. */
export interface RunValue {
  readonly shape: readonly number[];
  /** Element type, as the runtime calls it. */
  readonly type: string;
  /** Byte offset in the scratch file; `null` for text. */
  readonly offset: number | null;
}

/** Values of one run in memory at once, in bytes: of what a batch of outputs is measured to take. */
const BATCH_BYTES = 256 << 20;
/** Outputs of the first batch, whose sizes nobody knows yet. */
const FIRST_BATCH = 16;

/** Runs an ONNX model as it is, with its inner values as outputs. */
export class OnnxModelRun {
  readonly model: OnnxModel;
  readonly values: ReadonlyMap<string, RunValue>;
  readonly #process: OnnxRuntimeProcess;
  readonly #inputs: ReadonlyMap<string, Tensor>;

  private constructor(
    process: OnnxRuntimeProcess,
    model: OnnxModel,
    inputs: ReadonlyMap<string, Tensor>,
    values: ReadonlyMap<string, RunValue>,
  ) {
    this.#process = process;
    this.model = model;
    this.#inputs = inputs;
    this.values = values;
  }

  /**
   * Runs the model, as often as its values need to fit into memory: each run gives a batch of them.
   * Exposing a value changes none, so all runs are the same.
   *
   * @param inputs - by name
   * @throws {InputError} `unsupported` for an operator that the runtime does not have, `shape` when it refuses the inputs
   */
  static async record(
    process: OnnxRuntimeProcess,
    model: OnnxModel,
    inputs: ReadonlyMap<string, Tensor>,
  ): Promise<OnnxModelRun> {
    refuseUnknownDomains(model);
    const values = new Map<string, RunValue>(
      model.inputs.map(({ name, dtype }) => [
        name,
        { shape: inputs.get(name)?.shape ?? [], type: dtype ?? "float32", offset: null },
      ]),
    );
    const run = new OnnxModelRun(process, model, inputs, values);
    const names = model.taps.filter(({ tensor: is }) => is).map(({ name }) => name);
    const narrow = narrowValues(model.proto.graph ?? {});
    let [bytes, done] = [0, 0];
    for (let at = 0; at < names.length; ) {
      const each = done === 0 ? 0 : bytes / done;
      const count = each === 0 ? FIRST_BATCH : Math.max(1, Math.floor(BATCH_BYTES / each));
      const batch = names.slice(at, at + count);
      for (const [name, answer] of await run.#outputs(batch)) {
        bytes += 4 * sizeOf(answer.shape);
        values.set(name, run.#kept(answer, narrow.has(name)));
      }
      done += batch.length;
      at += batch.length;
    }
    return run;
  }

  /** The numbers of a value, of an input too. */
  read(name: string): Tensor | undefined {
    const input = this.#inputs.get(name);
    if (input !== undefined) return input;
    const value = this.values.get(name);
    if (value === undefined || value.offset === null) return undefined;
    const data = new Float32Array(sizeOf(value.shape));
    readExactly(this.#process.scratch.fd, data, value.offset);
    return tensor(value.shape, data);
  }

  /** The model's values as the runtime computes them with all its optimizations. */
  async optimized(names: readonly string[]): Promise<ReadonlyMap<string, Tensor>> {
    return this.#tensors(await this.#outputs(names, "all"));
  }

  /** The model's values of other inputs. */
  async of(
    inputs: ReadonlyMap<string, Tensor>,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, Tensor>> {
    return this.#tensors(await this.#outputs(names, "disabled", inputs));
  }

  #tensors(answers: ReadonlyMap<string, OutputAnswer>): ReadonlyMap<string, Tensor> {
    return new Map(
      [...answers].map(([name, { shape, data }]) => [
        name,
        tensor(shape, data ?? new Float32Array(sizeOf(shape))),
      ]),
    );
  }

  /** Runs a model made of some of this one's nodes; what the runtime does not pass goes through casts. */
  async part(
    bytes: Uint8Array,
    feeds: Readonly<Record<string, FeedSource>>,
    output: string,
  ): Promise<Tensor> {
    const model = onnxModelFrom(bytes, this.model.name, dirname(resolve(this.model.name)));
    const exposed = exposeOutputs(model, [output]);
    const given = Object.entries(feeds).map(([name, source]): [string, FeedSource] => {
      const cast = exposed.castInputs.get(name);
      return cast === undefined || source.kind !== "value"
        ? [name, source]
        : [cast, { ...source, type: "float32" }];
    });
    const [answer] = await this.#run({
      model: exposed.bytes,
      feeds: Object.fromEntries(given),
      outputs: [{ name: exposed.outputs.get(output) ?? output, send: true }],
    });
    if (answer?.data === undefined) throw new Error(`${output} holds no numbers`);
    return tensor(answer.shape, answer.data);
  }

  async #outputs(
    names: readonly string[],
    level: RunRequest["level"] = "disabled",
    inputs: ReadonlyMap<string, Tensor> = this.#inputs,
  ): Promise<ReadonlyMap<string, OutputAnswer>> {
    const exposed = exposeOutputs(this.model, names);
    const feeds = Object.fromEntries(
      this.model.inputs.map(({ name, dtype }) => {
        const { shape, data } = inputs.get(name) as Tensor;
        const cast = exposed.castInputs.get(name);
        const type = cast === undefined ? (dtype ?? "float32") : "float32";
        return [cast ?? name, { kind: "value", shape, data, type } as const];
      }),
    );
    const outputs = names.map((name) => ({ name: exposed.outputs.get(name) ?? name, send: true }));
    const answers = await this.#run({ model: exposed.bytes, feeds, outputs, level });
    return new Map(names.map((name, k) => [name, answers[k] as OutputAnswer]));
  }

  async #run(
    request: Pick<RunRequest, "model" | "feeds" | "outputs"> & {
      readonly level?: RunRequest["level"];
    },
  ): Promise<readonly OutputAnswer[]> {
    const folder = dirname(resolve(this.model.name));
    try {
      return await this.#process.run({ level: "disabled", ...request, initializers: [], folder });
    } catch (error) {
      throw explained(error, this.model);
    }
  }

  /** @param narrow - whether it came through a cast: the type that the model has is none that the runtime hands out */
  #kept({ shape, type: given, data }: OutputAnswer, narrow: boolean): RunValue {
    const type = narrow ? "bfloat16" : given;
    if (data === undefined) return { shape, type, offset: null };
    const offset = this.#process.scratch.allocate(data.byteLength);
    writeExactly(this.#process.scratch.fd, data, offset);
    return { shape, type, offset };
  }
}

/** Domains whose operators come with the runtime. */
const DOMAINS: ReadonlySet<string> = new Set([
  "",
  "ai.onnx",
  "ai.onnx.ml",
  "ai.onnx.preview.training",
  "ai.onnx.training",
  "com.microsoft",
  "com.microsoft.experimental",
  "com.microsoft.nchwc",
]);

function refuseUnknownDomains(model: OnnxModel): void {
  const functions = new Set(
    (model.proto.functions ?? []).map(({ domain = "", name = "" }) => `${domain}.${name}`),
  );
  const foreign = (model.proto.graph?.node ?? []).filter(
    ({ domain = "", op_type = "" }) =>
      !DOMAINS.has(domain) && !functions.has(`${domain}.${op_type}`),
  );
  if (foreign.length === 0) return;
  const names = [...new Set(foreign.map(({ domain, op_type }) => `${domain}.${op_type}`))];
  throw new InputError(
    "unsupported",
    `${model.name}: ${foreign.length} nodes use operators that ONNX Runtime does not have: ${names.slice(0, 8).join(", ")}; export the model without them`,
  );
}

/** What the runtime says of a model it cannot load or of inputs it does not take, as the caller's error. */
function explained(error: unknown, model: OnnxModel): unknown {
  if (!(error instanceof UnavailableError)) return error;
  const { message } = error;
  const missing = missingOperator(message);
  if (missing !== null) {
    return new InputError(
      "unsupported",
      `${model.name}: ${missing}; export the model without it, or with another operator set`,
      { cause: error },
    );
  }
  const [, hungry] = NO_MEMORY.exec(message) ?? [];
  if (hungry !== undefined) {
    const what = `${model.name}: ONNX Runtime gets no memory for what ${hungry} makes of these inputs; give smaller ones (--shape, --batch)`;
    return new UnavailableError("reference-crashed", what, { cause: error });
  }
  if (!REFUSALS.test(message)) return error;
  const reason = message.replace(/^reference onnxruntime: /, "ONNX Runtime: ");
  return new InputError("format", `${model.name}: ${reason}`, { cause: error });
}

/** What the runtime says where the system has no memory left, and the operator that asked for it. */
const NO_MEMORY = /while running (\S+) node\..*(?:bad_alloc|Failed to allocate memory)/;

/** What the runtime says where a model or its inputs are at fault, and not itself. */
const REFUSALS =
  /INVALID_ARGUMENT|INVALID_GRAPH|invalid model|Type Error|ShapeInferenceError|Non-zero status code|came out with|Invalid dimension/;

/** The operator that the runtime says it lacks, in words: at all, or for the types of this node. */
function missingOperator(message: string): string | null {
  const unknown =
    /No Op registered for (\S+) with domain_version of (\d+)/.exec(message) ??
    /(\S+) is not a registered function\/op/.exec(message);
  if (unknown !== null) {
    const [, operator, version] = unknown;
    const set = version === undefined ? "" : ` of operator set ${version}`;
    return `operator ${operator}${set} is not in ONNX Runtime`;
  }
  const [, operator, node] =
    /Could not find an implementation for ([^\s(]+)\S* node with name '([^']*)'/.exec(message) ??
    [];
  if (operator === undefined) return null;
  return `operator ${operator}${node ? ` (node "${node}")` : ""} is not in ONNX Runtime for the types it has here`;
}
