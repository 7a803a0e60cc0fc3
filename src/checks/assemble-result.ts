import { layerCoverage } from "../architecture/ancestry.js";
import type { Operation } from "../architecture/architecture.js";
import { InputError } from "../errors.js";
import { CauseBudget, type CauseInput, findCause } from "../localize/find-cause.js";
import { between, type Judgement, judge } from "../localize/judge.js";
import type { PortRun } from "../record/port-thread.js";
import type { TapRecord } from "../record/recorder.js";
import type { PlannedTap } from "../references/tap-plan.js";
import { functionErrorOf } from "../runtime/function-errors.js";
import { sizeOf, type Tensor } from "../tensor/tensor.js";
import { commandLine } from "./command-line.js";
import { driftOf } from "./drift.js";
import { pipelineFault } from "./pipeline.js";
import {
  type Coverage,
  type Fault,
  type LayerByLayerResult,
  RESULT_SCHEMA,
  type TapResult,
} from "./result.js";
import { boundOfTap, type Recorded, type Session, valueOfTap } from "./session.js";
import { type Decision, notExercised, sensitivityOf, tapResult } from "./tap-verdict.js";
import { weightFaults, weightsOf } from "./weight-faults.js";

/** A result without what only the caller knows. */
export type Assembled = Omit<LayerByLayerResult, "timings" | "memory">;

/** Turns what was recorded into verdicts, faults and coverage. */
export async function assembleResult(session: Session, recorded: Recorded): Promise<Assembled> {
  const { resolved, original, options } = session;
  refuseIgnoredReturn(session, recorded);
  const selected = original.architecture.operations.filter(({ id }) => resolved.wantsTap(id));
  const isolated =
    recorded.isolated === null ? null : await isolatedTaps(session, recorded, selected);
  const drift =
    recorded.cumulative === null ? null : await driftOf(session, recorded, recorded.cumulative);
  const cumulative =
    recorded.cumulative === null
      ? null
      : cumulativeTaps(
          session,
          recorded,
          recorded.cumulative,
          selected,
          drift?.decisions ?? new Map(),
        );
  const run = (recorded.isolated ?? recorded.cumulative) as PortRun;
  const coverage = coverageOf(session, run, selected);
  const faults = [
    ...pipelineFault(session, run),
    ...weightFaults(session, run),
    ...(isolated?.faults ?? []),
    ...coverageFaults(session, coverage, run),
  ];
  faults.push(...driftFaults(session, cumulative ?? [], faults));
  const taps = [...(isolated?.taps ?? []), ...(cumulative ?? [])];
  const failed =
    faults.length > 0 ||
    taps.some(({ verdict }) => verdict !== "same" && verdict !== "not-exercised");
  const nothing = taps.every(({ maxAbs }) => maxAbs === null);
  return {
    schema: RESULT_SCHEMA,
    verdict: failed || nothing ? "differs" : "same",
    command: commandLine(options),
    model: resolved.model,
    original: original.name,
    weights: session.weights.name,
    inputs: options.inputs?.length ? options.inputs : ["random:1"],
    size: { ...original.network, batch: resolved.batch },
    options: original.portOptions,
    reference: {
      name: "onnxruntime",
      version: await session.process.version(),
      options: { graphOptimizationLevel: "disabled", darknet: resolved.darknet },
    },
    backend: session.facts.runtime === "plain" ? "plain" : resolved.backend,
    tolerance: options.tolerance ?? "bound",
    coverage,
    weightsChecked: session.facts.hasVariables ? "verified" : "asked-for",
    alignment: {
      by: recorded.alignment.by,
      pairs: Object.entries(recorded.alignment.pairs).map(([port, reference]) => ({
        port,
        reference,
      })),
    },
    taps,
    faults,
    warnings: [
      ...original.warnings,
      ...session.weights.warnings,
      ...session.input.warnings,
      ...(drift?.warnings ?? []),
      ...stopWarnings(recorded),
    ],
  };
}

