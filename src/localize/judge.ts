import type { Architecture, Operation } from "../architecture/architecture.js";
import type { OperationKind } from "../architecture/attributes.js";
import {
  type ChannelFit,
  isSystematic,
  SIGNIFICANT_Z,
  SMALLEST_EFFECT,
} from "../compare/channel-fit.js";
import type { TapComparison } from "../compare/compare-tap.js";
import { JUDGE_LIMIT, judgeOf } from "../operators/evaluate.js";
import { familyOf } from "../operators/families.js";
import type { FunctionError } from "../operators/family.js";
import type {
  EmbeddedReference,
  KnownValues,
} from "../references/onnxruntime/embedded-reference.js";
import { indexOf, sizeOf, type Tensor } from "../tensor/tensor.js";

/** What decided, and what it decided. */
export interface Judgement {
  readonly verdict: "same" | "differs";
  readonly basis: "hard" | "judge";
  /** Whose value is wrong, where the verdict is `differs`. */
  readonly at: "port" | "reference";
  readonly note: string;
  /** What the definition in float64 says of some elements; `null` where it is too costly to work out. */
  readonly truth: Truth | null;
}

/** How many elements were worked out in float64, and on which side how many are off. */
export interface Truth {
  readonly judged: number;
  /** Elements in which that side is further from the float64 value than the trigger, and the other is not. */
  readonly portWrong: number;
  readonly referenceWrong: number;
}

/** Everything the judge may look at. Values are NCHW. */
export interface JudgeInput {
  readonly architecture: Architecture;
  readonly operation: Operation;
  /** The taps before this one, with the reference's values: what the port computed from. */
  readonly known: KnownValues;
  /** Taps at which bounds begin. */
  readonly cut: ReadonlySet<string>;
  readonly actual: Float32Array;
  readonly expected: Tensor;
  readonly trigger: Float32Array | null;
  readonly comparison: TapComparison;
  readonly weight: (name: string) => Float32Array;
  readonly functionError: (name: string) => FunctionError;
  /** Systematic gains below this are not looked at; default 0. For a reference that has its own way of rounding. */
  readonly smallestGain?: number;
}

/** Elements whose value in float64 is worked out: the worst ones, then some spread over the tap. */
const WORST = 24;
const SPREAD = 24;
/**
 * How many times the port's own typical error an element may be off before it is no longer one of
 * its rounding errors. Gaussian errors of 10⁸ elements stay below 6.
 */
const OUTLIER = 12;

/**
 * Decides on a tap whose error is more than what rounding makes of it by chance (DESIGN.md §6).
 *
 * Beyond the hard bound nothing is rounding. Between both bounds the definition in float64 says who
 * is right, and rounding must look like rounding: no systematic gain or offset of a channel, no
 * single element far out of the port's own distribution.
 */
export async function judge(reference: EmbeddedReference, input: JudgeInput): Promise<Judgement> {
  const hard = await hardBound(reference, input, input.functionError);
  const truth = judgeElements(input, hard);
  const decided = sentence(input, countBeyond(input, hard), truth);
  // Beyond the hard bound there is nothing to doubt.
  const doubt = decided.basis === "judge" && decided.at === "port";
  const coarse = doubt ? await coarseness(reference, input, hard) : null;
  return { ...decided, ...coarse, truth: truth ?? null };
}

/**
 * Fewest terms of a sum for {@link coarseness}: shorter ones have few roundings, and values of low
 * precision put them beyond the hard bound anyway.
 */
const LONG_SUM = 64;

/**
 * Tells a port whose values have a lower precision, such as bfloat16, from one that sums in an
 * unlucky order: in long sums both stay within the hard bound 2·K·u·Σ|t|, which all K roundings
 * reach only if each goes the same way. Independent ones, spread evenly over at most ±u·Σ|t|, come to
 * √(K/3)·u·Σ|t| in the root mean square, whatever the order: 1/√(12·K) of that bound. What functions
 * may be off by is taken from the errors first.
 */
async function coarseness(
  reference: EmbeddedReference,
  input: JudgeInput,
  hard: Float32Array | null,
): Promise<Pick<Judgement, "verdict" | "note"> | null> {
  const terms = longestSum(input);
  if (terms < LONG_SUM || hard === null) return null;
  const sums = await hardBound(reference, input, () => ({ ulp: 0, absolute: 0 }));
  if (sums === null) return null;
  const typical = typicalError(input, hard, sums);
  const times = Math.sqrt(12 * terms) * typical;
  if (!(times > 1)) return null;
  return {
    verdict: "differs",
    note: `errors are typically ${times.toPrecision(2)} times what independent roundings of ${terms} terms come to, in any order of summation: values or weights of a lower precision (bfloat16, float16)?`,
  };
}

