import { InputError } from "../../errors.js";
import type { DarknetArchitecture } from "../../formats/darknet/architecture.js";

/** A recorded gradient: negative, summed over the batch, as Darknet keeps it. */
export interface RecordedGradient {
  /** As the weight; that of an input as the input. */
  readonly values: ArrayLike<number>;
  /** What each value may be off by because of how it was stored; `null` for float32 itself. */
  readonly resolution: ArrayLike<number> | null;
}

/** What a library said of one training pass. */
export interface GradientRecording {
  readonly architecture: DarknetArchitecture;
  /** Every weight by name, as it was in that pass. */
  readonly weights: ReadonlyMap<string, ArrayLike<number>>;
  readonly inputs: ReadonlyMap<string, Float32Array>;
  /** In the library's own form; `null` where there was none. */
  readonly truth: ArrayLike<number> | null;
  /** Reported cost of each layer that has one, by the layer's id. */
  readonly costs: ReadonlyMap<string, number>;
  /** Delta of each layer with a cost right after the forward pass: negative gradient at what the layer gets. */
  readonly deltas: ReadonlyMap<string, ArrayLike<number>>;
  /** By the weight's name, or that of an input. */
  readonly updates: ReadonlyMap<string, RecordedGradient>;
  /** Output of layers in this pass, by the layer's id. */
  readonly forward: ReadonlyMap<string, ArrayLike<number>>;
}

/** What became of one recorded gradient, delta, cost or value. */
export interface GradientVerdict {
  /** `conv_0/bias`, `input`; `cost_2/delta`, `cost_2/cost`; a layer's id for its value in the forward pass. */
  readonly place: string;
  /** Index of the layer; `null` for an input. */
  readonly layer: number | null;
  /** `missing`: other gradients of the layer were recorded. `undecided`: kinks left too little to judge. */
  readonly verdict: "same" | "differs" | "missing" | "undecided";
  /** Largest error ÷ tolerance, `null` where nothing was judged. */
  readonly ratio: number | null;
  /** Of the worst single element; `null` where only all together were judged, or the value is no element. */
  readonly element: number | null;
  /** Recorded and true value there. */
  readonly recorded: number | null;
  readonly truth: number | null;
  /** Derivatives that were worked out, and those passed over since a kink lay there. */
  readonly judged: number;
  readonly kinks: number;
  /** What was seen, for people. */
  readonly evidence: string;
  /** A known approximation that explains the difference, where one does. */
  readonly cause: string | null;
}

/** A verdict on which nothing is known yet. */
export function blankVerdict({
  place,
  layer,
}: Pick<GradientVerdict, "place" | "layer">): GradientVerdict {
  return {
    place,
    layer,
    verdict: "same",
    ratio: null,
    element: null,
    recorded: null,
    truth: null,
    judged: 0,
    kinks: 0,
    evidence: "",
    cause: null,
  };
}

/** A number for people. */
export function inWords(value: number): string {
  return Number(value.toPrecision(6)).toString();
}

/** @throws {InputError} when a recorded value has another number of elements than what it is of */
export function checkSize(name: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new InputError("shape", `${name}: recorded with ${found} values, expected ${expected}`);
}
