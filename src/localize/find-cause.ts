import type { Architecture, Operation } from "../architecture/architecture.js";
import type { OperationKind } from "../architecture/attributes.js";
import { familyOf } from "../operators/families.js";
import type {
  EmbeddedReference,
  KnownValues,
} from "../references/onnxruntime/embedded-reference.js";
import { sizeOf, type Tensor } from "../tensor/tensor.js";
import { between } from "./judge.js";
import { activationMistakes } from "./mistakes/activation.js";
import { binaryMistakes, reduceMistakes } from "./mistakes/arithmetic.js";
import { batchNormMistakes } from "./mistakes/batch-norm.js";
import { contractMistakes } from "./mistakes/contract.js";
import { convMistakes } from "./mistakes/conv.js";
import { denseMistakes } from "./mistakes/dense.js";
import { elementwiseMistakes } from "./mistakes/epsilon.js";
import type { Mistake, Mistakes, Suspect } from "./mistakes/mistake.js";
import { weightMistakes } from "./mistakes/recurrent.js";
import {
  concatMistakes,
  headMistakes,
  mergeMistakes,
  poolMistakes,
  reorgMistakes,
  resizeMistakes,
  sliceMistakes,
  softmaxMistakes,
  upsampleMistakes,
  wrongInput,
} from "./mistakes/structure.js";
import { rearranged } from "./mistakes/values.js";

/** Who thinks of mistakes, by the kind of the operation: one explicit list. */
const MISTAKES: { readonly [K in OperationKind]?: Mistakes<K> } = {
  activation: activationMistakes,
  "batch-norm": batchNormMistakes,
  binary: binaryMistakes,
  contract: contractMistakes,
  conv: convMistakes,
  concat: concatMistakes,
  dense: denseMistakes,
  elementwise: elementwiseMistakes,
  head: headMistakes,
  merge: mergeMistakes,
  pool: poolMistakes,
  reduce: reduceMistakes,
  reorg: reorgMistakes,
  resize: resizeMistakes,
  slice: sliceMistakes,
  softmax: softmaxMistakes,
  upsample: upsampleMistakes,
  weight: weightMistakes,
};

/** A faulty tap and everything it was computed from. Values are NCHW. */
export interface CauseInput {
  readonly architecture: Architecture;
  readonly operation: Operation;
  /** The taps before, with the reference's values. */
  readonly known: KnownValues;
  readonly actual: Float32Array;
  readonly expected: Tensor;
  /** Bound of each element, `null` where the value is exact. */
  readonly bound: Float32Array | null;
  readonly weight: (name: string) => Tensor;
  readonly isTap: (id: string) => boolean;
  /** Values of every other tap, for "reads another layer". */
  readonly valueOf: (id: string) => Tensor | undefined;
}

/** Multiplications (about) that the search for one fault may cost: some seconds. Never a time: the same run must find the same. */
const FAULT_WORK = 5e10;
/** What all searches of a run may cost together: where every layer is wrong, the first ones tell why. */
const RUN_WORK = 2e11;
/** What trying a mistake costs whatever the size of the layer: a graph is made and loaded. */
const TRIAL_WORK = 2e8;
/** A cause must make the difference vanish: what is left may be this part of it, by root mean square … */
const REST = 0.01;
/** … or, where the fault is hardly larger than rounding, this part of the bound, which is what rounding leaves … */
const ROUNDING_REST = 0.25;
/** … but never more than this part of the difference. */
const MOST_REST = 0.3;
/** Layers whose values are tried in place of a right input: the nearest ones. */
const NEIGHBOURS = 12;

/** What the searches of one run may still cost. */
export class CauseBudget {
  left: number = RUN_WORK;
}

/**
 * Tries what porters get wrong: each mistake is an edit of the layer, run in the reference on the
 * same inputs. The edit that gives what the *port* gave is the cause; when none does, it is unknown.
 */
export async function findCause(
  reference: EmbeddedReference,
  input: CauseInput,
  budget: CauseBudget,
): Promise<string | null> {
  if (budget.left <= 0) return null;
  const scale = input.expected.data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const floor = 1e-5 * scale;
  const close = (a: number, e: number, at: number) =>
    Math.abs(a - e) <= Math.max(4 * (input.bound?.[at] ?? 0), input.bound === null ? floor : 0);
  const moved = rearranged(input.actual, input.expected, close);
  const before = differenceBefore(input);
  const limit = Math.min(MOST_REST, Math.max(REST, (ROUNDING_REST * rmsOfBound(input)) / before));
  let best = undefined as { readonly cause: string; readonly rest: number } | undefined;
  const parts = between(input.architecture, input.operation, input.known);
  const values = await innerValues(reference, input, parts);
  const trial = TRIAL_WORK + workOf(input, parts);
  let left = Math.min(FAULT_WORK, budget.left);
  /** What the mistake gives, held against the port's value; `undefined` also when the budget is spent. */
  let place = "";
  const attempt = async (mistake: Mistake): Promise<Float32Array | undefined> => {
    if (left < trial) return undefined;
    left -= trial;
    budget.left -= trial;
    const value = mistake.value ?? (await tryMistake(reference, input, mistake))?.data;
    const rest = value === undefined ? Number.POSITIVE_INFINITY : rms(input.actual, value) / before;
    if (rest < (best?.rest ?? limit)) best = { cause: place + mistake.cause, rest };
    return value;
  };
  for (const id of parts.toReversed()) {
    place = elsewhere(input, id);
    for (const mistake of mistakesIn(input, id, values)) {
      if (mistake.search === undefined) await attempt(mistake);
      else await searchValue(input, mistake.search, attempt);
    }
    if (best !== undefined) break;
  }
  if (best === undefined) return moved ?? null;
  return best.cause;
}

