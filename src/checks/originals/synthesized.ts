import type { Architecture } from "../../architecture/architecture.js";
import type { BuiltInModel } from "../../models/registry.js";
import { synthesizeWeights } from "../../weights/synthetic.js";
import type { WeightsSource } from "../options.js";
import type { OpenedWeights } from "./original.js";

/** Made-up weights for an original, with the gain of its built-in model where the caller gives none. */
export function synthesized(
  architecture: Architecture,
  source: WeightsSource & { readonly kind: "synthetic" },
  model: BuiltInModel | null,
): OpenedWeights {
  const gain = source.gain ?? model?.gain ?? 1;
  return {
    store: synthesizeWeights(architecture, { seed: source.seed, gain }),
    name: `synthetic:${source.seed},gain=${gain}`,
    warnings: [],
    lastLayer: null,
  };
}
