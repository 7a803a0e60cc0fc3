import type { WeightRecord } from "../record/port-messages.js";
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
  return weightsOf(session, run)
    .filter(({ state }) => state !== "equal" && state !== "asked" && state !== "own")
    .map(({ name, evidence }) => fault(name, evidence));
}

/** The records of the weights that the compared part of the original has. */
export function weightsOf(session: Session, run: PortRun): readonly WeightRecord[] {
  const left = new Set(session.weights.store.specs.map(({ name }) => name));
  for (const { name } of session.original.architecture.weights) left.delete(name);
  return run.weights.filter(({ name }) => !left.has(name));
}
