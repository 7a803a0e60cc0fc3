import type { NamedSource } from "../inputs/model-inputs.js";
import { PREPROCESS_MODES, type PreprocessMode } from "../inputs/preprocess.js";
import type { InputSource } from "../inputs/read-inputs.js";
import { badValue, oneOf } from "../suggest.js";

/** What a running check tells about its progress. */
export interface ProgressEvent {
  /** What is being done. */ readonly stage: "read" | "lower" | "reference" | "port" | "compare";
  /** Steps done and steps in all, e.g. taps; `total` 0 where the number is not known. */
  readonly done: number;
  /** Steps in all; 0 where the number is not known. */ readonly total: number;
  /** What is being done, e.g. a tap id. */
  readonly label?: string;
}

/**
 * Options of `layerByLayer`, spelled as on the command line. Paths are relative to the working
 * directory. `resolveOptions` checks them and fills the defaults in.
 */
export interface LayerByLayerOptions {
  /**
   * Name of a built-in port (`difftest models`), the file of a port (`./my-port.ts`, `.js`, `.mjs`), `tfjs:` for TensorFlow.js'
   * own importer of Keras models, or `tfjs:DIR` for a model that its converter wrote.
   */
  readonly model: string;
  /** The original: a Darknet config, a Keras or an ONNX model. Default: the built-in port's own; needed beside a port file. */
  readonly original?: string;
  /** A weights file, or `synthetic:SEED[,gain=G]`. Default: what the original's file holds, else `synthetic:1`. */
  readonly weights?: string;
  /**
   * An image, a .npy in the original's layout, `random:SEED`, or `ids:LOW..HIGH[,seed=S]` (whole numbers), one each image of
   * the batch; `NAME=` before it says which of several inputs. @defaultValue `["random:1"]`
   */
  readonly inputs?: readonly string[];
  /** Sizes that the original leaves open: `batch=2,seq=16`, or of a whole input `ids=2x16`. */
  readonly shape?: string;
  /** How an image becomes the input of a Keras or ONNX original. */
  readonly preprocess?: PreprocessMode;
  /** Match the layers of a Keras file of weights by their names instead of their order. */
  readonly byName?: boolean;
  /** `416`, or `WIDTHxHEIGHT` in pixels. Default: the original's. */
  readonly size?: string | number;
  /** Images in the batch; each gets other values. Default: the number of inputs. */
  readonly batch?: number | string;
  /** @defaultValue `"both"` */
  readonly mode?: "isolated" | "cumulative" | "both";
  /** Pattern of the taps to compare: `*` stands for anything, commas separate. Default: all. */
  readonly taps?: string;
  /** `bound`, or `rtol=R,atol=A`. @defaultValue `"bound"` */
  readonly tolerance?: string;
  /**
   * What runs the original: `onnxruntime`, `darknet`, `keras`, `pytorch`, `golden:DIR`, `runner:COMMAND`. Several,
   * separated by commas, are held against each other; the first is what the port is compared with. @defaultValue `"onnxruntime"`
   */
  readonly reference?: string;
  /** Seconds a call to a runner may take. @defaultValue 600 */
  readonly timeout?: number | string;
  /** Use what a runner gave before, as long as only the port has changed. @defaultValue `true` */
  readonly cache?: boolean;
  /** Let code inside a model file run in a runner: pickles, Lambda layers, custom classes. */
  readonly trust?: boolean;
  /** TensorFlow.js back-end; `all`: each one that is installed, one after the other. @defaultValue `"wasm"` */
  readonly backend?: "wasm" | "node" | "cpu" | "all";
  /** Accept a weights file that ends after some layer, and compare up to there. */
  readonly partial?: boolean;
  /** Read damaged files as the library does, with a warning for each thing. */
  readonly lenient?: boolean;
  /** Whose rules hold where the two libraries differ. @defaultValue `"alexeyab"` */
  readonly darknet?: "alexeyab" | "pjreddie";
  /** Fit images into the input with their aspect ratio kept, on grey, instead of stretching them. */
  readonly letterbox?: boolean;
  /** Aborts the run: nothing is left behind, and the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called as the run goes on, at most some hundred times. */
  readonly onProgress?: (event: ProgressEvent) => void;
}