/** The step's name where it belongs to another layer than the tap: a layer that the port does not tap. */
function elsewhere({ architecture, operation }: CauseInput, id: string): string {
  const step = architecture.operations.find((one) => one.id === id);
  return step === undefined || step.layer === operation.layer ? "" : `${id}: `;
}

/** Steps of the search for a number; each is some ten times closer where the response is smooth. */
const SEARCH_STEPS = 4;

/**
 * Finds a number inside a step that is not tapped itself: the tap's response to a change of it is
 * nearly linear, so the port's value tells how far to go.
 */
async function searchValue(
  { actual, expected }: CauseInput,
  { expected: from, value: start, of }: NonNullable<Mistake["search"]>,
  attempt: (mistake: Mistake) => Promise<Float32Array | undefined>,
): Promise<void> {
  let value = start;
  for (let step = 0; step < SEARCH_STEPS; step++) {
    const response = await attempt(of(value));
    if (response === undefined) return;
    let [along, square] = [0, 0];
    for (let i = 0; i < response.length; i++) {
      const e = expected.data[i] as number;
      const r = (response[i] as number) - e;
      along += r * ((actual[i] as number) - e);
      square += r * r;
    }
    const next = Number((from + ((value - from) * along) / square).toPrecision(4));
    if (!Number.isFinite(next) || next === value || next === from) return;
    value = next;
  }
}

/** Multiplications (about) to compute some operations once. */
function workOf({ architecture }: CauseInput, ids: readonly string[]): number {
  const shapes = new Map([
    ...architecture.inputs.map(({ name, shape }) => [name, shape] as const),
    ...architecture.operations.map(({ id, shape }) => [id, shape] as const),
  ]);
  return architecture.operations
    .filter(({ id }) => ids.includes(id))
    .reduce((sum, operation) => {
      const inputs = operation.inputs.map((id) => shapes.get(id) ?? []);
      return (
        sum + sizeOf(operation.shape) * familyOf(operation.kind).cost(operation as never, inputs)
      );
    }, 0);
}

/** The reference's values of the steps between the known taps and the faulty one. */
async function innerValues(
  reference: EmbeddedReference,
  input: CauseInput,
  parts: readonly string[],
): Promise<ReadonlyMap<string, Tensor>> {
  const inner = parts.filter((id) => id !== input.operation.id);
  const values = new Map<string, Tensor>([[input.operation.id, input.expected]]);
  if (inner.length === 0) return values;
  const computed = await reference.compute(
    { operations: parts, outputs: inner.map((id) => ({ tap: id, name: `inner:${id}` })) },
    input.known,
  );
  for (const id of inner) {
    const value = computed.values.get(`inner:${id}`);
    if (value !== undefined) values.set(id, value);
  }
  return values;
}

/** Inside an unrolled layer: a mistake there is made in every step, which no edit of one of them explains. */
const STEP_IN_TIME = /(^|\/)(step|time)_\d+\//;

function mistakesIn(input: CauseInput, id: string, values: ReadonlyMap<string, Tensor>): Mistake[] {
  const { architecture } = input;
  const operation = architecture.operations.find((one) => one.id === id);
  const expected = values.get(id);
  if (operation === undefined || expected === undefined || STEP_IN_TIME.test(id)) return [];
  const valueOfTap = (name: string) =>
    input.known.get(name) ?? values.get(name) ?? input.valueOf(name);
  const inputs = operation.inputs.map(valueOfTap).filter((value) => value !== undefined);
  const suspect = {
    operation,
    architecture,
    expected,
    inputs,
    actual: actualOf(input, id),
    weight: (role: string) => input.weight(operation.weights[role] ?? ""),
    weightNamed: input.weight,
    faultyChannels: operation.shape[1] === input.expected.shape[1] ? faultyChannels(input) : [],
  } as unknown as Suspect;
  const think = MISTAKES[operation.kind] as Mistakes<OperationKind> | undefined;
  const at = architecture.operations.indexOf(operation);
  const shapeOf = (name: string) => valueOfTap(name)?.shape ?? [];
  const shapes = new Set(operation.inputs.map((name) => `${shapeOf(name)}`));
  const others = architecture.operations
    .slice(0, at)
    .filter((one) => shapes.has(`${one.shape}`) && input.isTap(one.id))
    .slice(-NEIGHBOURS);
  return [...(think?.(suspect) ?? []), ...wrongInput(operation, others, shapeOf)];
}