/** Root mean square over the tap of what the sums are off by, ÷ their hard bound. */
function typicalError(
  { actual, expected }: JudgeInput,
  hard: Float32Array,
  sums: Float32Array,
): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < actual.length; i++) {
    const [limit, whole] = [sums[i] as number, hard[i] as number];
    if (!(limit > 0)) continue;
    const error = Math.abs((actual[i] as number) - (expected.data[i] as number)) - (whole - limit);
    if (error > 0) sum += (error / limit) ** 2;
    count += 1;
  }
  return Math.sqrt(sum / Math.max(count, 1));
}

/** Most products that are summed on the way to this tap. */
function longestSum({ architecture, operation, known }: JudgeInput): number {
  const operations = new Map(architecture.operations.map((one) => [one.id, one]));
  const kernels = new Map(architecture.weights.map(({ name, shape }) => [name, shape]));
  const shapeOf = (id: string) => known.get(id)?.shape ?? operations.get(id)?.shape ?? [];
  const terms = between(architecture, operation, known).map((id) => {
    const one = operations.get(id);
    const costsPerTerm = one === undefined ? undefined : COSTS_PER_TERM[one.kind];
    if (one !== undefined && costsPerTerm !== undefined) {
      return familyOf(one.kind).cost(one as never, one.inputs.map(shapeOf)) / costsPerTerm;
    }
    const shape = kernels.get(one?.weights["kernel"] ?? "");
    return shape === undefined ? 0 : sizeOf(shape) / (shape[0] ?? 1);
  });
  return Math.max(0, ...terms);
}

/** Kinds whose kernel may be another step, or lies with its outputs last: their cost tells the terms. */
const COSTS_PER_TERM: Readonly<Partial<Record<OperationKind, number>>> = {
  contract: 2,
  "conv-nd": 1,
  "conv-transpose-nd": 1,
};

/** @param beyond - number of elements beyond the hard bound */
function sentence(
  input: JudgeInput,
  beyond: number,
  truth: Truth | undefined,
): Omit<Judgement, "truth"> {
  const { comparison } = input;
  if (truth !== undefined && truth.referenceWrong > truth.portWrong) {
    return {
      verdict: "differs",
      basis: "judge",
      at: "reference",
      note: `the float64 definition gives the port right and the reference wrong in ${truth.referenceWrong} of ${truth.judged} elements looked at`,
    };
  }
  if (beyond > 0) {
    const of = `${beyond} of ${input.actual.length} elements`;
    return {
      verdict: "differs",
      basis: "hard",
      at: "port",
      note: `${of} are beyond what rounding can do in any order of summation`,
    };
  }
  const { fit, side, metrics } = comparison;
  if (fit !== null && isSystematic(fit, input.smallestGain ?? 0)) {
    return { verdict: "differs", basis: "judge", at: "port", note: describeFit(fit) };
  }
  if (fit?.significant && metrics.overBound === 0) {
    return {
      verdict: "same",
      basis: "judge",
      at: "port",
      note: "channels are systematically off, within the bound and by less than a library owes to its way of writing the formula",
    };
  }
  if (truth === undefined) {
    return {
      verdict: "differs",
      basis: "judge",
      at: "port",
      note: "more than rounding makes of it by chance; too costly to work out in float64",
    };
  }
  const ratio = metrics.ratio ?? Number.POSITIVE_INFINITY;
  if (ratio > OUTLIER * side.ratioRms) {
    return {
      verdict: "differs",
      basis: "judge",
      at: "port",
      note: `one element is ${(ratio / side.ratioRms).toFixed(0)} times the typical error of this tap`,
    };
  }
  if (truth.portWrong === 0) {
    return {
      verdict: "same",
      basis: "judge",
      at: "port",
      note: `within the bound of the float64 value in all ${truth.judged} elements looked at`,
    };
  }
  return {
    verdict: "same",
    basis: "judge",
    at: "port",
    note: "an unlucky order of summation: errors are larger than by chance, but within the hard bound and not systematic",
  };
}

