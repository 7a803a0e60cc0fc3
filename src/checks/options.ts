import { badValue, oneOf } from "../suggest.js";

/** What a running check tells about its progress. */
export interface ProgressEvent {
  readonly stage: "read" | "lower" | "reference" | "port" | "compare";
  /** Steps done and steps in all, e.g. taps; `total` 0 where the number is not known. */
  readonly done: number;
  readonly total: number;
  /** What is being done, e.g. a tap id. */
  readonly label?: string;
}

/**
 * Options of `layerByLayer`, spelled as on the command line. Paths are relative to the working
 * directory. {@link resolveOptions} checks them and fills the defaults in.
 */
export interface LayerByLayerOptions {
  /** Name of a built-in port (`difftest models`), or the file of a port: `./my-port.ts`, `.js`, `.mjs`. */
  readonly model: string;
  /** Config file of the original. Default: the built-in port's own config; needed beside a port file. */
  readonly original?: string;
  /** A weights file, or `synthetic:SEED[,gain=G]`. @defaultValue `"synthetic:1"` */
  readonly weights?: string;
  /** An image, a .npy in the original's layout (NCHW), or `random:SEED`, one each image of the batch. @defaultValue `["random:1"]` */
  readonly inputs?: readonly string[];
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

/** Where one image of the batch (or, for .npy, the whole batch) comes from. */
export type InputSource =
  | { readonly kind: "random"; readonly seed: number }
  | { readonly kind: "npy"; readonly path: string }
  | { readonly kind: "image"; readonly path: string };

/** How far values may lie apart. */
export type ToleranceChoice =
  | { readonly kind: "bound" }
  /** |actual − expected| ≤ atol + rtol·|expected|. */
  | { readonly kind: "given"; readonly rtol: number; readonly atol: number };

/** {@link LayerByLayerOptions} with every value checked and every default filled in. */
export interface ResolvedOptions {
  readonly model: string;
  readonly original: string | null;
  readonly weights: WeightsSource;
  readonly inputs: readonly InputSource[];
  /** Pixels; `null`: the original's. */
  readonly size: { readonly width: number; readonly height: number } | null;
  readonly batch: number;
  readonly mode: "isolated" | "cumulative" | "both";
  /** Whether a tap id was asked for. */
  readonly wantsTap: (id: string) => boolean;
  readonly tolerance: ToleranceChoice;
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
  const inputs = (options.inputs?.length ? options.inputs : ["random:1"]).map(parseInput);
  return {
    model: options.model,
    original: options.original ?? null,
    weights: parseWeights(options.weights ?? "synthetic:1"),
    inputs,
    size: options.size === undefined ? null : parseSize(String(options.size)),
    batch: parseBatch(String(options.batch ?? inputs.length)),
    mode: oneOf("--mode", options.mode ?? "both", MODES),
    wantsTap: parseTaps(options.taps ?? "*"),
    tolerance: parseTolerance(options.tolerance ?? "bound"),
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

/** @throws {InputError} when `random:` is not followed by a seed */
function parseInput(text: string): InputSource {
  if (!text.startsWith("random")) {
    return { kind: /\.npy$/i.test(text) ? "npy" : "image", path: text };
  }
  const [, seed] = /^random:(\d{1,10})$/.exec(text) ?? [];
  if (isSeed(Number(seed))) return { kind: "random", seed: Number(seed) };
  throw badValue("--input", text, "an image, a .npy file, or random:SEED such as random:1");
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
