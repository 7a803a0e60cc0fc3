import { fileURLToPath } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";

/** A module to start in a child process, and the Node options it needs. */
export interface Entry {
  readonly path: string;
  readonly execArgv: readonly string[];
}

/**
 * Finds a sibling module, compiled or (in a checkout, under the test runner) as source.
 *
 * @param base - `import.meta.url` of the caller
 * @param specifier - relative, ending in `.js`
 */
export function entryOf(base: string, specifier: string): Entry {
  const source = base.endsWith(".ts");
  const url = new URL(source ? specifier.replace(/\.js$/, ".ts") : specifier, base);
  return { path: fileURLToPath(url), execArgv: source ? ["--import", "tsx"] : [] };
}

/** Starts a sibling module as a thread, compiled or as source. */
export function startThread(base: string, specifier: string, options: WorkerOptions): Worker {
  const { path, execArgv } = entryOf(base, specifier);
  if (execArgv.length === 0) return new Worker(path, options);
  // Node 20 does not run `--import` hooks in a thread: the loader is registered by hand.
  const start = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(path)}); })`;
  return new Worker(start, { ...options, eval: true });
}
