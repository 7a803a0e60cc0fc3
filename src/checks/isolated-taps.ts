import type { Operation } from "../architecture/architecture.js";
import { LIBRARY_GAIN } from "../compare/channel-fit.js";
import { CauseBudget, type CauseInput, findCause } from "../localize/find-cause.js";
import { between, type Judgement, judge } from "../localize/judge.js";
import type { PortRun } from "../record/port-thread.js";
import type { TapRecord } from "../record/tap-examiner.js";
import type { PlannedTap } from "../references/tap-plan.js";
import type { Tensor } from "../tensor/tensor.js";
import { commandLine } from "./command-line.js";
import { EMBEDDED } from "./embedded.js";
import type { Fault, Sensitivity, TapResult } from "./result.js";
import {
  boundOfTap,
  functionErrorsOf,
  type Recorded,
  type Session,
  valueOfTap,
} from "./session.js";
import { byId, format, shapeNote } from "./tap-records.js";
import { type Decision, notExercised, sensitivityOf, tapResult } from "./tap-verdict.js";
import { weightsOf } from "./weight-faults.js";

/** Verdicts of the isolated run, the judge asked where a tap is suspicious. */
export async function isolatedTaps(
  session: Session,
  recorded: Recorded,
  selected: readonly Operation[],
): Promise<{ taps: TapResult[]; faults: Fault[] }> {
  const run = recorded.isolated as PortRun;
  const records = byId(run);
  const planned = new Map(recorded.prepared.plan.taps.map((tap) => [tap.id, tap]));
  const taps: TapResult[] = [];
  const faults: Fault[] = [];
  const budget = new CauseBudget();
  for (const operation of selected) {
    const plan = planned.get(operation.id);
    const record = records.get(operation.id) ?? null;
    if (plan === undefined || record === null) continue;
    const decision = await decide(session, recorded, operation, plan, record);
    const result = tapResult(operation, plan, "isolated", record, decision);
    taps.push(result);
    if (result.verdict !== "same" && result.verdict !== "not-exercised") {
      const cause = await causeOf(session, recorded, operation, plan, record, result, budget);
      faults.push({ ...modelFault(session, result, decision), cause });
    }
  }
  return { taps, faults };
}

interface IsolatedDecision extends Decision {
  readonly at?: Judgement["at"];
}

async function decide(
  session: Session,
  recorded: Recorded,
  operation: Operation,
  plan: PlannedTap,
  record: TapRecord,
): Promise<IsolatedDecision> {
  const { compared } = record;
  if (compared === null)
    return { verdict: "shape", basis: null, notes: [shapeNote(operation, record)] };
  const { metrics } = compared;
  if (metrics.nonFiniteMismatch > 0 || metrics.nanExpected > 0) {
    const notes =
      metrics.nonFiniteMismatch > 0
        ? [
            `${metrics.nonFiniteMismatch} of ${metrics.count} elements are NaN or infinite on one side only`,
          ]
        : [
            `${metrics.nanExpected} of ${metrics.count} elements of the reference are NaN: nothing can be said of them`,
          ];
    return { verdict: "non-finite", basis: null, notes };
  }
  const given = session.resolved.tolerance.kind === "given";
  const sensitivity = given
    ? null
    : sensitivityOf(
        operation,
        session.original.architecture,
        compared,
        (name) => session.weights.store.read(name).data,
      );
  if (compared.suspicious && given) {
    return {
      verdict: metrics.overBound > 0 ? "differs" : "same",
      basis: "given",
      notes: [],
      sensitivity,
    };
  }
  const unknown = unknownStep(session, operation, plan);
  if (unknown !== null) return unknownDecision(unknown, plan, operation, compared, sensitivity);
  if (compared.suspicious) {
    const judgement = await judgeTap(session, recorded, operation, plan, record);
    return {
      verdict: judgement.verdict,
      basis: judgement.basis,
      notes: [judgement.note],
      sensitivity,
      at: judgement.at,
    };
  }
  const basis = given ? "given" : plan.boundOffset === undefined ? "exact" : "trigger";
  const unseen = notExercised(operation, compared);
  if (unseen !== undefined)
    return { verdict: "not-exercised", basis, notes: [unseen], sensitivity };
  return { verdict: "same", basis, notes: indistinguishable(sensitivity), sensitivity };
}

/** The operator between a tap and those before it whose arithmetic is not known; `null` where all of them are. */
function unknownStep(session: Session, operation: Operation, plan: PlannedTap): string | null {
  const { architecture } = session.original;
  if (session.reference.isDoubtful(operation.id)) return operation.kind;
  const known = new Set([...plan.frontier, ...session.input.tensors.keys()]);
  const steps = new Set(between(architecture, operation, known));
  for (const { id, kind, attributes } of architecture.operations) {
    if (kind === "opaque" && steps.has(id)) return (attributes as { operator: string }).operator;
  }
  return null;
}

