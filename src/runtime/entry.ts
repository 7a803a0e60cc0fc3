import { fileURLToPath } from "node:url";

/** A module to start in a worker or a child process, and the Node options it needs. */
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
