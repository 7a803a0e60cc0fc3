import type { Architecture, WeightSpec } from "../architecture/architecture.js";
import { InputError } from "../errors.js";
import { sizeOf, type Tensor, tensor } from "../tensor/tensor.js";
import { openWeightStore } from "./open-weight-store.js";
import type { WeightEntry, WeightStore } from "./weight-store.js";

/** How made-up weights are to be. */
export interface SyntheticOptions {
  /** Whole number from 0 to 2^53 − 1; only its lower 32 bits count. */
  readonly seed: number;
  /** Factor on every kernel; default 1. */
  readonly gain?: number;
  /** Instead of `gain` for a convolution whose output goes straight into a [shortcut]; default 0.3. */
  readonly shortcutGain?: number;
}

/** 2^32 / golden ratio: what a seed is multiplied by. */
const SEED_STEP = 0x9e3779b9;

const TWO_POW_MINUS_24 = 2 ** -24;

/**
 * Weights by formula, the same in every language: float `i` of the whole file, counted in the file's
 * order, is a hash of `i` and the seed.
 *
 * With `h = fmix32(i + seed · 0x9E3779B9 mod 2^32)` (the finaliser of MurmurHash3) and
 * `u = (h >> 8) / 2^24`, in double precision and rounded once:
 *
 * - `kernel`: (2u − 1) · √(6 / fan-in) · gain, fan-in being the number of inputs of one output;
 * - `bias`, `mean`: 0.2 · (2u − 1);
 * - `scale`, `variance`: 0.5 + u;
 * - `weights` of a weighted sum, `value` of an implicit layer: 0.5 + u (the formula says nothing of
 *   them: positive numbers near 1 neither vanish in a product nor in a normalisation);
 * - every other role as `bias`.
 *
 * The values lie in shared memory: threads and processes read them without a copy.
 *
 * @throws {InputError} `option` for a seed or gain that is not a number as described, `limit` when
 * the weights do not fit in memory
 */
export function synthesizeWeights(
  architecture: Architecture,
  options: SyntheticOptions,
): WeightStore {
  const { seed, gain = 1, shortcutGain = 0.3 } = options;
  requireFinite("gain", gain);
  requireFinite("shortcutGain", shortcutGain);
  const base = hashBase(seed);
  const { entries, bytes } = layOut(architecture);
  const beforeShortcut = layersBeforeShortcut(architecture);
  const transposed = transposedKernels(architecture);
  for (const entry of entries) {
    const values = new Float32Array(bytes, entry.offset, sizeOf(entry.shape));
    const factor = beforeShortcut.has(entry.layer) ? shortcutGain : gain;
    fill(values, base + entry.offset / 4, ruleOf(entry, factor, transposed.has(entry.name)));
  }
  return openWeightStore({ source: { kind: "memory", bytes }, entries });
}

/**
 * An input by formula: value `i` in C order is `u` of {@link synthesizeWeights}, 0 ≤ u < 1.
 *
 * The seed is the hash's own: the conformance suite's models have weights of seed S and inputs of
 * seed S + 1.
 *
 * @throws {InputError} `option` for a seed that is not a whole number
 */
export function syntheticInput(shape: readonly number[], seed: number): Tensor {
  const values = new Float32Array(sizeOf(shape));
  fill(values, hashBase(seed), { offset: 0, root: 1, gain: 1, kind: "unit" });
  return tensor(shape, values);
}

function requireFinite(name: string, value: number): void {
  if (Number.isFinite(value)) return;
  throw new InputError("option", `${name} is ${value}, expected a finite number`);
}

/** seed · 0x9E3779B9 mod 2^32. */
function hashBase(seed: number): number {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new InputError("option", `seed is ${seed}, expected a whole number from 0 to 2^53 − 1`);
  }
  return Math.imul(seed % 2 ** 32, SEED_STEP);
}

function layOut(architecture: Architecture): { entries: WeightEntry[]; bytes: SharedArrayBuffer } {
  let count = 0;
  const entries = architecture.weights.map((spec): WeightEntry => {
    const entry: WeightEntry = { ...spec, offset: 4 * count, storage: "plain" };
    count += sizeOf(spec.shape);
    return entry;
  });
  try {
    return { entries, bytes: new SharedArrayBuffer(4 * count) };
  } catch (cause) {
    const message = `${architecture.name}: ${count} synthetic weights need ${4 * count} bytes, more than there is memory for`;
    // biome-ignore lint/style/useErrorCause: the cause is the third argument
    throw new InputError("limit", message, { cause });
  }
}

/** Indices of the convolutions whose output goes straight into a [shortcut], dropouts skipped. */
function layersBeforeShortcut(architecture: Architecture): Set<number> {
  const { layers } = architecture;
  const found = new Set<number>();
  layers.forEach((layer, position) => {
    if (layer.kind !== "convolutional") return;
    let next = position + 1;
    while (layers[next]?.kind === "dropout") next++;
    if (layers[next]?.kind === "shortcut") found.add(layer.index);
  });
  return found;
}

/** Names of the kernels that are stored [in, out, k, k]. */
function transposedKernels(architecture: Architecture): Set<string> {
  const operations = architecture.operations.filter(({ kind }) => kind === "conv-transpose");
  return new Set(operations.flatMap(({ weights }) => Object.values(weights)));
}

/** A value is `offset + u`, `0.2 · (2u − 1)` or `(2u − 1) · root · gain`. */
interface Rule {
  readonly kind: "unit" | "small" | "kernel";
  readonly offset: number;
  readonly root: number;
  readonly gain: number;
}

function ruleOf(spec: WeightSpec, gain: number, transposed: boolean): Rule {
  switch (spec.role) {
    case "kernel":
    case "recurrent_kernel":
      return { kind: "kernel", offset: 0, root: Math.sqrt(6 / fanIn(spec, transposed)), gain };
    case "scale":
    case "variance":
    case "weights":
    case "value":
      return { kind: "unit", offset: 0.5, root: 1, gain: 1 };
    default:
      return { kind: "small", offset: 0, root: 1, gain: 1 };
  }
}

/** Inputs of one output: of [out, in, k, k] and [out, in], of [places, out, in·k·k], of [in, out, k, k]. */
function fanIn({ shape, layout }: WeightSpec, transposed: boolean): number {
  if (layout !== undefined) return sizeOf(shape) / (shape[layout.indexOf("o")] ?? 1);
  if (shape.length === 3) return shape[2] ?? 1;
  return sizeOf(shape) / (shape[transposed ? 1 : 0] ?? 1);
}

/** `first` is the hash's argument for the first value. The hash is written out: 60 million values take a second. */
function fill(values: Float32Array, first: number, { kind, offset, root, gain }: Rule): void {
  const { length } = values;
  for (let k = 0, i = first | 0; k < length; k++, i = (i + 1) | 0) {
    let h = i;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    const u = ((h ^ (h >>> 16)) >>> 8) * TWO_POW_MINUS_24;
    if (kind === "kernel") values[k] = (2 * u - 1) * root * gain;
    else values[k] = kind === "small" ? 0.2 * (2 * u - 1) : offset + u;
  }
}
