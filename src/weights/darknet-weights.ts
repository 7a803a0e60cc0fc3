import { resolve } from "node:path";
import type { DarknetArchitecture } from "../formats/darknet/architecture.js";
import type { DarknetHeader } from "../formats/darknet/weights-header.js";
import {
  type DarknetWeightsOptions,
  type MissingWeights,
  readDarknetWeights,
} from "../formats/darknet/weights-reader.js";
import { openWeightStore } from "./open-weight-store.js";
import type { WeightStore, WeightStoreDescription } from "./weight-store.js";

/** A .weights file, checked and open. */
export interface OpenDarknetWeights {
  /** Reads from the file when asked; nothing was copied. */
  readonly store: WeightStore;
  readonly header: DarknetHeader;
  /** Index of the last layer up to which the file has everything; −1 for none. */
  readonly lastLayer: number;
  /** Ids of the layers that have weights of which the file has none or not all. */
  readonly layersWithout: readonly string[];
  /** Tensors whose values (or the last of them) are the library's start values: 1 for scales, else 0. */
  readonly missing: readonly MissingWeights[];
  readonly warnings: readonly string[];
}

/**
 * Opens a Darknet .weights file for a network, after looking at every byte of it once.
 *
 * @param file - a path, or the bytes (then the store lives in shared memory)
 * @throws {InputError} when the file does not belong to the network or is damaged (see {@link DarknetWeightsOptions})
 */
export function openDarknetWeights(
  file: string | Uint8Array,
  architecture: DarknetArchitecture,
  options: DarknetWeightsOptions = {},
): OpenDarknetWeights {
  const { entries, ...rest } = readDarknetWeights(file, architecture, options);
  const source: WeightStoreDescription["source"] =
    typeof file === "string"
      ? { kind: "file", path: resolve(file) }
      : { kind: "memory", bytes: shared(file) };
  return { store: openWeightStore({ source, entries }), ...rest };
}

function shared(bytes: Uint8Array): SharedArrayBuffer {
  const copy = new SharedArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return copy;
}