/** Where the weights come from. */
export type WeightsSource =
  | { readonly kind: "file"; readonly path: string }
  /** `gain` `null`: the one at which the model's activations neither vanish nor explode. */
  | { readonly kind: "synthetic"; readonly seed: number; readonly gain: number | null };

/** How far values may lie apart. */
export type ToleranceChoice =
  | { readonly kind: "bound" }
  /** |actual − expected| ≤ atol + rtol·|expected|. */
  | { readonly kind: "given"; readonly rtol: number; readonly atol: number };

/** {@link LayerByLayerOptions} with every value checked and every default filled in. */
export interface ResolvedOptions {
  readonly model: string;
  readonly original: string | null;
  /** `null`: the original's own, or made-up ones where it has none. */
  readonly weights: WeightsSource | null;
  readonly inputs: readonly NamedSource[];
  /** Open sizes by name, and whole shapes of inputs. */
  readonly shape: ReadonlyMap<string, readonly number[]>;
  readonly preprocess: PreprocessMode | null;
  readonly byName: boolean;
  /** Pixels; `null`: the original's. */
  readonly size: { readonly width: number; readonly height: number } | null;
  readonly batch: number;
  /** Whether `--batch` was given, and not only counted from the inputs. */
  readonly batchGiven: boolean;
  readonly mode: "isolated" | "cumulative" | "both";
  /** Whether a tap id was asked for. */
  readonly wantsTap: (id: string) => boolean;
  readonly tolerance: ToleranceChoice;
  /** At least one; the first is what the port is compared with. */
  readonly references: readonly string[];
  /** Milliseconds. */
  readonly timeoutMs: number;
  readonly cache: boolean;
  readonly trust: boolean;
  readonly backend: "wasm" | "node" | "cpu";
  /** `--backend all`: `backend` is then the first of them. */
  readonly everyBackend: boolean;
  readonly partial: boolean;
  readonly lenient: boolean;
  readonly darknet: "alexeyab" | "pjreddie";
  readonly letterbox: boolean;
}

/**
 * Largest side of the input. Published Darknet configs end at 1920; the limit only stops a typing
 * error from asking for terabytes.
 */
const MAX_SIDE = 16_384;
const MAX_BATCH = 1024;
/** Seeds are unsigned 32-bit numbers. */
const MAX_SEED = 2 ** 32 - 1;

/**
 * Checks every option and fills the defaults in.
 *
 * @throws {InputError} `option` for a value that is not understood
 */
export function resolveOptions(options: LayerByLayerOptions): ResolvedOptions {
  const backend = oneOf("--backend", options.backend ?? "wasm", BACKENDS);
  const inputs = (options.inputs ?? []).map(parseInput);
  const shape = parseShape(options.shape);
  return {
    model: options.model,
    original: options.original ?? null,
    weights: options.weights === undefined ? null : parseWeights(options.weights),
    inputs,
    shape,
    preprocess:
      options.preprocess === undefined
        ? null
        : oneOf("--preprocess", options.preprocess, PREPROCESS_MODES),
    byName: options.byName ?? false,
    size: options.size === undefined ? null : parseSize(String(options.size)),
    batch: parseBatch(String(options.batch ?? shape.get("batch")?.[0] ?? largestBatch(inputs))),
    batchGiven: options.batch !== undefined || shape.has("batch"),
    mode: oneOf("--mode", options.mode ?? "both", MODES),
    wantsTap: parseTaps(options.taps ?? "*"),
    tolerance: parseTolerance(options.tolerance ?? "bound"),
    references: parseReferences(options.reference ?? "onnxruntime"),
    timeoutMs: parseTimeout(String(options.timeout ?? 600)),
    cache: options.cache ?? true,
    trust: options.trust ?? false,
    backend: backend === "all" ? "wasm" : backend,
    everyBackend: backend === "all",
    partial: options.partial ?? false,
    lenient: options.lenient ?? false,
    darknet: oneOf("--darknet", options.darknet ?? "alexeyab", DARKNETS),
    letterbox: options.letterbox ?? false,
  };
}