/** Verdicts of the isolated run, the judge asked where a tap is suspicious. */
async function isolatedTaps(
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

/** Mistakes people make that this tap could not have shown: epsilon of another framework, say. */
function indistinguishable(sensitivity: Decision["sensitivity"]): string[] {
  const epsilon = sensitivity?.epsilon;
  if (typeof epsilon !== "number" || epsilon <= 1e-3) return [];
  return [
    `an epsilon of 1e-3 instead of 1e-5 is not distinguishable here: float32 shows a change of ${epsilon.toPrecision(2)} at least`,
  ];
}

function shapeNote(operation: Operation, record: TapRecord): string {
  const same = sizeOf(record.shape) === sizeOf(operation.shape);
  return `shape [${record.shape}], expected [${operation.shape}]${same ? "; same number of values, another order: is the layout declared right?" : ""}`;
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
  if (verdict !== "differs" || record.values === null) return null;
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
  for (const { name } of session.original.architecture.inputs)
    known.set(name, session.input.tensor);
  return known;
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
  const backend = session.facts.runtime === "plain" ? "plain" : session.resolved.backend;
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
    functionError: functionErrorOf(backend),
  });
}

function cumulativeTaps(
  session: Session,
  recorded: Recorded,
  run: PortRun,
  selected: readonly Operation[],
  decisions: ReadonlyMap<string, Decision>,
): TapResult[] {
  const records = byId(run);
  const planned = new Map(recorded.prepared.plan.taps.map((tap) => [tap.id, tap]));
  return selected.flatMap((operation) => {
    const plan = planned.get(operation.id);
    const record = records.get(operation.id) ?? null;
    if (plan === undefined || record === null) return [];
    return [
      tapResult(
        operation,
        plan,
        "cumulative",
        record,
        cumulativeDecision(session, operation, record, decisions),
      ),
    ];
  });
}

function cumulativeDecision(
  session: Session,
  operation: Operation,
  record: TapRecord,
  decisions: ReadonlyMap<string, Decision>,
): Decision {
  const { compared } = record;
  if (compared === null)
    return { verdict: "shape", basis: null, notes: [shapeNote(operation, record)] };
  if (compared.metrics.nonFiniteMismatch > 0 || compared.metrics.nanExpected > 0) {
    return { verdict: "non-finite", basis: null, notes: [] };
  }
  if (session.resolved.tolerance.kind === "given") {
    return {
      verdict: compared.metrics.overBound > 0 ? "differs" : "same",
      basis: "given",
      notes: [],
    };
  }
  return decisions.get(operation.id) ?? { verdict: "same", basis: "noise", notes: [], ratio: null };
}

function byId(run: PortRun): Map<string, TapRecord> {
  return new Map(
    run.taps.flatMap((record) => (record.id === null ? [] : [[record.id, record] as const])),
  );
}

function coverageOf(session: Session, run: PortRun, selected: readonly Operation[]): Coverage {
  const { architecture } = session.original;
  const records = byId(run);
  const compared = new Set([...records.keys()]);
  const { covered, uncovered } = layerCoverage(architecture, compared);
  const wanted = new Set(selected.map(({ id }) => id));
  const hit = architecture.operations.filter(
    ({ id }) => wanted.has(id) && records.get(id)?.compared != null,
  );
  const elements = (operations: readonly Operation[]) =>
    operations.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  // Sub-taps are optional: they count where the port has them, layers always.
  const layers = new Set(architecture.layers.map(({ id }) => id));
  const countable = architecture.operations.filter(({ id }) => layers.has(id) || records.has(id));
  const checked = session.facts.hasVariables ? ["equal"] : ["asked"];
  const known = new Set(architecture.layers.map(({ id }) => id));
  const excluded = new Set([
    ...architecture.layers.map(({ id }) => id).filter((id) => !wanted.has(id)),
    ...session.fullLayers.filter((id) => !known.has(id)),
  ]);
  return {
    taps: { compared: hit.length, total: countable.length },
    elements: { compared: elements(hit), total: elements(countable) },
    weights: {
      compared: weightsOf(session, run).filter(({ state }) => checked.includes(state)).length,
      total: architecture.weights.length,
    },
    covered,
    uncovered,
    unpaired: run.taps
      .filter(({ id, name }) => id === null && !excluded.has(name.split("/")[0] ?? ""))
      .map(({ name }) => name),
    excluded: [...excluded],
  };
}

