import type { Operation } from "../architecture/architecture.js";
import { InputError } from "../errors.js";
import type { PortRun } from "../record/port-thread.js";
import { commandLine } from "./command-line.js";
import { coverageFaults, coverageOf, missingTaps } from "./coverage.js";
import { cumulativeTaps, driftFaults } from "./cumulative-taps.js";
import { driftOf } from "./drift.js";
import { isolatedTaps } from "./isolated-taps.js";
import { pipelineFault } from "./pipeline.js";
import {
  type Fault,
  type LayerByLayerResult,
  RESULT_SCHEMA,
  type TapMode,
  type TapResult,
} from "./result.js";
import type { Recorded, Session } from "./session.js";
import { referenceInfo } from "./session-references.js";
import { weightFaults } from "./weight-faults.js";

/** A result without what only the caller knows. */
export type Assembled = Omit<LayerByLayerResult, "timings" | "memory">;

/** Turns what was recorded into verdicts, faults and coverage. */
export async function assembleResult(session: Session, recorded: Recorded): Promise<Assembled> {
  const { resolved, original, options } = session;
  refuseIgnoredReturn(session, recorded);
  const selected = original.architecture.operations.filter(({ id }) => resolved.wantsTap(id));
  const { isolated, cumulative, warnings } = await modesOf(session, recorded, selected);
  const run = (recorded.isolated ?? recorded.cumulative) as PortRun;
  const coverage = coverageOf(session, run, selected);
  const accused = session.quorum?.faults ?? [];
  const faults = [
    ...accused,
    ...pipelineFault(session, run),
    ...weightFaults(session, run),
    ...withoutKnown(isolated?.faults ?? [], accused),
    ...coverageFaults(session, coverage, run),
  ];
  faults.push(...driftFaults(session, cumulative ?? [], faults));
  const missing = (mode: TapMode) => missingTaps(coverage, selected, mode);
  const taps = [
    ...inOrder(selected, isolated === null ? [] : [...isolated.taps, ...missing("isolated")]),
    ...inOrder(selected, cumulative === null ? [] : [...cumulative, ...missing("cumulative")]),
  ];
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
    size: {
      ...original.network,
      batch: original.architecture.inputs[0]?.shape[0] ?? resolved.batch,
    },
    inputShapes: Object.fromEntries(
      original.architecture.inputs.map(({ name, shape }) => [name, shape]),
    ),
    options: original.portOptions,
    reference: await referenceInfo(session),
    ...(session.quorum === null ? {} : { references: session.quorum.references }),
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
      ...(session.quorum?.warnings ?? []),
      ...original.warnings,
      ...session.weights.warnings,
      ...session.input.warnings,
      ...warnings,
      ...stopWarnings(recorded),
    ],
  };
}

/** What each mode found; `null` for one that was not asked for. */
interface Modes {
  readonly isolated: { readonly taps: TapResult[]; readonly faults: Fault[] } | null;
  readonly cumulative: TapResult[] | null;
  readonly warnings: readonly string[];
}

async function modesOf(
  session: Session,
  recorded: Recorded,
  selected: readonly Operation[],
): Promise<Modes> {
  const isolated =
    recorded.isolated === null ? null : await isolatedTaps(session, recorded, selected);
  const run = recorded.cumulative;
  if (run === null) return { isolated, cumulative: null, warnings: [] };
  const { decisions, warnings } = driftOf(session, recorded, run);
  const cumulative = cumulativeTaps(session, recorded, run, selected, decisions);
  return { isolated, cumulative, warnings };
}

/** The port's comparison may accuse the reference where the other references did already. */
function withoutKnown(faults: readonly Fault[], known: readonly Fault[]): readonly Fault[] {
  const accused = new Set(known.map(({ place }) => place));
  return faults.filter(({ component, place }) => component !== "reference" || !accused.has(place));
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

/** How much further off than the port's own tensor a tap must be that does not follow from it. */
const UNRELATED = 100;

/**
 * Of a plain port one only knows that it never read what a tap returned. If a tap that should follow
 * from it is far more wrong than the port's own tensor there, the port reads another layer by
 * mistake, and that is the fault to tell.
 */
function explained({ isolated, alignment, prepared }: Recorded, name: string): boolean {
  const records = new Map((isolated?.taps ?? []).map((record) => [record.id, record]));
  const relativeError = (id: string) => {
    const compared = records.get(id)?.compared;
    if (compared === undefined) return 0;
    const cosine = compared?.metrics.cosine ?? null;
    return cosine === null ? Number.POSITIVE_INFINITY : Math.sqrt(2 * Math.max(0, 1 - cosine));
  };
  const id = alignment.pairs[name] ?? name;
  const own = Math.max(relativeError(id), 1e-6);
  const readers = prepared.plan.taps.filter(({ frontier }) => frontier.includes(id));
  return readers.some((tap) => relativeError(tap.id) > UNRELATED * own);
}

/** Entries in the original's order. */
function inOrder(operations: readonly Operation[], taps: readonly TapResult[]): TapResult[] {
  const place = new Map(operations.map(({ id }, at) => [id, at]));
  return taps.toSorted((a, b) => (place.get(a.id) ?? 0) - (place.get(b.id) ?? 0));
}
