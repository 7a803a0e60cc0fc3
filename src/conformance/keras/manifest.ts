import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What this suite's `manifest.json` says, as far as it is judged here. */
export interface KerasManifest {
  readonly id: string;
  readonly area: string;
  readonly kind: "conformance" | "quirk" | "reject";
  readonly title: string;
  readonly oracle: { readonly name: string };
  readonly alsoAgrees: readonly AlsoAgrees[];
  readonly disagrees: readonly {
    readonly oracle: string;
    readonly file?: string;
    readonly differs?: readonly { readonly tap: string; readonly maxAbs: number }[];
  }[];
  readonly seed?: number;
  readonly inputs?: readonly ManifestInput[];
  readonly taps: readonly ManifestTap[];
  readonly models?: readonly {
    readonly file: string;
    /** Area C, models without a file of weights: how the other library's were found. */
    readonly weightsAssignedBy?: "order" | "name";
  }[];
  readonly toolShould?: "load" | "load-but-differs" | "reject" | "refuse-unsafe";
  readonly notes?: readonly string[];
  /** Taps that only the named library's models have, the others not. */
  readonly tapsOnlyInOracle?: Readonly<Record<string, readonly string[]>>;
  /** Weights by the formula of FORMULA.md. */
  readonly weights?: { readonly seed: number; readonly layout: string };
}

/** Another library that agrees, and how closely. */
export interface AlsoAgrees {
  readonly oracle: string;
  readonly maxAbs?: number;
  /** Area C: layers of the same name and meaning in the other library, of all its layers. */
  readonly commonLayers?: number;
  readonly layersKeras2?: number;
}

/** One input and where its values lie. */
export interface ManifestInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly file?: string;
  readonly key?: string;
  /** `u01(0, n, SEED) * FACTOR …`: values by the formula instead of a file. */
  readonly how?: string;
  /** Name of the model's input; by order without. */
  readonly modelInput?: string;
}

/** One recorded layer output. */
export interface ManifestTap {
  readonly key: string;
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly file: string;
  /** Of sampled outputs (area C): which layer, for the positions. */
  readonly layerIndex?: number;
  /** Shape of the whole output, where only samples are stored. */
  readonly layerShape?: readonly number[];
}

/** Reads a case's manifest. */
export function readManifest(folder: string): KerasManifest {
  return JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as KerasManifest;
}
