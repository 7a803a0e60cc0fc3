import type { PreparedTaps } from "../references/onnxruntime/prepare-taps.js";
import { runnerCommand } from "../references/runner/installed.js";
import { RunnerClient } from "../references/runner/runner-client.js";
import { TraceReference } from "../references/trace-reference.js";
import type { Tensor } from "../tensor/tensor.js";
import type { LayerByLayerOptions, ResolvedOptions } from "./options.js";
import { originalPathOf } from "./original.js";
import type { OpenedWeights, Original } from "./originals/original.js";
import { EMBEDDED, type OpenedTrace, openTrace } from "./reference-traces.js";
import { functionErrorsOf, type Session } from "./session.js";

/**
 * Unless the caller says whose rules hold, those of the library that was asked for do.
 *
 * @param given - `--darknet`
 */
export async function inDialect(
  resolved: ResolvedOptions,
  given: string | undefined,
): Promise<ResolvedOptions> {
  if (given !== undefined || !resolved.references.includes("darknet")) return resolved;
  const client = await RunnerClient.start(runnerCommand("darknet"), {
    timeoutMs: resolved.timeoutMs,
  });
  const { dialect } = client.facts.fields;
  await client.close();
  return dialect === "pjreddie" ? { ...resolved, darknet: dialect } : resolved;
}

/** Runs every reference but the embedded one; goldens are read. */
export async function openTraces(
  original: Original,
  weights: OpenedWeights,
  inputs: ReadonlyMap<string, Tensor>,
  resolved: ResolvedOptions,
  options: LayerByLayerOptions,
): Promise<readonly OpenedTrace[]> {
  const traces: OpenedTrace[] = [];
  for (const name of resolved.references) {
    if (name === EMBEDDED) continue;
    traces.push(
      await openTrace(name, {
        resolved,
        original,
        originalPath: originalPathOf(resolved),
        weights,
        inputs,
        timeoutMs: resolved.timeoutMs,
        trust: resolved.trust,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      }),
    );
  }
  return traces;
}

/** Makes the values of every planned tap ready: of the first reference asked for. */
export async function playReference(
  session: Session,
  prepared: PreparedTaps,
  onReady: (index: number) => void,
): Promise<void> {
  const { resolved, reference, input } = session;
  const trace = session.traces.find(({ name }) => name === resolved.references[0]);
  if (trace === undefined) {
    await reference.record(prepared, input.tensors, onReady);
    return;
  }
  const steps = new TraceReference(trace, reference, session.original.architecture, input.tensors);
  await steps.record(prepared, session.process.scratch, functionErrorsOf(session), onReady);
}
