/**
 * The result of a run as plain data: the very object that `--json` writes. The schema that goes with
 * it is `report/result-schema.ts`; a field is added in both, and a change that breaks a reader of
 * the JSON raises the number in {@link RESULT_SCHEMA}.
 */

/** Names the contract and its version. */
export const RESULT_SCHEMA = "difftest/layer-by-layer/1";

/** A number as JSON can hold it: NaN and the infinities are words. */
export type JsonNumber = number | "NaN" | "Infinity" | "-Infinity";

/** Any JSON value. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [k: string]: Json };

/** A number as {@link JsonNumber}; -0 becomes 0, which JSON cannot tell apart anyway. */
export function jsonNumber(value: number): JsonNumber {
  if (Number.isFinite(value)) return value === 0 ? 0 : value;
  return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

/** The inverse of {@link jsonNumber}. */
export function numberFromJson(value: JsonNumber): number {
  return Number(value);
}

/** How taps run: `isolated` feeds each step with the reference's values, `cumulative` with the port's own. */
export type TapMode = "isolated" | "cumulative";

/** What was found at one tap. */
export type TapVerdict = "same" | "differs" | "shape" | "non-finite" | "missing" | "not-exercised";

/** What decided a tap's verdict: the steps of the derived tolerance, the caller's own, or a measured noise floor. */
export type TapBasis = "exact" | "trigger" | "hard" | "judge" | "given" | "noise";

/** The smallest change of each parameter that the tap's bound would have shown; `null` where the layer has none. */
export interface Sensitivity {
  /** Change of the negative slope of an activation. */
  readonly slope: JsonNumber | null;
  /** Change of a normalisation's epsilon. */
  readonly epsilon: JsonNumber | null;
  /** Relative change of the gain of one channel. */
  readonly gain: JsonNumber | null;
}

/** One tap in one mode. Shapes and indices are in the original's layout (NCHW). */
export interface TapResult {
  /** Id in the reference: `conv_0`, `conv_0/norm`. */
  readonly id: string;
  /** The port's own name of it; the same unless aligned without ids; `null` when the port has none. */
  readonly port: string | null;
  /** Index of the layer in the original. */
  readonly layer: number;
  /** Kind of the operation: `conv`, `batch-norm`, `activation`, … */
  readonly kind: string;
  /** Shape of the reference's values, batch included. */
  readonly shape: readonly number[];
  /** Shape of the port's values where it is another one; else `null`. */
  readonly actualShape: readonly number[] | null;
  /** How the tap was fed. */ readonly mode: TapMode;
  /** Largest |actual − expected|; `null` when no values were compared (shape, missing). */
  readonly maxAbs: JsonNumber | null;
  /** Largest |actual − expected| ÷ |expected| where expected is not 0. */
  readonly maxRel: JsonNumber | null;
  /** Root of the mean squared difference. */
  readonly rmse: JsonNumber | null;
  /** Cosine of the angle between both as vectors, -1…1. */
  readonly cosine: JsonNumber | null;
  /** Largest error ÷ bound; `null` where the bound is 0 and the values are equal, or nothing was compared. */
  readonly ratio: JsonNumber | null;
  /** Multi-index of the element with the largest ratio. */
  readonly worst: readonly number[] | null;
  /** Bound at the worst index. */
  readonly bound: JsonNumber | null;
  /** The port's value at the worst index. */
  readonly actual: JsonNumber | null;
  /** The reference's value at the worst index. */
  readonly expected: JsonNumber | null;
  /** What was found. */ readonly verdict: TapVerdict;
  /** What decided. */ readonly basis: TapBasis | null;
  /** The smallest faults that would have shown. */ readonly sensitivity: Sensitivity | null;
  /** Sentences for people: what the judge said, what was not exercised and why. */
  readonly notes: readonly string[];
  /** Only with `--backend all`: the back-end all these numbers are from, on which the tap is furthest off. */
  readonly backend?: string;
}

/** What one back-end found at one tap, with `--backend all`. */
export interface BackendTap {
  /** Tap id. */
  readonly id: string;
  /** How it was fed. */
  readonly mode: TapMode;
  /** What was found. */
  readonly verdict: TapVerdict;
  /** Largest difference. */
  readonly maxAbs: JsonNumber | null;
  /** Error ÷ bound. */
  readonly ratio: JsonNumber | null;
}

/** What one back-end came to, with `--backend all`. */
export interface BackendOutcome {
  /** Name of the back-end. */
  readonly backend: string;
  /** `failed`: the port ended with an exception on it. `unavailable`: it is not installed, or does not start. */
  readonly verdict: "same" | "differs" | "failed" | "unavailable";
  /** Why it failed or is unavailable; else `null`. */
  readonly reason: string | null;
  /** Its entries of the taps. */
  readonly taps: readonly BackendTap[];
}

/** Which part of a port (or of its surroundings) a fault is in. */
export type FaultComponent =
  | "pipeline"
  | "weights"
  | "model"
  | "loss"
  | "post"
  | "integration"
  | "framework"
  | "reference";

/** Something that needs explaining. */
export interface Fault {
  /** Which part is wrong. */ readonly component: FaultComponent;
  /** Only with component `reference`: which reference is accused, as it was asked for. */
  readonly reference?: string;
  /** Index of the layer in the original; `null` for a fault of no single layer. */
  readonly layer: number | null;
  /** Tap id, weight name or stage. */
  readonly place: string;
  /** What was seen, with numbers. */
  readonly evidence: string;
  /** A hypothesis that was tried and made the difference vanish, or `null`: unknown. */
  readonly cause: string | null;
  /** Command line that shows this fault again. */
  readonly reproduce: string;
}

/** How much of something was looked at. */
export interface Count {
  /** How many were compared. */ readonly compared: number;
  /** How many there are. */ readonly total: number;
}

/** How much of the original the run looked at. */
export interface Coverage {
  /** Taps of the reference that were compared, of all it has (sub-taps included). */
  readonly taps: Count;
  /** Elements of those taps, one input, one mode. */
  readonly elements: Count;
  /** Named tensors of the original's weights that were compared (or asked for, see {@link LayerByLayerResult.weightsChecked}). */
  readonly weights: Count;
  /** Reference layers without a port tap of their own on which a later compared tap depends. */
  readonly covered: readonly string[];
  /** Reference layers that no compared tap depends on: a failure. */
  readonly uncovered: readonly string[];
  /** Port taps without a partner in the reference: a failure. */
  readonly unpaired: readonly string[];
  /** Reference layers left out on request (`--taps`, `--partial`). */
  readonly excluded: readonly string[];
}

/** A port tap and the reference tap it was compared with. */
export interface TapPair {
  /** The port's name. */ readonly port: string;
  /** The reference's id. */ readonly reference: string;
}

/** How port taps were paired with reference taps. */
export interface Alignment {
  /** `id`: by equal names; `provenance`: by the weights each depends on; `shape`: by order and shapes. */
  readonly by: "id" | "provenance" | "shape";
  /** Every pair in the port's order. */
  readonly pairs: readonly TapPair[];
}

/** What the port was compared with: the first reference asked for that is not accused itself. */
export interface ReferenceInfo {
  /** Name of the reference, as it was asked for. */ readonly name: string;
  /** Its version. */ readonly version: string;
  /** What it was told. */ readonly options: { readonly [k: string]: Json };
}

/** What became of one of several references that were held against each other. */
export interface ReferenceOutcome {
  /** As it was asked for: `onnxruntime`, `darknet`, `golden:DIR`, `runner:COMMAND`. */
  readonly name: string;
  /** Who computed its values. */
  readonly library: string;
  /** Its version. */
  readonly version: string;
  /** Taps of it that were held against others, of all that the original has. */
  readonly taps: Count;
  /** Number of taps at which it is accused. */
  readonly faults: number;
}

/** Size of the network's input, in pixels (0 where it is no image); batch in images. */
export interface InputSize {
  /** Pixels. */ readonly width: number;
  /** Pixels. */ readonly height: number;
  /** Channels of the input. */ readonly channels: number;
  /** Images at a time. */ readonly batch: number;
}

/** Milliseconds of each stage, wall clock. */
export interface Timings {
  /** Reading files, milliseconds. */ readonly read: number;
  /** Lowering to ONNX, milliseconds. */ readonly lower: number;
  /** The reference, milliseconds. */ readonly reference: number;
  /** The port, milliseconds. */ readonly port: number;
  /** Verdicts and causes, milliseconds. */ readonly compare: number;
  /** All of it, milliseconds. */ readonly total: number;
}

/** What a run took. */
export interface MemoryUse {
  /** Bytes of all processes together, `null` where the system does not tell. */
  readonly peak: number | null;
}

/** Result of `difftest layer-by-layer`. The same call gives the same object but for timings and memory. */
export interface LayerByLayerResult {
  /** The contract and its version. */ readonly schema: typeof RESULT_SCHEMA;
  /** Whether everything agrees. */ readonly verdict: "same" | "differs";
  /** Command line that repeats the run. */
  readonly command: string;
  /** The port: name of a built-in one, or its file as given. */
  readonly model: string;
  /** The original: config file as given, or the name of the built-in config. */
  readonly original: string;
  /** The weights as given: a file, or `synthetic:SEED,gain=G` with both numbers. */
  readonly weights: string;
  /** The inputs as given, in the order of the batch. */
  readonly inputs: readonly string[];
  /** Size of the input. */ readonly size: InputSize;
  /** Every input of the original by name: its shape, in the original's layout. */
  readonly inputShapes: { readonly [name: string]: readonly number[] };
  /** Options of the port that were taken from the original: classes, anchors … */
  readonly options: { readonly [k: string]: Json };
  /** What ran the original. */ readonly reference: ReferenceInfo;
  /** With `--reference`: every reference that was held against the others; the embedded one always is. */
  readonly references?: readonly ReferenceOutcome[];
  /** Back-end that ran the port: `wasm`, `node`, `cpu`, `all`, or `plain` for a port without TensorFlow.js. */
  readonly backend: string;
  /** Only with `--backend all`: what each back-end came to. `taps` then has the one that is furthest off. */
  readonly backends?: readonly BackendOutcome[];
  /** `bound`, or `rtol=…,atol=…`. */
  readonly tolerance: string;
  /** How much was looked at. */ readonly coverage: Coverage;
  /** `verified`: the port's variables equal the file bit for bit; `asked-for`: only that it asked for them is known. */
  readonly weightsChecked: "verified" | "asked-for";
  /** How taps were paired. */ readonly alignment: Alignment;
  /** One entry a tap and mode, in the original's order, isolated before cumulative. */
  readonly taps: readonly TapResult[];
  /** What needs explaining, in the order of the original. */ readonly faults: readonly Fault[];
  /** Sentences about files and options. */ readonly warnings: readonly string[];
  /** Wall clock of each stage. */ readonly timings: Timings;
  /** `peak`: bytes of all processes together, `null` where the system does not tell. */
  readonly memory: MemoryUse;
}

/** What is written instead of a result on exit status 2 and 3. */
export interface ErrorResult {
  /** The contract and its version. */ readonly schema: typeof RESULT_SCHEMA;
  /** Always `error`. */ readonly verdict: "error";
  /** What went wrong. */ readonly error: {
    /** Stable word for programs. */ readonly code: string /** One line for people. */;
    /** One line for people. */ readonly message: string;
  };
}