async function hardBound(
  reference: EmbeddedReference,
  input: JudgeInput,
  functionError: JudgeInput["functionError"],
): Promise<Float32Array | null> {
  const { operation, architecture, cut } = input;
  const name = "hard";
  const { values } = await reference.compute(
    {
      operations: between(architecture, operation, input.known),
      outputs: [{ tap: operation.id, name: "value" }],
      bounds: {
        mode: "hard",
        cut,
        functionError,
        outputs: [{ tap: operation.id, name }],
      },
    },
    input.known,
  );
  return values.get(name)?.data ?? null;
}

/** The operations between the known values and this one. */
export function between(
  architecture: Architecture,
  operation: Operation,
  known: { readonly has: (id: string) => boolean },
): string[] {
  const wanted = new Set([operation.id]);
  const ids: string[] = [];
  for (const one of architecture.operations.toReversed()) {
    if (!wanted.has(one.id)) continue;
    ids.push(one.id);
    for (const id of one.inputs) if (!known.has(id)) wanted.add(id);
  }
  return ids.reverse();
}

function countBeyond({ actual, expected }: JudgeInput, hard: Float32Array | null): number {
  let beyond = 0;
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i] as number, expected.data[i] as number];
    if (Object.is(a, e) || a === e) continue;
    if (!(Math.abs(a - e) <= (hard?.[i] ?? 0))) beyond += 1;
  }
  return beyond;
}

function judgeElements(input: JudgeInput, hard: Float32Array | null): Truth | undefined {
  let [judged, portWrong, referenceWrong] = [0, 0, 0];
  const exactly = judgeOf({
    architecture: input.architecture,
    known: (id) => (id === input.operation.id ? undefined : input.known.get(id)),
    weights: input.weight,
    limit: JUDGE_LIMIT,
  });
  for (const position of positions(input)) {
    const exact = exactly(input.operation.id, indexOf(position, input.expected.shape));
    if (exact === undefined) return undefined;
    judged += 1;
    const [a, e] = [input.actual[position] as number, input.expected.data[position] as number];
    const limit = input.trigger?.[position] ?? 0;
    const portOff = !(Math.abs(a - exact) <= limit) && a !== exact;
    const referenceOff =
      !(Math.abs(e - exact) <= Math.max(limit, hard?.[position] ?? 0)) && e !== exact;
    if (portOff) portWrong += 1;
    if (referenceOff && !portOff) referenceWrong += 1;
  }
  return { judged, portWrong, referenceWrong };
}

/** The elements with the largest ratios, and some at regular distances. */
function positions({ actual, expected, trigger }: JudgeInput): number[] {
  const worst: { at: number; ratio: number }[] = [];
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i] as number, expected.data[i] as number];
    const error = Object.is(a, e) ? 0 : Math.abs(a - e);
    // NaN or an infinity on one side only is as far off as can be.
    const ratio =
      error === 0
        ? 0
        : Number.isFinite(error)
          ? error / (trigger?.[i] ?? 0)
          : Number.POSITIVE_INFINITY;
    if (!(ratio > (worst.at(-1)?.ratio ?? 0)) && worst.length >= WORST) continue;
    if (ratio > 0) {
      worst.push({ at: i, ratio });
      worst.sort((a, b) => b.ratio - a.ratio);
      worst.length = Math.min(worst.length, WORST);
    }
  }
  const step = Math.max(1, Math.floor(actual.length / SPREAD) | 1);
  const spread = Array.from(
    { length: Math.min(SPREAD, Math.ceil(actual.length / step)) },
    (_, k) => k * step,
  );
  return [...new Set([...worst.map(({ at }) => at), ...spread])];
}

/** What a fit over whole channels found, for people. */
function describeFit({ worst, common }: ChannelFit): string {
  const line = worst[0];
  const side = (which: "all" | "negative") => (which === "negative" ? " of negative values" : "");
  const strong = line !== undefined && line.effect >= SMALLEST_EFFECT && line.z >= SIGNIFICANT_Z;
  if (strong || common === null) {
    if (line === undefined) return "a systematic error hides inside the rounding";
    const where = line.channel < 0 ? "the whole tap" : `channel ${line.channel}`;
    return (
      `${where} is systematically off: gain${side(line.side)} ${(1 + line.gain).toPrecision(7)}, ` +
      `offset ${line.offset.toPrecision(3)} (${line.z.toFixed(0)} standard errors over ${line.nEff} values)`
    );
  }
  return `all channels share a gain${side(common.side)} of ${(1 + common.gain).toPrecision(8)} (${Math.abs(common.z).toFixed(0)} standard errors)`;
}
