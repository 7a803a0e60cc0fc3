import type { Operation } from "../architecture/architecture.js";
import type { PortRun } from "../record/port-thread.js";
import type { TapRecord } from "../record/tap-examiner.js";
import { commandLine } from "./command-line.js";
import type { Fault, TapResult } from "./result.js";
import type { Recorded, Session } from "./session.js";
import { byId, format, shapeNote } from "./tap-records.js";
import { type Decision, tapResult } from "./tap-verdict.js";

/** Verdicts of the cumulative run: outputs by their drift, all others for information. */
export function cumulativeTaps(
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

/** Outputs that drift although no isolated fault explains it are a fault of their own. */
export function driftFaults(
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
