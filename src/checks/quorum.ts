import type { Operation } from "../architecture/architecture.js";
import { compareTap } from "../compare/compare-tap.js";
import { judge } from "../localize/judge.js";
import type { FunctionError } from "../operators/family.js";
import { TraceReference } from "../references/trace-reference.js";
import { functionErrorOf } from "../runtime/function-errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { EMBEDDED, type OpenedTrace } from "./reference-traces.js";
import { type Fault, jsonNumber, type ReferenceInfo, type ReferenceOutcome } from "./result.js";
import type { Session } from "./session.js";
import { format } from "./tap-records.js";

/**
 * A library compiled for speed computes its functions less exactly than a port does: AlexeyAB's mish is off by 5e-7,
 * both libraries sum in an order of their own.
 */
const LIBRARY_ERROR: FunctionError = { ulp: 16, absolute: 1e-6 };

/** What the references are held against each other on. */
export interface QuorumSession
  extends Pick<Session, "resolved" | "original" | "weights" | "reference" | "traces"> {
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Command line that shows a tap's fault again. */
  readonly reproduce: (tap: string) => string;
}

/** What one reference says of one tap, held against the embedded one on the same values. */
interface Opinion {
  readonly trace: OpenedTrace;
  readonly agrees: boolean;
  /** Whose value the float64 definition does not confirm. */
  readonly suspect: "trace" | "embedded" | null;
  readonly evidence: string;
}

/**
 * Holds the references against each other, tap by tap, each on its own values before the tap. Where they disagree beyond
 * the bound the reference is accused: with three or more the odd one out, with two the one that the float64 definition
 * does not confirm.
 */
export async function quorum(
  session: QuorumSession,
): Promise<{ readonly faults: Fault[]; readonly references: ReferenceOutcome[] }> {
  const { architecture } = session.original;
  const selected = architecture.operations.filter(({ id }) => session.resolved.wantsTap(id));
  const traces = session.traces.map(
    (trace) =>
      [trace, new TraceReference(trace, session.reference, architecture, session.inputs)] as const,
  );
  const faults: Fault[] = [];
  for (const operation of selected) {
    const opinions: Opinion[] = [];
    for (const [trace, steps] of traces) {
      const value = trace.read(operation.id);
      if (value !== undefined)
        opinions.push(await opinionOf(session, trace, steps, operation, value));
    }
    faults.push(...verdictOn(session, operation, opinions));
  }
  return { faults, references: outcomes(session, selected, faults) };
}

async function opinionOf(
  session: QuorumSession,
  trace: OpenedTrace,
  steps: TraceReference,
  operation: Operation,
  value: Tensor,
): Promise<Opinion> {
  const functionError = libraryError();
  const { known, value: expected, bound } = await steps.step(operation.id, functionError);
  const comparison = compareTap({
    actual: value.data,
    expected: expected.data,
    bound,
    shape: expected.shape,
    channelAxis: session.original.architecture.layout === "nhwc" ? expected.shape.length - 1 : 1,
    fit: false,
    negativeSide: false,
  });
  const { metrics } = comparison;
  // Both NaN at the same places says nothing; the judge is asked where one side differs.
  const differs = metrics.nonFiniteMismatch > 0 || metrics.overBound > 0;
  if (!differs && (bound !== null || !(metrics.maxAbs > 0))) {
    return { trace, agrees: true, suspect: null, evidence: "" };
  }
  const judgement = await judge(session.reference, {
    architecture: session.original.architecture,
    operation,
    known,
    cut: new Set(known.keys()),
    actual: value.data,
    expected,
    trigger: bound,
    comparison,
    weight: (name) => session.weights.store.read(name).data,
    functionError,
  });
  if (judgement.verdict === "same") return { trace, agrees: true, suspect: null, evidence: "" };
  const worst = `max abs ${format(jsonNumber(metrics.maxAbs))}, ${format(metrics.ratio === null ? null : jsonNumber(metrics.ratio))} × the bound`;
  return {
    trace,
    agrees: false,
    suspect: judgement.at === "reference" ? "embedded" : "trace",
    evidence: `${worst}; ${noteOf(judgement, trace.name)}`,
  };
}

/** The judge speaks of port and reference; here both are references. */
function noteOf(
  { note, at }: { readonly note: string; readonly at: string },
  name: string,
): string {
  return at === "reference"
    ? note.replace("the port right and the reference wrong", `${name} right and ${EMBEDDED} wrong`)
    : note;
}

function libraryError(): (name: string) => FunctionError {
  const known = functionErrorOf("plain");
  return (name) => ({
    ulp: known(name).ulp + LIBRARY_ERROR.ulp,
    absolute: known(name).absolute + LIBRARY_ERROR.absolute,
  });
}

function verdictOn(
  session: QuorumSession,
  operation: Operation,
  opinions: readonly Opinion[],
): readonly Fault[] {
  const against = opinions.filter(({ agrees }) => !agrees);
  if (against.length === 0) return [];
  const fault = (name: string, evidence: string): Fault => ({
    component: "reference",
    layer: operation.layer,
    place: operation.id,
    evidence: `reference ${name}: ${evidence}`,
    cause: null,
    reproduce: session.reproduce(operation.id),
  });
  const majority = against.length > opinions.length - against.length + 1;
  if (majority) {
    const names = against.map(({ trace }) => trace.name).join(" and ");
    return [
      fault(EMBEDDED, `${names} give another value than it; ${(against[0] as Opinion).evidence}`),
    ];
  }
  const alone = opinions.length === 1;
  return against.map(({ trace, suspect, evidence }) => {
    if (alone && suspect === "embedded") return fault(EMBEDDED, evidence);
    const agreeing = [
      EMBEDDED,
      ...opinions.filter(({ agrees }) => agrees).map((one) => one.trace.name),
    ];
    const others = alone ? "" : `${agreeing.join(" and ")} agree with each other; `;
    return fault(trace.name, `${others}${evidence}`);
  });
}

/** Takes the quorum's faults over; the port's own comparison may have accused the reference at the same place. */
export function accuseOnce(faults: Fault[], accused: readonly Fault[]): void {
  const places = new Set(accused.map(({ place }) => place));
  const others = faults.filter(
    ({ component, place }) => component !== "reference" || !places.has(place),
  );
  faults.splice(0, faults.length, ...accused, ...others);
}

/** The reference that the port was compared with. */
export async function referenceInfo(session: Session): Promise<ReferenceInfo> {
  const options = session.original.referenceOptions;
  const [first] = session.resolved.references;
  const trace = session.traces.find(({ name }) => name === first);
  if (trace === undefined) {
    return { name: EMBEDDED, version: await session.process.version(), options };
  }
  const { graphOptimizationLevel: _, ...own } = options;
  return { name: trace.name, version: `${trace.library} ${trace.facts.version}`, options: own };
}

function outcomes(
  session: QuorumSession,
  selected: readonly Operation[],
  faults: readonly Fault[],
): ReferenceOutcome[] {
  const accused = (name: string) =>
    faults.filter(({ evidence }) => evidence.startsWith(`reference ${name}: `)).length;
  return session.traces.map((trace) => ({
    name: trace.name,
    library: trace.library,
    version: trace.facts.version,
    taps: {
      compared: selected.filter(({ id }) => trace.read(id) !== undefined).length,
      total: selected.length,
    },
    faults: accused(trace.name),
  }));
}
