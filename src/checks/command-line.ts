import type { LayerByLayerOptions } from "./options.js";

/**
 * The command line that repeats a call, for `command` and for a fault's `reproduce`. Options at
 * their default are left out, but for weights and inputs: with them the line stands for itself.
 *
 * @param narrowed - options that replace those of the call, e.g. `{ taps: "conv_7", mode: "isolated" }`
 */
export function commandLine(
  options: LayerByLayerOptions,
  narrowed: Partial<LayerByLayerOptions> = {},
): string {
  const all: LayerByLayerOptions = { ...options, ...narrowed };
  const words = ["difftest", "layer-by-layer", "--model", all.model];
  const value = (name: string, given: string | number | undefined, usual?: string) => {
    if (given !== undefined && String(given) !== usual) words.push(name, String(given));
  };
  value("--original", all.original);
  value("--weights", all.weights ?? (holdsWeights(all.original) ? undefined : "synthetic:1"));
  for (const input of all.inputs?.length ? all.inputs : ["random:1"]) value("--input", input);
  value("--shape", all.shape);
  value("--preprocess", all.preprocess);
  value("--size", all.size);
  value("--batch", all.batch);
  value("--mode", all.mode, "both");
  value("--taps", all.taps, "*");
  value("--tolerance", all.tolerance, "bound");
  value("--reference", all.reference, "onnxruntime");
  value("--timeout", all.timeout, "600");
  value("--backend", all.backend, "wasm");
  value("--darknet", all.darknet, "alexeyab");
  for (const flag of ["partial", "lenient", "letterbox", "trust"] as const) {
    if (all[flag]) words.push(`--${flag}`);
  }
  if (all.cache === false) words.push("--no-cache");
  if (all.byName) words.push("--by-name");
  return words.map(quoted).join(" ");
}

/** Whether an original has weights of its own, which are then the default. */
function holdsWeights(original: string | undefined): boolean {
  return original !== undefined && !/\.(cfg|json)$/i.test(original);
}

/** A word as a POSIX shell takes it unchanged. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