/** Values of `--mode`. */
const MODES = ["isolated", "cumulative", "both"] as const;
/** Values of `--backend`. */
const BACKENDS = ["wasm", "node", "cpu", "all"] as const;
/** Values of `--darknet`. */
export const DARKNETS = ["alexeyab", "pjreddie"] as const;

/** @throws {InputError} when the text is no whole number of images */
function parseBatch(text: string): number {
  const batch = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (batch >= 1 && batch <= MAX_BATCH) return batch;
  throw badValue("--batch", text, `a whole number from 1 to ${MAX_BATCH}`);
}

/** @throws {InputError} when the text is neither `SIDE` nor `WIDTHxHEIGHT` */
function parseSize(text: string): { readonly width: number; readonly height: number } {
  const [, width, height = width] = /^(\d{1,9})(?:x(\d{1,9}))?$/.exec(text) ?? [];
  const size = { width: Number(width), height: Number(height) };
  const usable = (side: number) => side >= 1 && side <= MAX_SIDE;
  if (usable(size.width) && usable(size.height)) return size;
  throw badValue("--size", text, `416 or WIDTHxHEIGHT, in pixels, 1 to ${MAX_SIDE}`);
}

/** @throws {InputError} when `synthetic:` is not followed by a seed and, if at all, a gain */
function parseWeights(text: string): WeightsSource {
  if (!text.startsWith("synthetic")) return { kind: "file", path: text };
  const [, seed, gain] = /^synthetic:(\d{1,10})(?:,gain=(.+))?$/.exec(text) ?? [];
  const source = { seed: Number(seed), gain: gain === undefined ? null : Number(gain) };
  const usable = source.gain === null || (source.gain > 0 && Number.isFinite(source.gain));
  if (isSeed(source.seed) && usable) return { kind: "synthetic", ...source };
  throw badValue("--weights", text, "a file, or synthetic:SEED[,gain=G] such as synthetic:1");
}

/** Images of the input that has most of them. */
function largestBatch(inputs: readonly NamedSource[]): number {
  const counts = new Map<string | null, number>();
  for (const { input } of inputs) counts.set(input, (counts.get(input) ?? 0) + 1);
  return Math.max(1, ...counts.values());
}

/** @throws {InputError} when `random:` is not followed by a seed, or `ids:` by a range */
function parseInput(text: string): NamedSource {
  // A name has no separator of folders: `./a=b.npy` is a file.
  const [, name, rest] = /^([^=/\\]+)=(.+)$/.exec(text) ?? [];
  return { input: name ?? null, source: parseSource(rest ?? text, text) };
}

function parseSource(text: string, whole: string): InputSource {
  if (text.startsWith("ids:")) return parseIds(text, whole);
  if (!text.startsWith("random")) {
    return { kind: /\.npy$/i.test(text) ? "npy" : "image", path: text };
  }
  const [, seed] = /^random:(\d{1,10})$/.exec(text) ?? [];
  if (isSeed(Number(seed))) return { kind: "random", seed: Number(seed) };
  throw badValue("--input", whole, "an image, a .npy file, or random:SEED such as random:1");
}

/** Largest whole number that float32 holds with all those below it. */
const MAX_ID = 2 ** 24;

function parseIds(text: string, whole: string): InputSource {
  const [, low, high, seed = "1"] =
    /^ids:(-?\d{1,8})\.\.(-?\d{1,8})(?:,seed=(\d{1,10}))?$/.exec(text) ?? [];
  const ids = { low: Number(low), high: Number(high), seed: Number(seed) };
  const fits = (value: number) => Math.abs(value) <= MAX_ID;
  if (ids.low <= ids.high && fits(ids.low) && fits(ids.high) && isSeed(ids.seed)) {
    return { kind: "ids", ...ids };
  }
  throw badValue("--input", whole, "ids:LOW..HIGH[,seed=S] such as ids:0..30521");
}

