import { Ancestry } from "../../architecture/ancestry.js";
import type { Architecture, Operation } from "../../architecture/architecture.js";
import { submodel } from "../../formats/onnx/submodel.js";
import { UNIT_ROUNDOFF } from "../../operators/family.js";
import { TRIGGER_FACTOR } from "../../operators/rounding.js";
import { operatorErrors } from "../../runtime/function-errors.js";
import { writeExactly } from "../../runtime/scratch-file.js";
import { sizeOf, type Tensor } from "../../tensor/tensor.js";
import type { PlannedTap } from "../tap-plan.js";
import { EmbeddedReference, type FunctionErrors, type KnownValues } from "./embedded-reference.js";
import type { OnnxModelRun } from "./onnx-model-run.js";
import type { OnnxRuntimeProcess } from "./onnxruntime-process.js";
import type { PreparedTaps, TapRequest } from "./prepare-taps.js";
import type { FeedSource } from "./protocol.js";

type PlanRequest = Omit<TapRequest, "architecture">;

/** How a tap's tolerance comes about. */
type Basis = "exact" | "derived" | "noise";

/** Runs with disturbed inputs, and how many times what they show a port may be off. */
const NOISE_RUNS = 3;
const NOISE_FACTOR = 10;
/** A port's own rounding of the result, in units of u. */
const NOISE_ROUNDINGS = 16;

/** u of the types that values are computed in. */
const ROUNDOFF: Readonly<Record<string, number>> = { float32: UNIT_ROUNDOFF, float16: 2 ** -11 };

/** Kinds that only move values. */
const MOVES: ReadonlySet<string> = new Set([
  "concat",
  "expand",
  "fill",
  "gather",
  "identity",
  "pad",
  "slice",
  "take",
  "transpose",
  "view",
  "weight",
]);

/**
 * An ONNX original, run as it is: its own graph gives the values. Where the arithmetic of a step is known
 * the bound is derived as for any layer; elsewhere the noise is measured: the step's nodes alone, on
 * inputs disturbed by a rounding error each.
 */
export class OnnxModelReference extends EmbeddedReference {
  readonly #run: OnnxModelRun;
  readonly #process: OnnxRuntimeProcess;
  readonly #architecture: Architecture;
  readonly #ancestry: Ancestry;
  readonly #bases = new Map<string, Basis>();
  #request: PlanRequest | undefined;

  constructor(process: OnnxRuntimeProcess, run: OnnxModelRun, architecture: Architecture) {
    super(process, architecture);
    this.#run = run;
    this.#process = process;
    this.#architecture = architecture;
    this.#ancestry = new Ancestry(architecture);
  }

  override functionError(ofPort: FunctionErrors): FunctionErrors {
    return operatorErrors(ofPort);
  }

  override prepare(request: PlanRequest): PreparedTaps {
    this.#request = request;
    const taps = request.taps.map((id) => this.#plan(id, request));
    return { plan: { taps }, segments: [] };
  }

  override async record(
    { plan }: PreparedTaps,
    _inputs: KnownValues,
    onReady: (index: number) => void,
  ): Promise<void> {
    for (const [index, planned] of plan.taps.entries()) {
      if (planned.boundOffset !== undefined) {
        const bound = await this.#bound(planned);
        writeExactly(this.#process.scratch.fd, bound, planned.boundOffset);
      }
      onReady(index);
    }
  }

  override async optimized(outputs: readonly string[]): Promise<ReadonlyMap<string, Tensor>> {
    return await this.#run.optimized(outputs);
  }

  #plan(id: string, { scratch, functionError, negativeSide, cut }: PlanRequest): PlannedTap {
    const operation = this.#ancestry.operations.get(id) as Operation;
    const { shape } = operation;
    const without = new Set(cut);
    without.delete(id);
    const { between, frontier } = this.#ancestry.back(id, without);
    const basis = this.#basis(id, between);
    this.#bases.set(id, basis);
    const bounded = functionError !== null && basis !== "exact";
    return {
      id,
      layer: operation.layer,
      shape,
      layout: shape.length === 4 ? "nchw" : undefined,
      originalLayout: "nchw",
      offset: this.#offset(id),
      boundOffset: bounded ? scratch.allocate(4 * sizeOf(shape)) : undefined,
      frontier,
      output: this.#architecture.outputs.includes(id),
      negativeSide: negativeSide(operation),
    };
  }

  /** Where the values of a tap lie. A part of a node has none of its own: they are computed when it is asked for. */
  #offset(id: string): number {
    const value = this.#run.values.get(id);
    if (value !== undefined && value.offset !== null) return value.offset;
    throw new RangeError(`${id} is no value of the model`);
  }

