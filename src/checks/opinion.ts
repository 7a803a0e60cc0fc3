import type { Architecture, Operation } from "../architecture/architecture.js";
import { isSystematic, LIBRARY_GAIN } from "../compare/channel-fit.js";
import { compareTap, type TapComparison } from "../compare/compare-tap.js";
import { type Judgement, judge } from "../localize/judge.js";
import type { FunctionError } from "../operators/family.js";
import type { EmbeddedReference } from "../references/onnxruntime/embedded-reference.js";
import type { TraceReference, TraceStep } from "../references/trace-reference.js";
import { functionErrorOf } from "../runtime/function-errors.js";
import { indexOf, type Tensor } from "../tensor/tensor.js";
import { EMBEDDED } from "./embedded.js";
import { jsonNumber } from "./result.js";
import { format } from "./tap-records.js";
import { hasNegativeSide } from "./tap-verdict.js";

/**
 * A library compiled for speed computes its functions less exactly than a port does: AlexeyAB's mish is off by 5e-7,
 * both libraries sum in an order of their own.
 */
const LIBRARY_ERROR: FunctionError = { ulp: 16, absolute: 1e-6 };

/** What one reference says of one tap, held against the embedded one on the same values. */
export interface Opinion {
  /** As it was asked for. */
  readonly reference: string;
  readonly agrees: boolean;
  /** Its values less those of the embedded reference; empty where they agree. */
  readonly deviation: Float32Array;
  /** Whose value the definition in float64 does not confirm; `null` where they agree, or it was too costly to ask. */
  readonly suspect: "itself" | "embedded" | null;
  /** What was seen, for people. */
  readonly evidence: string;
}

/** What is needed to form an opinion. */
export interface OpinionContext {
  readonly architecture: Architecture;
  readonly embedded: EmbeddedReference;
  /** Values of a weight. */
  readonly weight: (name: string) => Float32Array;
}

/**
 * Holds a trace's value of a tap against what the embedded reference makes of the trace's own values before it.
 *
 * Where a value before it is wrong already, the library may have gone on with it or not (a recording in which one
 * layer was changed): either way this tap is right. A tap that is wrong gets the value that it should have had.
 */
export async function opinionOf(
  context: OpinionContext,
  steps: TraceReference,
  operation: Operation,
  value: Tensor,
): Promise<Opinion> {
  const { name } = steps.trace;
  const recorded = await heldAgainst(context, steps, operation, value, "recorded");
  if (recorded === null) return agreement(name);
  let found = recorded;
  if (steps.readsMended(operation.id)) {
    const mended = await heldAgainst(context, steps, operation, value, "mended");
    if (mended === null) return agreement(name);
    found = mended;
  }
  steps.mend(operation.id, found.step.value);
  const { judgement, step } = found;
  return {
    reference: name,
    agrees: false,
    deviation: value.data.map((one, at) => one - (step.value.data[at] as number)),
    suspect: suspectOf(judgement),
    evidence: evidenceOf(name, value, found),
  };
}

function agreement(reference: string): Opinion {
  return {
    reference,
    agrees: true,
    deviation: new Float32Array(0),
    suspect: null,
    evidence: "",
  };
}

function suspectOf(judgement: Judgement | null): Opinion["suspect"] {
  if (judgement === null || judgement.truth === null) return null;
  return judgement.at === "reference" ? "embedded" : "itself";
}

/** A tap at which a trace and the embedded reference disagree. */
interface Disagreement {
  readonly step: TraceStep;
  readonly comparison: TapComparison;
  /** `null` where the step has no definition in float64 that could be asked. */
  readonly judgement: Judgement | null;
}

/** `null` where both are the same but for rounding. */
async function heldAgainst(
  { architecture, embedded, weight }: OpinionContext,
  steps: TraceReference,
  operation: Operation,
  { data: actual }: Tensor,
  from: "recorded" | "mended",
): Promise<Disagreement | null> {
  const functionError = embedded.functionError(libraryError);
  const step = await steps.step(operation.id, functionError, from);
  const { known, value: expected, bound, unknown } = step;
  const comparison = compareTap({
    actual,
    expected: expected.data,
    bound,
    shape: expected.shape,
    channelAxis: architecture.layout === "nhwc" ? expected.shape.length - 1 : 1,
    fit: true,
    negativeSide: hasNegativeSide(operation),
  });
  const { nonFiniteMismatch, overBound, maxAbs } = comparison.metrics;
  const systematic = comparison.fit !== null && isSystematic(comparison.fit, LIBRARY_GAIN);
  // NaN on both sides says nothing; where one side differs the judge is asked.
  const off = nonFiniteMismatch > 0 || (bound === null ? maxAbs > 0 : overBound > 0);
  if (unknown !== null) return off ? { step, comparison, judgement: null } : null;
  if (!off && !systematic) return null;
  const judgement = await judge(embedded, {
    architecture,
    operation,
    known,
    cut: new Set(known.keys()),
    actual,
    expected,
    trigger: bound,
    comparison,
    weight,
    functionError,
    smallestGain: LIBRARY_GAIN,
  });
  return judgement.verdict === "same" ? null : { step, comparison, judgement };
}

function libraryError(name: string): FunctionError {
  const known = functionErrorOf("plain")(name);
  return {
    ulp: known.ulp + LIBRARY_ERROR.ulp,
    absolute: known.absolute + LIBRARY_ERROR.absolute,
  };
}

function evidenceOf(
  name: string,
  value: Tensor,
  { step, comparison, judgement }: Disagreement,
): string {
  const { metrics, worst } = comparison;
  const number = (one: number) => format(jsonNumber(one));
  const ratio = metrics.ratio === null ? "" : `, ${number(metrics.ratio)} × the bound`;
  const at = worst === null ? "" : ` at [${indexOf(worst.index, value.shape)}]`;
  const both =
    worst === null
      ? ""
      : `: ${name} ${number(worst.actual)}, ${EMBEDDED} ${number(worst.expected)}`;
  return `max abs ${number(metrics.maxAbs)}${ratio}${at}${both}; ${judgement === null ? unjudged(step) : decisionOf(name, judgement)}`;
}

function unjudged({ unknown, bound }: TraceStep): string {
  return bound === null
    ? `${unknown} rounds nothing: its values must be equal`
    : `more than the measured noise of ${unknown}, of whose arithmetic nothing is known`;
}

/** What the judge found; it speaks of port and reference, and here both are references. */
function decisionOf(name: string, { at, note, truth }: Judgement): string {
  if (truth === null) return "too costly to work out in float64, which of them is right";
  const of = (wrong: number) => `${wrong} of ${truth.judged} elements looked at`;
  if (at === "reference")
    return `the float64 definition confirms ${name} and not ${EMBEDDED} in ${of(truth.referenceWrong)}`;
  if (truth.portWrong === 0) return note;
  return `the float64 definition contradicts ${name} in ${of(truth.portWrong)}`;
}
