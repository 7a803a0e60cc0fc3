import type { InputErrorCode } from "../../errors.js";

/** What the worker is asked for: one file, from disk or from memory (the entry of a zip archive). */
export interface Hdf5Request {
  readonly source:
    | {
        readonly kind: "file";
        readonly path: string;
        /** Where the HDF5 file begins in it, and how long it is: a stored entry of an archive. Default the whole file. */
        readonly offset?: number;
        readonly byteLength?: number;
      }
    /** Handed over: the caller can no longer use the buffer. */
    | { readonly kind: "memory"; readonly bytes: Uint8Array<ArrayBuffer> };
  /** What messages call the file. */
  readonly name: string;
}

/** One dataset whose values were read: float32, at `offset` values into the shared buffer. */
export interface Hdf5Weight {
  /** As the file names it: `conv/kernel:0`, or `layers/dense/vars/0`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** How the file stores the values: `float16`, `bfloat16`, `int32` … */
  readonly dtype: string;
  /** First value in {@link Hdf5Content.values}. */
  readonly offset: number;
}

/** A layer of the format that Keras 1 and 2 write (and Keras 3 when told to): weights in the layer's own order. */
export interface Hdf5Layer {
  readonly name: string;
  readonly weights: readonly Hdf5Weight[];
}

/** What a Keras HDF5 file holds. */
export interface Hdf5Content {
  /**
   * `layers`: groups named by layer, in the order of the attribute `layer_names` (whole-model `.h5`
   * and weights-only `.h5`); `store`: Keras 3's tree of `layers/<class>/vars/<index>`; `list`: values
   * without a file, in the order of Keras 3's `model.weights`; `none`: a file without weights.
   */
  readonly layout: "layers" | "store" | "list" | "none";
  /** Text attributes of the root group: `model_config`, `keras_version`, `backend`, `training_config`. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Whether the weights lie in the group `model_weights` (a whole model) or in the root. */
  readonly wholeModel: boolean;
  readonly layers: readonly Hdf5Layer[];
  /** `store` and `list`: every dataset, and the `name` attribute of each `vars` group by the group's path. */
  readonly store: readonly Hdf5Weight[];
  readonly storeNames: Readonly<Record<string, string>>;
  readonly values: SharedArrayBuffer;
}

/** The worker's only message. */
export type Hdf5Answer =
  | { readonly ok: true; readonly content: Hdf5Content }
  | { readonly ok: false; readonly code: InputErrorCode; readonly message: string };
