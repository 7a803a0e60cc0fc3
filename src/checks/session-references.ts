import { InputError } from "../errors.js";
import type { PreparedTaps } from "../references/onnxruntime/prepare-taps.js";
import type { Tensor } from "../tensor/tensor.js";
import { commandLine } from "./command-line.js";
import { EMBEDDED } from "./embedded.js";
import type { LayerByLayerOptions, ResolvedOptions } from "./options.js";
import { openOriginal, originalPathOf } from "./original.js";
import type { OpenedWeights, Original } from "./originals/original.js";
import type { Quorum } from "./quorum.js";
import type { OpenedTrace } from "./reference-traces.js";
import type { ReferenceInfo } from "./result.js";
import { functionErrorsOf, type Session } from "./session.js";

/**
 * Unless the caller says whose rules hold, those of the library or the golden that was asked for do.
 *
 * @param given - `--darknet`
 */
async function inDialect(
  resolved: ResolvedOptions,
  given: string | undefined,
): Promise<ResolvedOptions> {
  const others = resolved.references.filter((name) => name !== EMBEDDED);
  if (given !== undefined || others.length === 0) return resolved;
  const { goldenDialect } = await import("./reference-traces.js");
  for (const reference of others) {
    const dialect =
      reference === "darknet" ? await liveDialect(resolved) : goldenDialect(reference);
    if (dialect !== undefined) return { ...resolved, darknet: dialect };
  }
  return resolved;
}

async function liveDialect({ timeoutMs }: ResolvedOptions): Promise<"pjreddie" | undefined> {
  const { runnerCommand } = await import("../references/runner/installed.js");
  const { RunnerClient } = await import("../references/runner/runner-client.js");
  const client = await RunnerClient.start(runnerCommand("darknet"), { timeoutMs });
  const { dialect } = client.facts.fields;
  await client.close();
  return dialect === "pjreddie" ? dialect : undefined;
}

/**
 * A library that does not know what an original asks for computes another network, and would speak against every port.
 *
 * @param original - as read by the rules of the library, which nobody asked for by name
 * @throws {InputError} naming what is lost
 */
async function refuseOtherNetwork(original: Original, resolved: ResolvedOptions): Promise<void> {
  const meant = await openOriginal({ ...resolved, darknet: "alexeyab" });
  const lost = original.warnings.find((warning) => !meant.warnings.includes(warning));
  if (lost === undefined) return;
  throw new InputError(
    "unsupported",
    `reference darknet: its library is ${resolved.darknet}'s, which computes another network (${lost}); build the runner against AlexeyAB's library (references/darknet/README.md), or add --darknet ${resolved.darknet} for a port of what it does compute`,
  );
}

/** Opens the original by the rules that hold: those of the library that was asked for, unless the caller says whose. */
export async function openInDialect(
  options: ResolvedOptions,
  given: string | undefined,
): Promise<{ readonly resolved: ResolvedOptions; readonly original: Original }> {
  const resolved = await inDialect(options, given);
  const original = await openOriginal(resolved);
  if (resolved.darknet !== options.darknet) await refuseOtherNetwork(original, resolved);
  return { resolved, original };
}

/** Runs every reference but the embedded one; goldens are read. */
export async function openTraces(
  original: Original,
  weights: OpenedWeights,
  inputs: ReadonlyMap<string, Tensor>,
  resolved: ResolvedOptions,
  options: LayerByLayerOptions,
): Promise<readonly OpenedTrace[]> {
  const others = resolved.references.filter((name) => name !== EMBEDDED);
  if (others.length === 0) return [];
  const { openTrace } = await import("./reference-traces.js");
  const { ReferenceCache } = await import("../record/reference-cache.js");
  const { cacheFolder } = await import("../runtime/cache-folder.js");
  const folder = resolved.cache ? cacheFolder() : null;
  const traces: OpenedTrace[] = [];
  for (const name of others) {
    traces.push(
      await openTrace(name, {
        resolved,
        original,
        originalPath: originalPathOf(resolved),
        weights,
        inputs,
        timeoutMs: resolved.timeoutMs,
        trust: resolved.trust,
        ...(folder === null ? {} : { cache: new ReferenceCache(folder) }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      }),
    );
  }
  return traces;
}

/** Holds all references against each other, where more than the embedded one was asked for. */
export async function quorumOf(session: Omit<Session, "quorum">): Promise<Quorum | null> {
  if (session.traces.length === 0) return null;
  const { holdQuorum } = await import("./quorum.js");
  return await holdQuorum({
    ...session,
    inputs: session.input.tensors,
    version: await session.process.version(),
    reproduce: (taps) => commandLine(session.options, { taps }),
  });
}

/** The reference that a port is compared with; `null`: the embedded one. */
function playedTrace({ traces, quorum }: Session): OpenedTrace | null {
  return traces.find(({ name }) => name === quorum?.trusted) ?? null;
}

/**
 * The taps whose values are the reference's own. A step inside a layer that it has not recorded is computed from the
 * layer before; what follows may be off from the recorded layer by the rounding since that one.
 */
export function beginningsIn(session: Session, taps: readonly string[]): readonly string[] {
  const trace = playedTrace(session);
  if (trace === null) return taps;
  const own = new Set(trace.taps);
  return taps.filter((id) => own.has(id));
}

/** What the port was compared with, for the result. */
export async function referenceInfo(session: Session): Promise<ReferenceInfo> {
  const options = session.original.referenceOptions;
  const trace = playedTrace(session);
  if (trace === null) {
    return { name: EMBEDDED, version: await session.process.version(), options };
  }
  const { graphOptimizationLevel: _, ...own } = options;
  return { name: trace.name, version: `${trace.library} ${trace.facts.version}`, options: own };
}

/** Makes the values of every planned tap ready: of the reference that a port is compared with. */
export async function playReference(
  session: Session,
  prepared: PreparedTaps,
  onReady: (index: number) => void,
): Promise<void> {
  const { reference, input } = session;
  const trace = playedTrace(session);
  if (trace === null) {
    await reference.record(prepared, input.tensors, onReady);
    return;
  }
  const { TraceReference } = await import("../references/trace-reference.js");
  // A port that taps layers computes from layers: steps inside them, which a golden may have, are no beginnings.
  const planned = new Set(prepared.plan.taps.map(({ id }) => id));
  const { architecture } = session.original;
  const steps = new TraceReference(trace, reference, architecture, input.tensors, (id) =>
    planned.has(id),
  );
  await steps.record(prepared, session.process.scratch, functionErrorsOf(session), onReady);
}
