import type { Architecture } from "../../architecture/architecture.js";
import { type LoweredModel, type LowerOptions, lower } from "../../lower/lower.js";
import type { FunctionError } from "../../operators/family.js";
import { TRIGGER_FACTOR } from "../../operators/rounding.js";
import { sizeOf, type Tensor, tensor } from "../../tensor/tensor.js";
import type { OnnxRuntimeProcess } from "./onnxruntime-process.js";
import { type PreparedTaps, prepareTaps, segmentsOf, type TapRequest } from "./prepare-taps.js";
import type { FeedSource, OutputRequest, RunRequest } from "./protocol.js";

/** Error of a transcendental by its name. */
export type FunctionErrors = (name: string) => FunctionError;

/** Known values by id: inputs of the architecture, or of operations. NCHW. */
export type KnownValues = ReadonlyMap<string, Tensor>;

/** A tap, and what computes it from values that are known. */
export interface StepRequest {
  readonly id: string;
  /** The operations from the known values to the tap, in their order. */
  readonly between: readonly string[];
  /** Error of transcendentals of both sides together; `null`: no bound is asked for. */
  readonly functionError: FunctionErrors | null;
}

/** What a step makes of known values. */
export interface StepValue {
  /** In the original's layout. */
  readonly value: Tensor;
  /** How far two right ways to compute it may lie apart by chance; `null` where nothing rounds, or none was asked for. */
  readonly bound: Float32Array | null;
  /** The operator whose arithmetic nobody here knows: then the bound is measured noise, and there is no definition in float64; else `null`. */
  readonly unknown: string | null;
}

/** The original, lowered to ONNX and run by ONNX Runtime. */
export class EmbeddedReference {
  readonly #process: OnnxRuntimeProcess;
  readonly #architecture: Architecture;

  constructor(process: OnnxRuntimeProcess, architecture: Architecture) {
    this.#process = process;
    this.#architecture = architecture;
  }

  /** Plans a run that records taps: where their values will lie, and what computes them. */
  prepare(request: Omit<TapRequest, "architecture">): PreparedTaps {
    return prepareTaps({ ...request, architecture: this.#architecture });
  }

  /** Error of transcendentals of both sides together: of the port's, as measured beside the lowered ones, and this reference's own. */
  functionError(ofPort: FunctionErrors): FunctionErrors {
    return ofPort;
  }

  /** Whether what is known of an operation turned out not to be what the original computes: then only its noise is measured. */
  isDoubtful(_id: string): boolean {
    return false;
  }

  /**
   * Runs all segments of a plan; each tap's values are in the scratch file when `onReady` is called.
   *
   * @param inputs - the architecture's inputs by name
   */
  async record(
    prepared: PreparedTaps,
    inputs: KnownValues,
    onReady: (index: number) => void,
  ): Promise<void> {
    for (const segment of prepared.segments) {
      await this.#run(segment.lowered, inputs, segment.outputs, "disabled", segment.drop);
      for (const index of segment.ready) onReady(index);
    }
  }

  /** Whether a tap's value is one that the original itself has, and no step inside one of its layers that only we know of. */
  isOwn(_id: string): boolean {
    return true;
  }

  /**
   * Computes one tap from known values.
   *
   * @param known - values of everything the step reads from outside
   */
  async step({ id, between, functionError }: StepRequest, known: KnownValues): Promise<StepValue> {
    const cut = new Set(known.keys());
    // Values that were rounded to whole numbers are equal or whole steps apart: nothing of that is chance.
    const { mode, factor } = this.#roundsToWhole(between)
      ? ({ mode: "hard", factor: 1 } as const)
      : ({ mode: "trigger", factor: TRIGGER_FACTOR } as const);
    const outputs = [{ tap: id, name: "bound", factor }];
    const bounds = functionError === null ? {} : { bounds: { mode, cut, functionError, outputs } };
    const options = { operations: between, outputs: [{ tap: id, name: "value" }], ...bounds };
    const { values } = await this.compute(options, known);
    const value = values.get("value") as Tensor;
    return { value, bound: values.get("bound")?.data ?? null, unknown: null };
  }

  #roundsToWhole(ids: readonly string[]): boolean {
    return this.#architecture.operations.some(
      ({ id, kind, attributes }) =>
        kind === "elementwise" && attributes.function === "round" && ids.includes(id),
    );
  }