  #basis(id: string, between: readonly string[]): Basis {
    const operations = between.map((one) => this.#ancestry.operations.get(one) as Operation);
    const whole = !(this.#run.values.get(id)?.type.startsWith("float") ?? true);
    const exact = operations.every(
      ({ kind, attributes }) =>
        MOVES.has(kind) || (kind === "opaque" && (attributes as { exact: boolean }).exact),
    );
    if (exact) return "exact";
    const opaque = operations.some(({ kind }) => kind === "opaque");
    if (opaque) return whole && !this.#isQuantized(id) ? "exact" : "noise";
    return whole ? "exact" : "derived";
  }

  #isQuantized(id: string): boolean {
    return /^u?int(8|16)$/.test(this.#run.values.get(id)?.type ?? "");
  }

  async #bound(planned: PlannedTap): Promise<Float32Array> {
    return this.#bases.get(planned.id) === "noise"
      ? await this.#noise(planned)
      : await this.#derived(planned);
  }

  async #derived({ id, shape, frontier }: PlannedTap): Promise<Float32Array> {
    const request = this.#request as PlanRequest;
    const known = this.#known(frontier);
    const cut = new Set(known.keys());
    const { between } = this.#ancestry.back(id, cut);
    const { values } = await this.compute(
      {
        operations: between,
        outputs: [{ tap: id, name: "value" }],
        bounds: {
          mode: "trigger",
          cut,
          functionError: request.functionError as NonNullable<PlanRequest["functionError"]>,
          outputs: [{ tap: id, name: "bound", factor: TRIGGER_FACTOR }],
        },
      },
      known,
    );
    return values.get("bound")?.data ?? new Float32Array(sizeOf(shape));
  }

  #known(frontier: readonly string[]): Map<string, Tensor> {
    const names = [...frontier, ...this.#architecture.inputs.map(({ name }) => name)];
    return new Map(
      names.flatMap((name) => {
        const value = this.#run.read(name);
        return value === undefined ? [] : [[name, value] as const];
      }),
    );
  }

  /** How far the step's result moves when every number it reads moves by one rounding error, up or down. */
  async #noise({ id, shape, frontier }: PlannedTap): Promise<Float32Array> {
    const cut = new Set([...frontier, ...this.#architecture.inputs.map(({ name }) => name)]);
    const { between } = this.#ancestry.back(id, cut);
    const nodes = new Set(
      between.map((one) => (this.#ancestry.operations.get(one) as Operation).layer),
    );
    const typeOf = (name: string) => this.#run.values.get(name)?.type ?? "float32";
    const part = submodel(this.#run.model, nodes, id, typeOf);
    const expected = this.#run.read(id) as Tensor;
    const unit = ROUNDOFF[typeOf(id)] ?? UNIT_ROUNDOFF;
    const largest = new Float32Array(sizeOf(shape));
    let squares = 0;
    for (let round = 0; round < NOISE_RUNS; round++) {
      const feeds = Object.fromEntries(
        part.inputs.map((name) => [
          name,
          this.#disturbed(name, typeOf(name), cut.has(name), round),
        ]),
      );
      const { data } = await this.#run.part(part.bytes, feeds, id);
      for (let k = 0; k < data.length; k++) {
        const moved = Math.abs((data[k] as number) - (expected.data[k] as number));
        if (!Number.isFinite(moved)) continue;
        squares += moved * moved;
        if (moved > (largest[k] as number)) largest[k] = moved;
      }
    }
    const typical = Math.sqrt(squares / Math.max(1, NOISE_RUNS * largest.length));
    const step = this.#isQuantized(id) ? 1 : 0;
    return largest.map(
      (moved, k) =>
        NOISE_FACTOR * Math.max(moved, typical) +
        NOISE_ROUNDINGS * unit * Math.abs(expected.data[k] as number) +
        step,
    );
  }

  #disturbed(name: string, type: string, disturb: boolean, round: number): FeedSource {
    const { shape, data } = this.#run.read(name) as Tensor;
    const unit = ROUNDOFF[type];
    if (!disturb || unit === undefined) return { kind: "value", shape, data, type };
    const moved = data.map((value, k) => value * (1 + 2 * unit * sign(k, round)));
    return { kind: "value", shape, data: moved, type };
  }
}

/** 1 or −1, by a hash: the same at every run. */
function sign(position: number, round: number): number {
  let h = Math.imul(position + 1, 0x9e3779b9) ^ Math.imul(round + 1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
  return (h ^ (h >>> 13)) & 1 ? 1 : -1;
}
