import { commandLine } from "./command-line.js";
import type { LayerByLayerOptions } from "./options.js";
import type {
  BackendOutcome,
  Fault,
  LayerByLayerResult,
  TapResult,
  TapVerdict,
  Timings,
} from "./result.js";

/** One back-end's run, or why there is none. */
export type BackendRun =
  | { readonly backend: string; readonly result: LayerByLayerResult }
  | {
      readonly backend: string;
      readonly failed: "failed" | "unavailable";
      readonly reason: string;
      /** For a failure of the port: its last tap. */
      readonly place?: string;
    };

interface Done {
  readonly backend: string;
  readonly result: LayerByLayerResult;
}

/** From harmless to hopeless. */
const SEVERITY: readonly TapVerdict[] = [
  "same",
  "not-exercised",
  "differs",
  "non-finite",
  "shape",
  "missing",
];

/**
 * One result of several back-ends' runs of the same port.
 *
 * A fault that all of them show is the port's. One that only some show is none of the arithmetic
 * that the port asks for: it becomes a fault of component `framework`, with the back-ends that are
 * right as its evidence.
 *
 * @param options - of the call, with `backend: "all"`
 * @param runs - in the order of the report; one at least has a result
 */
export function mergeBackends(
  options: LayerByLayerOptions,
  runs: readonly BackendRun[],
): LayerByLayerResult {
  const done = runs.filter((run): run is Done => "result" in run);
  const base = (done[0] as Done).result;
  const faults = [...failureFaults(options, runs), ...mergedFaults(options, runs)];
  return {
    ...base,
    verdict: faults.length > 0 || done.some(isOff) ? "differs" : "same",
    command: commandLine(options),
    backend: "all",
    backends: runs.map(outcomeOf),
    taps: worstTaps(done),
    faults,
    warnings: mergedWarnings(done, runs),
    timings: totalOf(done.map(({ result }) => result.timings)),
    memory: { peak: highest(done.map(({ result }) => result.memory.peak)) },
  };
}

function isOff({ result }: Done): boolean {
  return result.verdict === "differs";
}

function outcomeOf(run: BackendRun): BackendOutcome {
  if (!("result" in run)) {
    return { backend: run.backend, verdict: run.failed, reason: run.reason, taps: [] };
  }
  const taps = run.result.taps.map(({ id, mode, verdict, maxAbs, ratio }) => ({
    id,
    mode,
    verdict,
    maxAbs,
    ratio,
  }));
  return { backend: run.backend, verdict: run.result.verdict, reason: null, taps };
}

/** Every tap once a mode, from the back-end on which it is furthest off; taps that only some reached come last. */
function worstTaps(done: readonly Done[]): TapResult[] {
  const worst = new Map<string, TapResult>();
  for (const { backend, result } of done) {
    for (const tap of result.taps) {
      const key = `${tap.mode} ${tap.id}`;
      const known = worst.get(key);
      if (known === undefined || isWorse(tap, known)) worst.set(key, { ...tap, backend });
    }
  }
  return [...worst.values()];
}

function isWorse(tap: TapResult, other: TapResult): boolean {
  const [a, b] = [tap, other].map(({ verdict }) => SEVERITY.indexOf(verdict)) as [number, number];
  if (a !== b) return a > b;
  const [ratio, known] = [tap, other].map(({ ratio }) => Number(ratio ?? 0)) as [number, number];
  return Number.isNaN(ratio) ? !Number.isNaN(known) : ratio > known;
}

/** Faults in the order of the first back-end that shows each. */
function mergedFaults(options: LayerByLayerOptions, runs: readonly BackendRun[]): Fault[] {
  const done = runs.filter((run): run is Done => "result" in run);
  const found = new Map<string, { readonly fault: Fault; readonly on: Done[] }>();
  for (const run of done) {
    for (const fault of run.result.faults) {
      const key = `${fault.component} ${fault.reference ?? ""} ${fault.place}`;
      const known = found.get(key);
      if (known === undefined) found.set(key, { fault, on: [run] });
      else known.on.push(run);
    }
  }
  return [...found.values()].map(({ fault, on }) => {
    const off = done.filter((run) => !on.includes(run));
    // Right on no other back-end, as far as is known: then nothing speaks against the port itself.
    if (off.length === 0 || fault.component === "reference") return fault;
    return frameworkFault(options, fault, on, off);
  });
}

function frameworkFault(
  options: LayerByLayerOptions,
  fault: Fault,
  on: readonly Done[],
  off: readonly Done[],
): Fault {
  const isTap = on[0]?.result.taps.some(
    ({ id, mode }) => id === fault.place && mode === "isolated",
  );
  const narrowed = isTap ? { taps: fault.place, mode: "isolated" as const } : {};
  const right = off.map((run) => `${run.backend}${nearness(run, fault.place)}`);
  return {
    ...fault,
    component: "framework",
    evidence: `on ${listed(on.map(({ backend }) => backend))} only: ${fault.evidence}; the same port is right on ${listed(right)}`,
    reproduce: commandLine(options, narrowed),
  };
}

/** How near the tap is to the reference on a back-end where it is right. */
function nearness({ result }: Done, place: string): string {
  const tap = result.taps.find(({ id, mode }) => id === place && mode === "isolated");
  const ratio = tap?.ratio ?? null;
  return typeof ratio === "number" ? ` (${ratio.toPrecision(2)} × the bound)` : "";
}

/** A port that ends with an exception on one back-end and runs on another. */
function failureFaults(options: LayerByLayerOptions, runs: readonly BackendRun[]): Fault[] {
  const right = listed(runs.flatMap((run) => ("result" in run ? [run.backend] : [])));
  return runs.flatMap((run) =>
    "result" in run || run.failed === "unavailable"
      ? []
      : [
          {
            component: "framework" as const,
            layer: null,
            place: run.place ?? "forward",
            evidence: `on ${run.backend} the port fails: ${run.reason}; on ${right} it runs`,
            cause: null,
            reproduce: commandLine(options),
          },
        ],
  );
}

/** Warnings of all back-ends once, those of some with their names; and which back-ends could not run. */
function mergedWarnings(done: readonly Done[], runs: readonly BackendRun[]): string[] {
  const all = [...new Set(done.flatMap(({ result }) => result.warnings))].map((warning) => {
    const on = done.filter(({ result }) => result.warnings.includes(warning));
    return on.length === done.length
      ? warning
      : `on ${listed(on.map(({ backend }) => backend))}: ${warning}`;
  });
  const missing = runs.flatMap((run) =>
    "result" in run || run.failed === "failed" ? [] : [`not run on ${run.backend}: ${run.reason}`],
  );
  return [...all, ...missing];
}

function totalOf(timings: readonly Timings[]): Timings {
  const sum = (key: keyof Timings) => timings.reduce((total, one) => total + one[key], 0);
  return {
    read: sum("read"),
    lower: sum("lower"),
    reference: sum("reference"),
    port: sum("port"),
    compare: sum("compare"),
    total: sum("total"),
  };
}

function highest(values: readonly (number | null)[]): number | null {
  return values.reduce((a, b) => (a === null ? b : b === null ? a : Math.max(a, b)), null);
}

/** `wasm, node and cpu`. */
function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? "";
  return names.length < 2 ? last : `${names.slice(0, -1).join(", ")} and ${last}`;
}
