import type { PortRun } from "../record/port-thread.js";
import { commandLine } from "./command-line.js";
import type { Fault } from "./result.js";
import type { Session } from "./session.js";

/** Weights the port asked for wrongly, never asked for, or holds with other values than the file. */
export function weightFaults(session: Session, run: PortRun): Fault[] {
  const reproduce = commandLine(session.options);
  const layerOf = new Map(
    session.original.architecture.weights.map(({ name, layer }) => [name, layer]),
  );
  const fault = (place: string, evidence: string): Fault => ({
    component: "weights",
    layer: layerOf.get(place) ?? null,
    place,
    evidence,
    cause: null,
    reproduce,
  });
  if (run.weightsFault !== null) return [fault(run.weightsFault.weight, run.weightsFault.message)];
  return run.weights
    .filter(({ state }) => state !== "equal" && state !== "asked")
    .map(({ name, evidence }) => fault(name, evidence));
}
