import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { InputError } from "../errors.js";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../formats/darknet/architecture.js";
import { readDarknetConfig } from "../formats/darknet/config.js";
import type { DarknetHead } from "../formats/darknet/network.js";
import { type BuiltInModel, MODELS } from "../models/registry.js";
import { nearest } from "../suggest.js";
import { openDarknetWeights } from "../weights/darknet-weights.js";
import { synthesizeWeights } from "../weights/synthetic.js";
import type { WeightStore } from "../weights/weight-store.js";
import type { ResolvedOptions } from "./options.js";
import type { Json } from "./result.js";

/** The original as its files describe it. */
export interface Original {
  readonly architecture: DarknetArchitecture;
  /** Its config, as a user would name it. */
  readonly name: string;
  readonly model: BuiltInModel | null;
  readonly network: { readonly width: number; readonly height: number; readonly channels: number };
  /** What changes the port's shapes: classes, anchors, masks. */
  readonly portOptions: Readonly<Record<string, Json>>;
  readonly warnings: readonly string[];
}

/**
 * The built-in model of that name, or `null` when the name is a file's.
 *
 * @throws {InputError} `name` when it is neither, with the nearest name
 */
export function builtInModel(name: string): BuiltInModel | null {
  const found = MODELS.find(({ id }) => id === name);
  if (found !== undefined) return found;
  if (/[\\/]|\.[mc]?[jt]s$/.test(name) || existsSync(name)) return null;
  const near = nearest(
    name,
    MODELS.map(({ id }) => id),
  );
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  throw new InputError(
    "name",
    `--model: no built-in model "${name}"${hint} ("difftest models" lists them; a port of your own is a file, ./my-port.ts)`,
  );
}

/** Reads the original: the file given, or the built-in model's own config. */
export function openOriginal(options: ResolvedOptions): Original {
  const model = builtInModel(options.model);
  if (model === null && options.original === null) {
    throw new InputError(
      "option",
      `--model ${options.model}: a port of your own needs --original, the config of what it is a port of`,
    );
  }
  const path = options.original ?? configPath(model as BuiltInModel);
  const built = architectureFromDarknet(readDarknetConfig(path), {
    dialect: options.darknet,
    batch: options.batch,
    lenient: options.lenient,
    ...(options.size === null ? {} : options.size),
  });
  const [, channels = 3, height = 1, width = 1] = built.inputs[0]?.shape ?? [];
  return {
    architecture: built,
    name: options.original ?? (model as BuiltInModel).config,
    model,
    network: { width, height, channels },
    portOptions: optionsFromHeads(built.heads),
    warnings: built.warnings,
  };
}

/** Our own config of a built-in model: it comes with the package. */
export function configPath(model: BuiltInModel): string {
  return fileURLToPath(new URL(`../../references/darknet/${model.config}`, import.meta.url));
}

/** Hyper-parameters of the heads that change a port's shapes. */
function optionsFromHeads(heads: readonly DarknetHead[]): Record<string, Json> {
  const first = heads[0];
  if (first === undefined) return {};
  return { classes: first.classes, anchors: first.anchors, masks: heads.map(({ mask }) => mask) };
}

/** The weights and what reading them said. */
export interface OpenedWeights {
  readonly store: WeightStore;
  /** As it is told in the result: the file, or `synthetic:SEED,gain=G`. */
  readonly name: string;
  readonly warnings: readonly string[];
  /** With `--partial`: index of the last layer the file has weights for; else `null`. */
  readonly lastLayer: number | null;
}

/**
 * Opens the weights file, or makes weights up.
 *
 * @throws {InputError} when the file is missing or damaged
 */
export function openWeights(options: ResolvedOptions, original: Original): OpenedWeights {
  const { weights } = options;
  if (weights.kind === "synthetic") {
    const gain = weights.gain ?? original.model?.gain ?? 1;
    const store = synthesizeWeights(original.architecture, { seed: weights.seed, gain });
    return { store, name: `synthetic:${weights.seed},gain=${gain}`, warnings: [], lastLayer: null };
  }
  if (!existsSync(weights.path)) throw missingWeights(weights.path, original.model);
  const opened = openDarknetWeights(weights.path, original.architecture, {
    dialect: options.darknet,
    partial: options.partial,
    lenient: options.lenient,
  });
  const warnings = [...opened.warnings];
  if (opened.layersWithout.length > 0) {
    warnings.push(
      `${weights.path}: has no weights for ${opened.layersWithout.join(", ")}; compared up to there`,
    );
  }
  return {
    store: opened.store,
    name: weights.path,
    warnings,
    lastLayer: opened.layersWithout.length > 0 ? opened.lastLayer : null,
  };
}

function missingWeights(path: string, model: BuiltInModel | null): InputError {
  const where =
    model === null
      ? "give the file of your original"
      : `its authors publish it at ${model.weightsUrl}`;
  return new InputError(
    "not-found",
    `--weights ${path}: there is no such file; ${where}, or use --weights synthetic:1, which needs none`,
  );
}
