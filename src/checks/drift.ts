import { compareWasm } from "../compare/compare-wasm.js";
import type { Metrics } from "../compare/metrics.js";
import type { PortRun } from "../record/port-thread.js";
import type { Tensor } from "../tensor/tensor.js";
import { boundOfTap, type Recorded, type Session, valueOfTap } from "./session.js";
import type { Decision } from "./tap-verdict.js";

/** How many times the measured noise an output may be off. */
const NOISE_FACTOR = 10;

/** What the cumulative run's outputs say. */
export interface Drift {
  /** By tap id: outputs only. */
  readonly decisions: ReadonlyMap<string, Decision>;
  readonly warnings: readonly string[];
}

/**
 * The outputs by another right way to compute the model, where a cumulative run is judged by it.
 *
 * @throws {UnavailableError} when the reference process died
 */
export async function optimizedOutputs({
  resolved,
  original,
  reference,
  input,
}: Session): Promise<ReadonlyMap<string, Tensor> | null> {
  if (resolved.mode === "isolated" || resolved.tolerance.kind === "given") return null;
  return await reference.optimized(original.architecture.outputs, input.tensors);
}

/**
 * Judges the outputs of the cumulative run: errors add up there as they do in production.
 *
 * The noise is measured: the reference itself, run with all the runtime's optimizations, differs
 * from itself without them by what two right ways to compute the model differ (DESIGN.md §6).
 */
export function driftOf(session: Session, recorded: Recorded, run: PortRun): Drift {
  const { optimized } = recorded;
  if (optimized === null) return { decisions: new Map(), warnings: [] };
  const { architecture } = session.original;
  const records = new Map(run.taps.map((record) => [record.id, record]));
  const outputs = architecture.outputs.filter((id) => records.get(id)?.compared != null);
  const decisions = new Map<string, Decision>();
  for (const id of outputs) {
    const expected = valueOfTap(session, recorded, id);
    const noise = compareWasm((optimized.get(id) as Tensor).data, expected.data);
    const floor = floorOf(session, recorded, id);
    decisions.set(id, decide(records.get(id)?.compared?.metrics as Metrics, noise, floor));
  }
  return { decisions, warnings: [] };
}

/** The rounding of the output's own step: where the runtime's optimizations change nothing, noise is at least that. */
function floorOf(session: Session, recorded: Recorded, id: string): number {
  const planned = recorded.prepared.plan.taps.find((tap) => tap.id === id);
  const bound = planned === undefined ? null : boundOfTap(session, planned);
  return bound === null ? 0 : bound.reduce((a, b) => Math.max(a, b), 0);
}

function decide(drift: Metrics, noise: Metrics, floor: number): Decision {
  const unit = Math.max(noise.maxAbs, floor);
  const limit = NOISE_FACTOR * unit;
  const ratio =
    limit === 0 ? (drift.maxAbs === 0 ? null : Number.POSITIVE_INFINITY) : drift.maxAbs / limit;
  const off = ratio !== null && !(ratio <= 1);
  const times =
    unit === 0
      ? ""
      : `${(drift.maxAbs / unit).toPrecision(2)} × the measured noise (${unit.toPrecision(2)})`;
  return {
    verdict: off ? "differs" : "same",
    basis: "noise",
    ratio,
    notes: times === "" ? [] : [`drift ${times}`],
  };
}
