import { Ancestry } from "../../architecture/ancestry.js";
import type { Architecture, Operation } from "../../architecture/architecture.js";
import { submodel } from "../../formats/onnx/submodel.js";
import { UNIT_ROUNDOFF } from "../../operators/family.js";
import { operatorErrors } from "../../runtime/function-errors.js";
import { readExactly, writeExactly } from "../../runtime/scratch-file.js";
import { sizeOf, type Tensor, tensor } from "../../tensor/tensor.js";
import type { PlannedTap } from "../tap-plan.js";
import {
  EmbeddedReference,
  type FunctionErrors,
  type KnownValues,
  type StepRequest,
  type StepValue,
} from "./embedded-reference.js";
import type { OnnxModelRun } from "./onnx-model-run.js";
import type { OnnxRuntimeProcess } from "./onnxruntime-process.js";
import type { PreparedTaps, TapRequest } from "./prepare-taps.js";
import type { FeedSource } from "./protocol.js";

type PlanRequest = Omit<TapRequest, "architecture">;

/** How a tap's tolerance comes about. */
type Basis = "exact" | "derived" | "noise";

/** Some nodes of the model, which run without the others. */
interface NodesAlone {
  /** u of the coarsest type among their values. */
  readonly unit: number;
  /** What they give; in rounds above 0 every known number moved by a rounding error. */
  readonly run: (round: number) => Promise<Tensor>;
}

/** Runs with disturbed inputs, and how many times what they show a port may be off. */
const NOISE_RUNS = 3;
const NOISE_FACTOR = 10;
/** A port's own rounding of the result, in units of u. */
const NOISE_ROUNDINGS = 16;

