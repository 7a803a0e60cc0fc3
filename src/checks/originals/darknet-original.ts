import { existsSync } from "node:fs";
import { InputError } from "../../errors.js";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../../formats/darknet/architecture.js";
import { readDarknetConfig } from "../../formats/darknet/config.js";
import type { DarknetHead } from "../../formats/darknet/network.js";
import type { BuiltInModel } from "../../models/registry.js";
import { openDarknetWeights } from "../../weights/darknet-weights.js";
import type { ResolvedOptions } from "../options.js";
import type { Json } from "../result.js";
import { refuseOptions } from "./foreign-options.js";
import type { OpenedWeights, OpenRequest, Original } from "./original.js";
import { synthesized } from "./synthesized.js";

/** A Darknet configuration; its weights are a file of their own. */
export function openDarknet({ path, name, model, options }: OpenRequest): Original {
  refuseOptions(options, ["shape", "preprocess", "byName"], "a Darknet configuration");
  const architecture = architectureFromDarknet(readDarknetConfig(path), {
    dialect: options.darknet,
    batch: options.batch,
    lenient: options.lenient,
    ...(options.size === null ? {} : options.size),
  });
  const [, channels = 3, height = 1, width = 1] = architecture.inputs[0]?.shape ?? [];
  return {
    architecture,
    name,
    model,
    network: { width, height, channels },
    portOptions: {
      ...optionsFromHeads(architecture.heads),
      ...(options.darknet === "alexeyab" ? {} : { dialect: options.darknet }),
    },
    referenceOptions: { graphOptimizationLevel: "disabled", darknet: options.darknet },
    warnings: architecture.warnings,
    inputOptions: () => ({ letterbox: options.letterbox }),
    openWeights: () => openWeights(options, architecture, model),
  };
}

/** Hyper-parameters of the heads that change a port's shapes. */
function optionsFromHeads(heads: readonly DarknetHead[]): Record<string, Json> {
  const first = heads[0];
  if (first === undefined) return {};
  return { classes: first.classes, anchors: first.anchors, masks: heads.map(({ mask }) => mask) };
}

function openWeights(
  options: ResolvedOptions,
  architecture: DarknetArchitecture,
  model: BuiltInModel | null,
): OpenedWeights {
  const weights = options.weights ?? { kind: "synthetic", seed: 1, gain: null };
  if (weights.kind === "synthetic") return synthesized(architecture, weights, model);
  if (!existsSync(weights.path)) throw missingWeights(weights.path, model);
  const opened = openDarknetWeights(weights.path, architecture, {
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

/** A weights file that is not there, and where it can be got. */
export function missingWeights(path: string, model: BuiltInModel | null): InputError {
  const where =
    model === null
      ? "give the file of your original"
      : `its authors publish it at ${model.weightsUrl}`;
  return new InputError(
    "not-found",
    `--weights ${path}: there is no such file; ${where}, or use --weights synthetic:1, which needs none`,
  );
}
