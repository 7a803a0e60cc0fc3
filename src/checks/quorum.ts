import type { Operation } from "../architecture/architecture.js";
import { TraceReference } from "../references/trace-reference.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Accusation, accusations } from "./accusations.js";
import { EMBEDDED } from "./embedded.js";
import {
  gradientFaults,
  judgeCommand,
  judgedGradients,
  requireDarknet,
} from "./gradient/judge-golden.js";
import { type Opinion, opinionOf } from "./opinion.js";
import { originalPathOf } from "./original.js";
import type { OpenedTrace } from "./reference-traces.js";
import type { Fault, ReferenceOutcome } from "./result.js";
import type { Session } from "./session.js";

/** What the references are held against each other on. */
export interface QuorumSession
  extends Pick<Session, "resolved" | "original" | "weights" | "reference" | "traces"> {
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Version of the embedded reference. */
  readonly version: string;
  /** Command line that shows a tap's fault again. */
  readonly reproduce: (tap: string) => string;
}

/** What came of holding the references against each other. */
export interface Quorum {
  /** One for each tap and reference that is accused there. */
  readonly faults: readonly Fault[];
  readonly references: readonly ReferenceOutcome[];
  /** The first reference asked for that is not accused, or else the embedded one: what a port is compared with. */
  readonly trusted: string;
  /** Sentences for people. */
  readonly warnings: readonly string[];
}

interface Held {
  readonly operation: Operation;
  readonly accused: readonly Accusation[];
}

/**
 * Holds the references against each other, tap by tap, each on its own values before the tap. Where they disagree
 * beyond the bound a reference is accused: see {@link accusations}.
 */
export async function holdQuorum(session: QuorumSession): Promise<Quorum> {
  const { operations } = session.original.architecture;
  const steps = session.traces.map(
    (trace) =>
      new TraceReference(trace, session.reference, session.original.architecture, session.inputs),
  );
  const held: Held[] = [];
  for (const operation of operations) {
    held.push({ operation, accused: accusations(await opinionsOn(session, steps, operation)) });
  }
  const { references, wantsTap } = session.resolved;
  const ofTraining = new Set(
    session.traces.filter(({ training }) => training !== undefined).map(({ name }) => name),
  );
  const ofLayers = references.filter((name) => !ofTraining.has(name));
  const trusted = trustedIn(ofLayers, held);
  const selected = held.filter(({ operation }) => wantsTap(operation.id));
  const faults = [
    ...selected.flatMap((one) => faultsAt(session, one)),
    ...session.traces.flatMap((trace) => faultsOfTraining(session, trace)),
  ];
  return {
    faults,
    references: outcomesOf(session, selected, faults),
    trusted,
    warnings: [
      ...warningsOf(ofLayers, held, trusted),
      ...[...ofTraining].map(
        (name) =>
          `reference ${name} is a training pass: its gradients were judged, the port was compared with ${trusted}`,
      ),
    ],
  };
}

/** Recorded gradients that are not those of the recorded loss: no other reference is needed to tell. */
function faultsOfTraining(
  { original: { architecture }, weights, resolved }: QuorumSession,
  { name, training }: OpenedTrace,
): readonly Fault[] {
  if (training === undefined) return [];
  const file = originalPathOf(resolved);
  const darknet = requireDarknet(architecture, file);
  const judged = judgedGradients(training, darknet, (weight) => weights.store.read(weight).data);
  const golden = name.slice(name.indexOf(":") + 1);
  return gradientFaults(
    judged,
    name,
    judgeCommand({ golden, original: file, weights: weights.name }),
  );
}

async function opinionsOn(
  { original: { architecture }, reference: embedded, weights }: QuorumSession,
  traces: readonly TraceReference[],
  operation: Operation,
): Promise<readonly Opinion[]> {
  const opinions: Opinion[] = [];
  const context = {
    architecture,
    embedded,
    weight: (name: string) => weights.store.read(name).data,
  };
  for (const steps of traces) {
    const value = steps.trace.read(operation.id);
    if (value !== undefined) opinions.push(await opinionOf(context, steps, operation, value));
  }
  return opinions;
}

function isAccused(held: readonly Held[], name: string): boolean {
  return held.some(({ accused }) => accused.some(({ reference }) => reference === name));
}

/** A port is not held against values that are known to be wrong, as long as there are others. */
function trustedIn(references: readonly string[], held: readonly Held[]): string {
  const sound = [...references, EMBEDDED].find((name) => !isAccused(held, name));
  return sound ?? references[0] ?? EMBEDDED;
}

function warningsOf(
  references: readonly string[],
  held: readonly Held[],
  trusted: string,
): readonly string[] {
  const [first = EMBEDDED] = references;
  if (!isAccused(held, first)) return [];
  const places = held.filter((one) => isAccused([one], first)).map(({ operation }) => operation.id);
  const named = `${places.slice(0, 5).join(", ")}${places.length > 5 ? ", …" : ""}`;
  const instead =
    trusted === first
      ? "and so is every other reference: what is said of the port may be wrong"
      : `so the port was compared with ${trusted}`;
  return [`reference ${first} is at fault at ${named}, ${instead}`];
}

function faultsAt(session: QuorumSession, { operation, accused }: Held): readonly Fault[] {
  return accused.map(({ reference, evidence }) => ({
    component: "reference",
    reference,
    layer: operation.layer,
    place: operation.id,
    evidence: `reference ${reference}: ${evidence}`,
    cause: null,
    reproduce: session.reproduce(operation.id),
  }));
}

function outcomesOf(
  session: QuorumSession,
  held: readonly Held[],
  faults: readonly Fault[],
): ReferenceOutcome[] {
  const { traces } = session;
  const embedded = {
    name: EMBEDDED,
    library: EMBEDDED,
    version: session.version,
    taps: traces.flatMap(({ taps }) => taps),
  };
  const others = traces.map(({ name, library, facts, taps }) => ({
    name,
    library,
    version: facts.version,
    taps,
  }));
  return [embedded, ...others].map(({ taps, ...one }) => {
    const own = new Set(taps);
    return {
      ...one,
      taps: {
        compared: held.filter(({ operation }) => own.has(operation.id)).length,
        total: held.length,
      },
      faults: faults.filter(({ reference }) => reference === one.name).length,
    };
  });
}