/** Without a definition in float64 there is no judge: what is measured, or equality, decides. */
function unknownDecision(
  operator: string,
  { boundOffset }: PlannedTap,
  operation: Operation,
  compared: NonNullable<TapRecord["compared"]>,
  sensitivity: Sensitivity | null,
): IsolatedDecision {
  const exact = boundOffset === undefined;
  const over = exact ? compared.metrics.maxAbs > 0 : compared.metrics.overBound > 0;
  const how = exact
    ? `${operator} rounds nothing: its values must be equal`
    : `the tolerance is a measured noise floor: nothing is known of the arithmetic of ${operator}`;
  const common = { basis: exact ? ("exact" as const) : ("noise" as const), sensitivity };
  if (over) return { ...common, verdict: "differs", notes: [how] };
  const unseen = notExercised(operation, compared);
  if (unseen !== undefined) return { ...common, verdict: "not-exercised", notes: [unseen] };
  return { ...common, verdict: "same", notes: exact ? [] : [how] };
}

/** Mistakes people make that this tap could not have shown: epsilon of another framework, say. */
function indistinguishable(sensitivity: Decision["sensitivity"]): string[] {
  const epsilon = sensitivity?.epsilon;
  if (typeof epsilon !== "number" || epsilon <= 1e-3) return [];
  return [
    `an epsilon of 1e-3 instead of 1e-5 is not distinguishable here: float32 shows a change of ${epsilon.toPrecision(2)} at least`,
  ];
}

/** Tries mistakes on a tap whose values differ; other verdicts and faults of the reference need none. */
async function causeOf(
  session: Session,
  recorded: Recorded,
  operation: Operation,
  plan: PlannedTap,
  record: TapRecord,
  { verdict }: TapResult,
  budget: CauseBudget,
): Promise<string | null> {
  if ((verdict !== "differs" && verdict !== "non-finite") || record.values === null) return null;
  if (unknownStep(session, operation, plan) !== null) return null;
  const known = knownBefore(session, recorded, plan);
  const wrong = wrongWeights(
    session,
    recorded,
    between(session.original.architecture, operation, known),
  );
  if (wrong.length > 0) return `its weights are not those of the file: ${wrong.join(", ")}`;
  const taps = new Set(recorded.prepared.plan.taps.map(({ id }) => id));
  const input: CauseInput = {
    architecture: session.original.architecture,
    operation,
    known,
    actual: record.values,
    expected: valueOfTap(session, recorded, operation.id),
    bound: boundOfTap(session, plan),
    weight: (name) => session.weights.store.read(name),
    isTap: (id) => taps.has(id),
    valueOf: (id) => (taps.has(id) ? valueOfTap(session, recorded, id) : undefined),
  };
  return await findCause(session.reference, input, budget);
}

/** Weights of some operations that the port holds with other values than the file's, where that is known. */
function wrongWeights(
  session: Session,
  recorded: Recorded,
  operations: readonly string[],
): string[] {
  const names = new Set(
    session.original.architecture.operations
      .filter(({ id }) => operations.includes(id))
      .flatMap(({ weights }) => Object.values(weights)),
  );
  return weightsOf(session, recorded.isolated as PortRun)
    .filter(({ name, state }) => names.has(name) && (state === "differs" || state === "shape"))
    .map(({ name }) => name);
}

/** What the port computed a tap from: the taps before it and the network's input. */
function knownBefore(session: Session, recorded: Recorded, plan: PlannedTap): Map<string, Tensor> {
  const known = new Map(plan.frontier.map((id) => [id, valueOfTap(session, recorded, id)]));
  for (const [name, value] of session.input.tensors) known.set(name, value);
  return known;
}

/** Where one side is a library with its own way of writing a formula, TensorFlow behind a port too, small gains say nothing. */
function smallestGainOf({ quorum, facts, resolved }: Session): number {
  const own = (quorum?.trusted ?? EMBEDDED) === EMBEDDED;
  const native = facts.runtime === "tfjs" ? resolved.backend === "node" : facts.foreign;
  return own && !native ? 0 : LIBRARY_GAIN;
}

async function judgeTap(
  session: Session,
  recorded: Recorded,
  operation: Operation,
  plan: PlannedTap,
  record: TapRecord,
): Promise<Judgement> {
  const { architecture } = session.original;
  const known = knownBefore(session, recorded, plan);
  return await judge(session.reference, {
    architecture,
    operation,
    known,
    cut: new Set(known.keys()),
    actual: record.values ?? new Float32Array(0),
    expected: valueOfTap(session, recorded, operation.id),
    trigger: boundOfTap(session, plan),
    comparison: record.compared as NonNullable<TapRecord["compared"]>,
    weight: (name) => session.weights.store.read(name).data,
    functionError: functionErrorsOf(session),
    smallestGain: smallestGainOf(session),
  });
}

function modelFault(session: Session, result: TapResult, decision: IsolatedDecision): Fault {
  const numbers =
    result.maxAbs === null
      ? ""
      : `max abs ${format(result.maxAbs)}, ${format(result.ratio)} × the bound${worstText(result)}`;
  return {
    ...(decision.at === "reference"
      ? { component: "reference", reference: session.quorum?.trusted ?? EMBEDDED }
      : { component: "model" }),
    layer: result.layer,
    place: result.id,
    evidence: [numbers, ...decision.notes].filter((part) => part !== "").join("; "),
    cause: null,
    reproduce: commandLine(session.options, { taps: result.id, mode: "isolated" }),
  };
}

function worstText({ worst, actual, expected }: TapResult): string {
  if (worst === null) return "";
  // As many digits as it takes to see that they differ; float32 has nine.
  const digits = [4, 5, 6, 7, 8, 9].find((n) => format(actual, n) !== format(expected, n));
  return ` at [${worst}]: ${format(actual, digits)}, expected ${format(expected, digits)}`;
}
