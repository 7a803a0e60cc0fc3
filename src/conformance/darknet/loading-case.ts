import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../errors.js";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../../formats/darknet/architecture.js";
import { readDarknetConfig } from "../../formats/darknet/config.js";
import type { DarknetDialect } from "../../formats/darknet/dialect.js";
import { readNpy } from "../../formats/npy/npy-reader.js";
import { openDarknetWeights } from "../../weights/darknet-weights.js";
import type { CaseResult } from "../suite.js";
import type { DarknetManifest } from "./manifest.js";

/**
 * Runs one case of area D: a weights file, sound or damaged, by each library's rules.
 *
 * A file that a library reads as intended must load, with those values. Any other is refused with a
 * clear error, or, read leniently, gives what the library holds after loading.
 */
export function loadingCase(
  folder: string,
  manifest: DarknetManifest,
): Omit<CaseResult, "id" | "area"> {
  let judged = 0;
  for (const dialect of ["alexeyab", "pjreddie"] as const) {
    const oracle = manifest.perOracle?.[dialect];
    const held = oracle?.parametersAfterLoading;
    if (oracle === undefined || held === undefined) continue;
    judged += 1;
    const { equalToIntended, total = 0 } = oracle;
    const sound = equalToIntended === total && bytesFit(folder, manifest, total);
    const loaded = readNpy(readFileSync(join(folder, held.file)), "loaded").data as Float32Array;
    const problem = checkDialect(folder, manifest, dialect, loaded, sound);
    if (problem !== undefined) return { status: "failed", detail: `${dialect}: ${problem}` };
  }
  if (judged === 0)
    return { status: "not covered", detail: "records no library that can be followed" };
  return { status: "passed", detail: "", distance: 0 };
}

/** Tensors that the libraries start with random numbers. */
const RANDOM_START = /\/(?:kernel|weights|value)$/;

function checkDialect(
  folder: string,
  manifest: DarknetManifest,
  dialect: DarknetDialect,
  loaded: Float32Array,
  sound: boolean,
): string | undefined {
  const architecture = architectureFromDarknet(readDarknetConfig(join(folder, "net.cfg")), {
    dialect,
  });
  const file = join(folder, manifest.weights?.file ?? "net.weights");
  const strict = attempt(() => valuesOf(file, architecture, false));
  if (strict instanceof Float32Array) return sameValues(strict, loaded) ?? undefined;
  if (sound) return `a sound file is refused: ${strict.message}`;
  const lenient = attempt(() => valuesOf(file, architecture, true));
  // Refusing is right; reading on must then give what the library has.
  return lenient instanceof Float32Array ? sameValues(lenient, loaded) : undefined;
}

function attempt(work: () => Float32Array): Float32Array | InputError {
  try {
    return work();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

/** All parameters in the file's order; NaN where the file has no value. */
function valuesOf(file: string, architecture: DarknetArchitecture, lenient: boolean): Float32Array {
  const { store, missing } = openDarknetWeights(file, architecture, { lenient });
  try {
    const parts = store.specs.map(({ name }) => {
      const values = store.read(name).data;
      const short = missing.find((one) => one.name === name);
      // What the file has not all of is the library's random start there, wherever a transposition puts it.
      return short !== undefined && RANDOM_START.test(name)
        ? values.map((value) => (value === 0 ? Number.NaN : value))
        : values;
    });
    const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  } finally {
    store.close();
  }
}

/** NaN on either side: the file has no value and the library keeps a random start value; anything will do. */
function sameValues(actual: Float32Array, loaded: Float32Array): string | undefined {
  if (actual.length !== loaded.length)
    return `${actual.length} parameters, expected ${loaded.length}`;
  for (const [at, expected] of loaded.entries()) {
    const value = actual[at] as number;
    if (!Number.isNaN(expected) && !Number.isNaN(value) && value !== expected)
      return `parameter ${at} is ${value}, expected ${expected}`;
  }
  return undefined;
}

/** Whether the file is as long as its header and parameters need: a longer or shorter one is damaged. */
function bytesFit(folder: string, manifest: DarknetManifest, floats: number): boolean {
  const bytes = readFileSync(join(folder, manifest.weights?.file ?? "net.weights"));
  return [16, 20].some((header) => bytes.length === header + 4 * floats);
}
