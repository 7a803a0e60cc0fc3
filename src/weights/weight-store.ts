import type { WeightSpec } from "../architecture/architecture.js";
import type { Room } from "../tensor/room.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * The original's weights, by name, without holding them all: values are read when asked for.
 *
 * A store can cross to another thread or process as its {@link WeightStoreDescription} and be
 * opened there again; both then read the same bytes, nothing is copied.
 */
export interface WeightStore {
  /** All tensors in the order of the file. */
  readonly specs: readonly WeightSpec[];
  /**
   * A fresh copy of one tensor in the original's own layout (kernel `[out, in, kH, kW]`, dense `[out, in]`).
   *
   * @param room - memory to read into, where the values are needed only until it is used again
   * @throws {InputError} `name` when there is no such tensor
   */
  readonly read: (name: string, room?: Room) => Tensor;
  readonly description: WeightStoreDescription;
  /** Closes the file. Reading afterwards is an error. */
  readonly close: () => void;
}

/** Plain data from which {@link WeightStore} can be opened in another thread or process. */
export interface WeightStoreDescription {
  /** A readable path; `/proc/self/fd`-like tricks are not used: a store without a file lives in a shared buffer. */
  readonly source:
    | { readonly kind: "file"; readonly path: string }
    | { readonly kind: "memory"; readonly bytes: SharedArrayBuffer }
    /** An unlinked temporary file, by its descriptor in this process (and at the same number in a child that inherits it). */
    | { readonly kind: "descriptor"; readonly fd: number };
  readonly entries: readonly WeightEntry[];
}

/** Where one tensor lies: float32, little endian. */
export interface WeightEntry extends WeightSpec {
  /** Byte offset in the source. */
  readonly offset: number;
  /**
   * How the file stores it: `plain` as {@link WeightSpec.shape} says; `transposed` a matrix with its
   * two axes exchanged (Darknet files with major or minor above 1000, and `flipped` kernels).
   */
  readonly storage: "plain" | "transposed";
  /** How many of its values, in the source's order, are there; default all. The others are {@link fill}. */
  readonly stored?: number;
  /** Leading bytes of the value after those that the source still has; they lie over {@link fill}, as C's `fread` leaves them. */
  readonly torn?: number;
  /** What stands for values that the source does not have; default 0. */
  readonly fill?: number;
}
