import { layerCoverage } from "../architecture/ancestry.js";
import type { Operation } from "../architecture/architecture.js";
import type { PortRun } from "../record/port-thread.js";
import { sizeOf } from "../tensor/tensor.js";
import { commandLine } from "./command-line.js";
import type { Coverage, Fault, TapMode, TapResult } from "./result.js";
import type { Session } from "./session.js";
import { byId } from "./tap-records.js";
import { tapResult } from "./tap-verdict.js";
import { weightsOf } from "./weight-faults.js";

/** What of the original the run looked at. */
export function coverageOf(
  session: Session,
  run: PortRun,
  selected: readonly Operation[],
): Coverage {
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

/** Taps without partner and layers nobody looked at, as faults. */
export function coverageFaults(session: Session, coverage: Coverage, run: PortRun): Fault[] {
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

/** An entry for every layer that no compared tap depends on, in a mode. */
export function missingTaps(
  coverage: Coverage,
  selected: readonly Operation[],
  mode: TapMode,
): TapResult[] {
  const uncovered = new Set(coverage.uncovered);
  return selected
    .filter(({ id }) => uncovered.has(id))
    .map((operation) =>
      tapResult(operation, null, mode, null, { verdict: "missing", basis: null, notes: [] }),
    );
}