function coverageFaults(session: Session, coverage: Coverage, run: PortRun): Fault[] {
  const reproduce = commandLine(session.options);
  const faults: Fault[] = coverage.unpaired.map((name) => ({
    component: "model",
    layer: null,
    place: name,
    evidence: `the port taps "${name}", the reference has no tap of that name (difftest inspect --taps lists them)`,
    cause: null,
    reproduce,
  }));
  // A run that ended early says nothing of the taps behind its end.
  if (run.weightsFault !== null || run.stopped !== null) return faults;
  for (const id of coverage.uncovered) {
    const layer = session.original.architecture.layers.find((one) => one.id === id);
    faults.push({
      component: "model",
      layer: layer?.index ?? null,
      place: id,
      evidence: `no tap of the port depends on ${id} (${layer?.kind}): the layer is missing, or its result is never tapped`,
      cause: null,
      reproduce,
    });
  }
  return faults;
}

function modelFault(session: Session, result: TapResult, decision: IsolatedDecision): Fault {
  const numbers =
    result.maxAbs === null
      ? ""
      : `max abs ${format(result.maxAbs)}, ${format(result.ratio)} × the bound${worstText(result)}`;
  return {
    component: decision.at === "reference" ? "reference" : "model",
    layer: result.layer,
    place: result.id,
    evidence: [numbers, ...decision.notes].filter((part) => part !== "").join("; "),
    cause: null,
    reproduce: commandLine(session.options, { taps: result.id, mode: "isolated" }),
  };
}

function worstText({ worst, actual, expected }: TapResult): string {
  return worst === null ? "" : ` at [${worst}]: ${format(actual)}, expected ${format(expected)}`;
}

function format(value: number | string | null): string {
  return typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value);
}

/** Outputs that drift although no isolated fault explains it are a fault of their own. */
function driftFaults(
  session: Session,
  taps: readonly TapResult[],
  known: readonly Fault[],
): Fault[] {
  const wrong = taps.filter(({ verdict }) => verdict !== "same" && verdict !== "not-exercised");
  if (wrong.length === 0 || known.length > 0) return [];
  const first = wrong[0] as TapResult;
  const only = session.resolved.mode === "cumulative";
  return [
    {
      component: only ? "model" : "integration",
      layer: first.layer,
      place: first.id,
      evidence: `${wrong.length} taps of the cumulative run are off, the first by ${first.maxAbs === null ? first.notes.join("; ") : `max abs ${format(first.maxAbs)}`}; ${only ? "run --mode isolated to see which layer" : "every layer alone is right: what lies between them is not"}`,
      cause: null,
      reproduce: commandLine(session.options, { mode: "both" }),
    },
  ];
}

function stopWarnings({ isolated, cumulative }: Recorded): string[] {
  return (["isolated", "cumulative"] as const).flatMap((mode) => {
    const stopped = { isolated, cumulative }[mode]?.stopped ?? null;
    return stopped === null ? [] : [`${mode} run: ${stopped}; what comes after was not compared`];
  });
}

function refuseIgnoredReturn(session: Session, recorded: Recorded): void {
  const ignored = (recorded.isolated?.ignored ?? []).filter(
    (name) => session.facts.runtime === "tfjs" || !explained(recorded, name),
  );
  if (ignored.length === 0) return;
  throw new InputError(
    "port",
    `tap "${ignored[0]}": the port goes on with its own tensor, not with the one tap returns` +
      `${ignored.length > 1 ? ` (and at ${ignored.length - 1} more taps)` : ""}; write x = tap("${ignored[0]}", x), or run --mode cumulative`,
  );
}

/**
 * Of a plain port one only knows that it never read what a tap returned. If a tap that should follow
 * from it is wrong, the port reads another layer by mistake, and that is the fault to tell.
 */
function explained({ isolated, alignment, prepared }: Recorded, name: string): boolean {
  const id = alignment.pairs[name] ?? name;
  const readers = prepared.plan.taps.filter(({ frontier }) => frontier.includes(id));
  const suspicious = new Set(
    (isolated?.taps ?? [])
      .filter(({ compared }) => compared === null || compared.suspicious)
      .map((record) => record.id),
  );
  return readers.some((tap) => suspicious.has(tap.id));
}