  /**
   * Runs a part of the original on known values.
   *
   * @param known - values of everything the part reads from outside
   * @param overrides - weights whose stored values are replaced
   * @returns the outputs by their names
   */
  async compute(
    options: LowerOptions,
    known: KnownValues,
    change: {
      readonly architecture?: Architecture;
      readonly overrides?: Readonly<Record<string, Float32Array>>;
    } = {},
  ): Promise<{ readonly values: ReadonlyMap<string, Tensor>; readonly exact: readonly string[] }> {
    const lowered = lower(change.architecture ?? this.#architecture, options);
    const outputs = lowered.outputs.map(({ name }) => ({ name, send: true }));
    const answers = await this.#run(lowered, known, outputs, "disabled", [], change.overrides);
    return {
      values: new Map(
        answers.map(({ name, shape, data }) => [name, tensor(shape, data ?? new Float32Array(0))]),
      ),
      exact: lowered.exact,
    };
  }

  /**
   * The model's outputs as the runtime computes them with all its optimizations: how far two right
   * ways to compute the same model lie apart.
   */
  async optimized(
    outputs: readonly string[],
    inputs: KnownValues,
  ): Promise<ReadonlyMap<string, Tensor>> {
    const results = new Map<string, Tensor>();
    const groups = segmentsOf(this.#architecture);
    const needed = neededLater(this.#architecture, groups, outputs);
    for (const [at, operations] of groups.entries()) {
      const wanted = operations.filter((id) => outputs.includes(id) || (needed.get(id) ?? at) > at);
      if (wanted.length === 0) continue;
      const lowered = lower(this.#architecture, {
        operations,
        outputs: wanted.map((id) => ({ tap: id, name: `out:${id}` })),
      });
      const requests = wanted.map((id) => ({
        name: `out:${id}`,
        keep: id,
        send: outputs.includes(id),
      }));
      const drop = [...needed]
        .filter(([id, last]) => last === at && !operations.includes(id))
        .map(([id]) => id);
      for (const { name, shape, data } of await this.#run(lowered, inputs, requests, "all", drop)) {
        if (data !== undefined) results.set(name.slice(4), tensor(shape, data));
      }
    }
    return results;
  }

  #run(
    lowered: LoweredModel,
    known: KnownValues,
    outputs: readonly OutputRequest[],
    level: RunRequest["level"],
    drop: readonly string[],
    overrides?: Readonly<Record<string, Float32Array>>,
  ): ReturnType<OnnxRuntimeProcess["run"]> {
    const feeds: Record<string, FeedSource> = {};
    for (const { name, kind, tap, shape } of lowered.feeds) {
      const value = kind === "bound" ? undefined : known.get(tap);
      if (value !== undefined)
        feeds[name] = { kind: "value", shape: value.shape, data: value.data };
      else if (kind === "state")
        feeds[name] = { kind: "value", shape, data: new Float32Array(sizeOf(shape)) };
      else feeds[name] = { kind: "kept", name };
    }
    return this.#process.run({
      model: lowered.model,
      initializers: lowered.initializers,
      feeds,
      outputs,
      level,
      drop,
      ...(overrides === undefined ? {} : { overrides }),
    });
  }
}

/** The last segment that reads each value, among what the outputs need. */
function neededLater(
  architecture: Architecture,
  groups: readonly (readonly string[])[],
  outputs: readonly string[],
): Map<string, number> {
  const segment = new Map(groups.flatMap((ids, at) => ids.map((id) => [id, at] as const)));
  const wanted = new Set(outputs);
  const last = new Map<string, number>();
  for (const operation of architecture.operations.toReversed()) {
    if (!wanted.has(operation.id)) continue;
    const at = segment.get(operation.id) ?? 0;
    for (const input of operation.inputs) {
      wanted.add(input);
      if (segment.has(input)) last.set(input, Math.max(last.get(input) ?? 0, at));
    }
  }
  return last;
}