/** u of the types that values are computed in. */
const ROUNDOFF: Readonly<Record<string, number>> = {
  bfloat16: 2 ** -8,
  float16: 2 ** -11,
  float32: UNIT_ROUNDOFF,
};

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
  /** Parts of nodes that are taps, and where their values lie once they were computed. */
  readonly #parts = new Map<
    string,
    { readonly shape: readonly number[]; readonly offset: number }
  >();
  readonly #doubtful = new Set<string>();
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

  override isDoubtful(id: string): boolean {
    return this.#doubtful.has(id);
  }

  override isOwn(id: string): boolean {
    return !this.#isPart(id);
  }

  /** A value of the model: what its own nodes make of the known values, which may be another runtime's. */
  override async step(request: StepRequest, known: KnownValues): Promise<StepValue> {
    const { id, between, functionError } = request;
    if (this.#isPart(id)) return await super.step(request, known);
    const part = this.#partFor(id, between, known);
    const value = await part.run(0);
    const unknown = this.#unknownIn(between);
    const basis = functionError === null ? "exact" : this.#basis(id, between);
    if (basis === "exact") return { value, bound: null, unknown };
    if (basis === "derived") {
      const derived = await super.step(request, known);
      const bound = derived.bound ?? new Float32Array(value.data.length);
      if (agrees(derived.value.data, value.data, bound)) return { value, bound, unknown };
      this.#doubtful.add(id);
    }
    const { kind } = this.#ancestry.operations.get(id) as Operation;
    return { value, bound: await this.#noise(id, part, value), unknown: unknown ?? kind };
  }

  #unknownIn(ids: readonly string[]): string | null {
    const operations = ids.map((id) => this.#ancestry.operations.get(id) as Operation);
    const found = operations.find(({ kind }) => kind === "opaque");
    return found === undefined ? null : (found.attributes as { operator: string }).operator;
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
      if (this.#isPart(planned.id)) await this.#recordPart(planned);
      else if (planned.boundOffset !== undefined) {
        const bound = await this.#bound(planned);
        writeExactly(this.#process.scratch.fd, bound, planned.boundOffset);
      }
      onReady(index);
    }
  }

  /** A part of a node is no value of the model: it is computed from those before it, as any lowered layer. */
  async #recordPart(planned: PlannedTap): Promise<void> {
    const { fd } = this.#process.scratch;
    const { value, bound } = await this.#lowered(planned);
    writeExactly(fd, value.data, planned.offset);
    if (planned.boundOffset !== undefined) writeExactly(fd, bound, planned.boundOffset);
  }

  #isPart(id: string): boolean {
    return !this.#run.values.has(id);
  }

  override async optimized(outputs: readonly string[]): Promise<ReadonlyMap<string, Tensor>> {
    const optimized = await this.#run.optimized(outputs);
    if (![...this.#run.values.keys()].some((id) => this.#isQuantized(id))) return optimized;
    let furthest = optimized;
    for (let round = 0; round < NOISE_RUNS; round++) {
      const disturbed = await this.#run.of(this.#disturbedInputs(round), outputs);
      furthest = new Map(outputs.map((id) => [id, this.#further(id, furthest, disturbed)]));
    }
    return furthest;
  }

  /** Inputs moved by a rounding error each: what lies on a half is rounded the other way, as another port may do. */
  #disturbedInputs(round: number): ReadonlyMap<string, Tensor> {
    return new Map(
      this.#architecture.inputs.map(({ name, type = "float" }) => {
        const value = this.#run.read(name) as Tensor;
        return [name, type === "float" ? moved(value, UNIT_ROUNDOFF, round) : value];
      }),
    );
  }

  /** Of two values of an output, the one that is further from the reference's. */
  #further(
    id: string,
    one: ReadonlyMap<string, Tensor>,
    other: ReadonlyMap<string, Tensor>,
  ): Tensor {
    const expected = (this.#run.read(id) as Tensor).data;
    const distance = ({ data }: Tensor) =>
      data.reduce((most, v, k) => Math.max(most, Math.abs(v - (expected[k] as number))), 0);
    const [a, b] = [one.get(id) as Tensor, other.get(id) as Tensor];
    return distance(b) > distance(a) ? b : a;
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
      offset: this.#offset(operation),
      boundOffset: bounded ? scratch.allocate(4 * sizeOf(shape)) : undefined,
      frontier,
      output: this.#architecture.outputs.includes(id),
      negativeSide: negativeSide(operation),
    };
  }

  /** Where the values of a tap lie, or (of a part) will lie. */
  #offset({ id, shape }: Operation): number {
    const value = this.#run.values.get(id);
    if (value === undefined) {
      const offset = this.#process.scratch.allocate(4 * sizeOf(shape));
      this.#parts.set(id, { shape, offset });
      return offset;
    }
    if (value.offset !== null) return value.offset;
    throw new RangeError(`${id} holds no numbers`);
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
    return whole && !this.#isQuantized(id) ? "exact" : "derived";
  }

  #isQuantized(id: string): boolean {
    return /^u?int(8|16)$/.test(this.#run.values.get(id)?.type ?? "");
  }

  async #bound(planned: PlannedTap): Promise<Float32Array> {
    if (this.#bases.get(planned.id) !== "noise") {
      const derived = await this.#derived(planned);
      if (derived !== null) return derived;
      this.#doubtful.add(planned.id);
    }
    const { id, frontier } = planned;
    const known = this.#known(frontier);
    const { between } = this.#ancestry.back(id, new Set(known.keys()));
    const part = this.#partFor(id, between, known);
    return await this.#noise(id, part, this.#run.read(id) as Tensor);
  }

  /** The bound of a known step; `null` where the step as we know it does not give the runtime's values. */
  async #derived(planned: PlannedTap): Promise<Float32Array | null> {
    const { value, bound } = await this.#lowered(planned);
    const expected = this.#run.read(planned.id) as Tensor;
    return agrees(value.data, expected.data, bound) ? bound : null;
  }

  /** A known step, lowered: its value from those before it, and its bound (zeros where none is asked for). */
  async #lowered({
    id,
    shape,
    frontier,
    boundOffset,
  }: PlannedTap): Promise<{ readonly value: Tensor; readonly bound: Float32Array }> {
    const { functionError } = this.#request as PlanRequest;
    const known = this.#known(frontier);
    const { between } = this.#ancestry.back(id, new Set(known.keys()));
    const wanted = boundOffset === undefined ? null : functionError;
    const { value, bound } = await super.step({ id, between, functionError: wanted }, known);
    return { value, bound: bound ?? new Float32Array(sizeOf(shape)) };
  }

  /** A value of the run, or of a part that was computed before. */
  #read(name: string): Tensor | undefined {
    const part = this.#parts.get(name);
    if (part === undefined) return this.#run.read(name);
    const data = new Float32Array(sizeOf(part.shape));
    readExactly(this.#process.scratch.fd, data, part.offset);
    return tensor(part.shape, data);
  }

  #known(frontier: readonly string[]): Map<string, Tensor> {
    const names = [...frontier, ...this.#architecture.inputs.map(({ name }) => name)];
    return new Map(
      names.flatMap((name) => {
        const value = this.#read(name);
        return value === undefined ? [] : [[name, value] as const];
      }),
    );
  }

  /** The nodes of a step as a model of its own, given the known values and, of the rest, those of the run. */
  #partFor(id: string, between: readonly string[], known: KnownValues): NodesAlone {
    const layers = between.map((one) => (this.#ancestry.operations.get(one) as Operation).layer);
    const { bytes, inputs } = submodel(this.#run.model, new Set(layers), id, (name) =>
      this.#typeOf(name),
    );
    const unit = this.#coarsest([...between, ...inputs]);
    const feed = (name: string, round: number): FeedSource =>
      this.#disturbed(
        name,
        known.get(name) ?? (this.#run.read(name) as Tensor),
        round > 0 && known.has(name) ? unit : 0,
        round - 1,
      );
    return {
      unit,
      run: (round) => {
        const feeds = Object.fromEntries(inputs.map((name) => [name, feed(name, round)]));
        return this.#run.part(bytes, feeds, id);
      },
    };
  }

  /** How far the step's result moves when every number it reads moves by one rounding error, up or down. */
  async #noise(id: string, { unit, run }: NodesAlone, expected: Tensor): Promise<Float32Array> {
    const noise = new MeasuredNoise(sizeOf(expected.shape));
    for (let round = 1; round <= NOISE_RUNS; round++) {
      noise.add((await run(round)).data, expected.data);
    }
    return noise.bound(expected.data, unit, this.#isQuantized(id) ? 1 : 0);
  }

  #typeOf(name: string): string {
    return this.#run.values.get(name)?.type ?? "float32";
  }

  /** The largest u among the types of some values: what passes through half precision is rounded to it. */
  #coarsest(names: readonly string[]): number {
    return Math.max(UNIT_ROUNDOFF, ...names.map((name) => ROUNDOFF[this.#typeOf(name)] ?? 0));
  }

  #disturbed(name: string, value: Tensor, unit: number, round: number): FeedSource {
    const type = this.#typeOf(name);
    const { shape, data } = ROUNDOFF[type] === undefined ? value : moved(value, unit, round);
    return { kind: "value", shape, data, type };
  }
}

