import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What this suite's `manifest.json` says, as far as it is judged here. */
export interface KerasManifest {
  readonly id: string;
  readonly area: string;
  readonly kind: "conformance" | "quirk" | "reject";
  readonly title: string;
  readonly oracle: { readonly name: string };
  readonly alsoAgrees: readonly { readonly oracle: string; readonly maxAbs: number }[];
  readonly disagrees: readonly { readonly oracle: string; readonly file?: string }[];
  readonly seed?: number;
  readonly inputs?: readonly ManifestInput[];
  readonly taps: readonly ManifestTap[];
  readonly models?: readonly { readonly file: string }[];
  readonly toolShould?: "load" | "load-but-differs" | "reject" | "refuse-unsafe";
  /** Taps that only the named library's models have, the others not. */
  readonly tapsOnlyInOracle?: Readonly<Record<string, readonly string[]>>;
  readonly weights?: unknown;
}

/** One input and where its values lie. */
export interface ManifestInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly file?: string;
  readonly key?: string;
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
}

/** Reads a case's manifest. */
export function readManifest(folder: string): KerasManifest {
  return JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as KerasManifest;
}
