import type { WeightStoreDescription } from "../../weights/weight-store.js";

/** Descriptor at which the child finds the scratch file, and the weights where they have no path. */
export const SCRATCH_FD = 4;
export const WEIGHTS_FD = 5;

/** Where an input of a graph comes from. */
export type FeedSource =
  | {
      readonly kind: "value";
      readonly shape: readonly number[];
      readonly data: Float32Array;
      /** Element type in the graph, as the runtime calls it; default `float32`. */
      readonly type?: string;
    }
  /** An output of an earlier run that was asked to be kept. */
  | { readonly kind: "kept"; readonly name: string };

/** What happens to an output: any combination. */
export interface OutputRequest {
  /** Name in the graph. */
  readonly name: string;
  /** Send the values with the answer. */
  readonly send?: boolean;
  /** Keep the values in the child under this name, as a feed of later runs. */
  readonly keep?: string;
  /** Write the values to the scratch file at this byte offset. */
  readonly offset?: number;
  /** Number of bytes that were reserved there: other sizes are an error. */
  readonly bytes?: number;
}

/** One graph to run. */
export interface RunRequest {
  readonly model: Uint8Array;
  /** External initializers: location in the model → the weight whose values it holds. */
  readonly initializers: readonly { readonly location: string; readonly weight: string }[];
  /** Values of initializers that replace the stored ones (causes are tried this way). */
  readonly overrides?: Readonly<Record<string, Float32Array>>;
  readonly feeds: Readonly<Record<string, FeedSource>>;
  readonly outputs: readonly OutputRequest[];
  /** Optimization level; `disabled` is the reference, `all` measures noise. */
  readonly level: "disabled" | "all";
  /** Kept values that nobody needs any more after this run. */
  readonly drop?: readonly string[];
  /** Where the model's external data lies. */
  readonly folder?: string;
}

/** What one output turned out to be. */
export interface OutputAnswer {
  readonly name: string;
  readonly shape: readonly number[];
  /** Element type, as the runtime calls it. */
  readonly type: string;
  /** The numbers, whatever their type; without them where it holds none (text). */
  readonly data?: Float32Array;
}

/** Messages to the child. */
export type ToChild =
  | { readonly id: number; readonly type: "open"; readonly weights: WeightStoreDescription }
  | { readonly id: number; readonly type: "run"; readonly run: RunRequest }
  | { readonly id: number; readonly type: "version" };

/** Messages from the child. */
export type FromChild =
  | {
      readonly id: number;
      readonly ok: true;
      readonly outputs?: readonly OutputAnswer[];
      readonly version?: string;
      readonly ms?: number;
    }
  | { readonly id: number; readonly ok: false; readonly message: string };