/** The port's value of a step: its tap, or, where a leaky follows, what it must have been before. */
function actualOf(input: CauseInput, id: string): Float32Array | undefined {
  if (id === input.operation.id) return input.actual;
  const { operation } = input;
  if (operation.kind !== "activation" || operation.inputs[0] !== id) return undefined;
  const { function: name, parameters } = operation.attributes;
  const slope = name === "leaky" ? parameters["slope"] : undefined;
  return slope === undefined ? undefined : input.actual.map((y) => (y < 0 ? y / slope : y));
}

/** The faulty tap's value as the reference gives it with the mistake; `undefined` when it cannot be run so. */
async function tryMistake(
  reference: EmbeddedReference,
  input: CauseInput,
  { operation, operations = operation === undefined ? [] : [operation], weights, shapes }: Mistake,
): Promise<Tensor | undefined> {
  if (operation !== undefined && !fits(input, operation)) return undefined;
  const architecture = {
    ...input.architecture,
    operations: edited(input.architecture.operations, operations),
    weights: input.architecture.weights.map((spec) => ({
      ...spec,
      shape: shapes?.[spec.name] ?? spec.shape,
    })),
  };
  const known = new Map(input.known);
  const parts = between(architecture, input.operation, known);
  for (const id of operations.flatMap(({ inputs }) => inputs)) {
    const value = known.get(id) ?? input.valueOf(id);
    if (value !== undefined && !parts.includes(id)) known.set(id, value);
  }
  try {
    const { values } = await reference.compute(
      {
        operations: between(architecture, input.operation, known),
        outputs: [{ tap: input.operation.id, name: "tried" }],
      },
      known,
      { architecture, ...(weights === undefined ? {} : { overrides: weights }) },
    );
    const value = values.get("tried");
    return `${value?.shape}` === `${input.expected.shape}` ? value : undefined;
  } catch {
    // A mistake that the runtime refuses is none that a port can make: it would not have run either.
    return undefined;
  }
}

/** The operations with some replaced by their ids; new ones stand in front of the next that is replaced. */
function edited(originals: readonly Operation[], changes: readonly Operation[]): Operation[] {
  const ids = new Set(originals.map(({ id }) => id));
  const instead = new Map<string, Operation[]>();
  let added: Operation[] = [];
  for (const change of changes) {
    added.push(change);
    if (!ids.has(change.id)) continue;
    instead.set(change.id, added);
    added = [];
  }
  return originals.flatMap((one) => instead.get(one.id) ?? [one]);
}

function fits(input: CauseInput, edited: Operation): boolean {
  const shapes = edited.inputs.map(
    (id) =>
      input.known.get(id)?.shape ??
      input.valueOf(id)?.shape ??
      input.architecture.operations.find((one) => one.id === id)?.shape,
  );
  if (shapes.some((shape) => shape === undefined)) return false;
  try {
    const shape = familyOf(edited.kind).shape(edited.attributes as never, shapes as number[][]);
    return `${shape}` === `${edited.shape}`;
  } catch {
    return false;
  }
}

/** Channels with an element beyond its bound. */
function faultyChannels({ actual, expected, bound }: CauseInput): number[] {
  const channels = expected.shape[1] ?? 1;
  const inner = expected.shape.slice(2).reduce((a, b) => a * b, 1);
  const faulty = new Set<number>();
  for (let i = 0; i < actual.length; i++) {
    const channel = Math.floor(i / inner) % channels;
    if (faulty.has(channel)) continue;
    const error = Math.abs((actual[i] as number) - (expected.data[i] as number));
    if (!(error <= (bound?.[i] ?? 0))) faulty.add(channel);
  }
  return [...faulty].sort((a, b) => a - b);
}

/** Infinite where only one side is a number; values that are none on both sides are equal. */
function rms(actual: Float32Array, other: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < actual.length; i++) {
    const [a, o] = [actual[i] as number, other[i] as number];
    if (a === o || (Number.isNaN(a) && Number.isNaN(o))) continue;
    sum += (a - o) * (a - o);
  }
  return Number.isNaN(sum) ? Number.POSITIVE_INFINITY : Math.sqrt(sum / Math.max(actual.length, 1));
}

/** The difference to be explained; where it is infinite, all of the expected value is. */
function differenceBefore({ actual, expected }: CauseInput): number {
  const difference = rms(actual, expected.data);
  if (Number.isFinite(difference) && difference > 0) return difference;
  return rms(new Float32Array(expected.data.length), expected.data) || 1;
}

function rmsOfBound({ bound }: CauseInput): number {
  return bound === null ? 0 : rms(new Float32Array(bound.length), bound);
}