/** Most elements of one axis that can be asked for; only stops a typing error. */
const MAX_AXIS = 2 ** 24;

/** @throws {InputError} when the text is not `NAME=SIZE` or `NAME=SIZExSIZE…`, separated by commas */
function parseShape(text: string | undefined): ReadonlyMap<string, readonly number[]> {
  const parts = text === undefined ? [] : text.split(",");
  return new Map(
    parts.map((part) => {
      const [, name, sizes] = /^(.+)=(\d{1,9}(?:x\d{1,9})*)$/.exec(part.trim()) ?? [];
      const shape = (sizes ?? "").split("x").map(Number);
      if (name === undefined || shape.some((size) => !(size >= 1 && size <= MAX_AXIS))) {
        throw badValue("--shape", text ?? "", "sizes such as batch=2,seq=16 or ids=2x16");
      }
      return [name, shape] as const;
    }),
  );
}

/** @throws {InputError} when the text is neither `bound` nor both of rtol and atol */
function parseTolerance(text: string): ToleranceChoice {
  if (text === "bound") return { kind: "bound" };
  const parts = new Map(text.split(",").map((part) => part.split("=", 2) as [string, string]));
  const [rtol, atol] = [Number(parts.get("rtol") || "?"), Number(parts.get("atol") || "?")];
  // NaN fails the comparison; infinity would accept everything and is no tolerance.
  const usable = (value: number) => value >= 0 && Number.isFinite(value);
  if (parts.size === 2 && usable(rtol) && usable(atol)) return { kind: "given", rtol, atol };
  throw badValue("--tolerance", text, "bound, or both numbers as in rtol=1e-4,atol=1e-5");
}

/** References that have a name of their own; others are `golden:DIR`, `runner:COMMAND` and `pytorch:MODULE.py:FUNCTION`. */
export const REFERENCES = ["onnxruntime", "darknet", "keras", "pytorch"] as const;

/** References behind whose name it stands where they are. */
const WITH_PLACE = /^(golden|runner|pytorch):./;

/** @throws {InputError} when one of the words, separated by commas, names no reference, or one twice */
function parseReferences(text: string): readonly string[] {
  // A comma may belong to a command or a folder: what is no reference belongs to the one before.
  const words: string[] = [];
  for (const word of text.split(",")) {
    const begins = WITH_PLACE.test(word) || (REFERENCES as readonly string[]).includes(word);
    const open = WITH_PLACE.test(words.at(-1) ?? "");
    if (begins || !open) words.push(word);
    else words.push(`${words.pop()},${word}`);
  }
  for (const [at, word] of words.entries()) {
    if (!WITH_PLACE.test(word)) oneOf("--reference", word, REFERENCES);
    if (words.indexOf(word) !== at) throw badValue("--reference", text, "each reference once");
  }
  return words;
}

/** Longest time of a call that can be asked for: a day, in seconds. */
const MAX_TIMEOUT = 86_400;

/** @throws {InputError} when the text is no number of seconds */
function parseTimeout(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds > 0 && seconds <= MAX_TIMEOUT) return 1000 * seconds;
  throw badValue("--timeout", text, `seconds, above 0, at most ${MAX_TIMEOUT}`);
}

/**
 * A predicate of tap ids from patterns separated by commas, in which `*` stands for anything.
 * `conv_3` also means its sub-taps `conv_3/…`.
 *
 * @throws {InputError} when a pattern is empty
 */
function parseTaps(text: string): (id: string) => boolean {
  const patterns = text.split(",").map((pattern) => pattern.trim());
  if (patterns.includes("")) throw badValue("--taps", text, "patterns such as conv_3,route_*");
  const tests = patterns.map((pattern) => {
    const body = pattern.split("*").map(escapeRegExp).join(".*");
    return new RegExp(`^${body}(/.*)?$`);
  });
  return (id) => tests.some((test) => test.test(id));
}

function isSeed(seed: number): boolean {
  return Number.isInteger(seed) && seed >= 0 && seed <= MAX_SEED;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