/** What some runs on disturbed numbers moved. */
class MeasuredNoise {
  readonly #largest: Float32Array;
  #squares = 0;
  #runs = 0;

  constructor(size: number) {
    this.#largest = new Float32Array(size);
  }

  add(disturbed: Float32Array, expected: Float32Array): void {
    this.#runs += 1;
    for (let k = 0; k < this.#largest.length; k++) {
      const moved = Math.abs((disturbed[k] as number) - (expected[k] as number));
      if (!Number.isFinite(moved)) continue;
      this.#squares += moved * moved;
      if (moved > (this.#largest[k] as number)) this.#largest[k] = moved;
    }
  }

  /** The tolerance of each element: what was seen there or is typical, and a port's own rounding of the result. */
  bound(expected: Float32Array, unit: number, step: number): Float32Array {
    const typical = Math.sqrt(this.#squares / Math.max(1, this.#runs * this.#largest.length));
    return this.#largest.map((moved, k) => {
      const own = NOISE_ROUNDINGS * unit * Math.abs(expected[k] as number);
      return NOISE_FACTOR * Math.max(moved, typical) + own + step;
    });
  }
}

/** How many times their bound two right ways to compute a step may lie apart: sums in an unlucky order do. */
const UNLUCKY = 64;

/** Whether two results of one step differ by no more than rounding; what is NaN in both is no difference. */
function agrees(own: Float32Array, expected: Float32Array, bound: Float32Array): boolean {
  return expected.every((value, k) => {
    const other = own[k] as number;
    if (Object.is(value, other) || (Number.isNaN(value) && Number.isNaN(other))) return true;
    return value === other || Math.abs(value - other) <= UNLUCKY * (bound[k] as number);
  });
}

/** Each number up or down by one rounding error of that unit. */
function moved({ shape, data }: Tensor, unit: number, round: number): Tensor {
  return tensor(
    shape,
    data.map((value, k) => value * (1 + 2 * unit * sign(k, round))),
  );
}

/** 1 or −1, by a hash: the same at every run. */
function sign(position: number, round: number): number {
  let h = Math.imul(position + 1, 0x9e3779b9) ^ Math.imul(round + 1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
  return (h ^ (h >>> 13)) & 1 ? 1 : -1;
}
