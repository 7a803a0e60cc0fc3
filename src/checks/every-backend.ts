import { InputError, UnavailableError } from "../errors.js";
import { BACKENDS, type BackendName, isInstalled } from "../runtime/backend.js";
import { type BackendRun, mergeBackends } from "./merge-backends.js";
import type { LayerByLayerOptions, ProgressEvent } from "./options.js";
import type { LayerByLayerResult } from "./result.js";

/** One check on one back-end. */
type Run = (options: LayerByLayerOptions) => Promise<LayerByLayerResult>;

/**
 * Runs a check on every back-end that is installed, one after the other: each uses all cores.
 *
 * @param run - the check; it gets the options with one back-end's name
 * @throws {InputError} when the port or a file is unusable wherever it runs
 * @throws {UnavailableError} when the reference fails, or no back-end can start
 */
export async function onEveryBackend(
  options: LayerByLayerOptions,
  run: Run,
): Promise<LayerByLayerResult> {
  const runs: BackendRun[] = [];
  let refused: unknown;
  for (const [at, backend] of BACKENDS.entries()) {
    if (!isInstalled(backend)) {
      runs.push({ backend, failed: "unavailable", reason: "is not installed" });
      continue;
    }
    try {
      const result = await run({ ...options, backend, ...progressOf(options, backend, at) });
      // A port without TensorFlow.js computes the same wherever it is asked to.
      if (result.backend === "plain") return withoutBackend(result);
      runs.push({ backend, result });
    } catch (error) {
      runs.push(failureOf(backend, error));
      refused ??= error;
    }
  }
  if (runs.every((one) => !("result" in one))) throw refused;
  return mergeBackends(options, runs);
}

/** What a failed run says of its back-end; any other error ends all of them. */
function failureOf(backend: BackendName, error: unknown): BackendRun {
  if (error instanceof UnavailableError && error.code === "backend-missing") {
    return { backend, failed: "unavailable", reason: error.message };
  }
  if (!(error instanceof InputError) || error.code !== "port") throw error;
  const place = / forward failed after tap "([^"]+)"/.exec(error.message)?.[1];
  return {
    backend,
    failed: "failed",
    reason: error.message,
    ...(place === undefined ? {} : { place }),
  };
}

function withoutBackend(result: LayerByLayerResult): LayerByLayerResult {
  const told = "--backend all: the port does not use TensorFlow.js, so it ran once";
  return { ...result, warnings: [...result.warnings, told] };
}

/** Progress of all runs as that of one. */
function progressOf(
  { onProgress }: LayerByLayerOptions,
  backend: BackendName,
  at: number,
): Pick<LayerByLayerOptions, "onProgress"> {
  if (onProgress === undefined) return {};
  const show = (event: ProgressEvent) =>
    onProgress({
      ...event,
      done: event.total * at + event.done,
      total: event.total * BACKENDS.length,
      label: `${backend} ${event.label ?? ""}`.trim(),
    });
  return { onProgress: show };
}
