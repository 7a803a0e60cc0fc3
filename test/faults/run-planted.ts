import { fileURLToPath } from "node:url";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import type { LayerByLayerOptions } from "../../src/checks/options.js";
import type { LayerByLayerResult } from "../../src/checks/result.js";
import type { PlantedRun } from "./ports/interpreter.js";

const folder = fileURLToPath(new URL(".", import.meta.url));

/** The networks that faults are planted in. */
export const ORIGINALS: readonly ["csp", "residual"] = ["csp", "residual"];

/** Runs the interpreter port with mistakes planted in it. */
export async function runPlanted(
  original: (typeof ORIGINALS)[number],
  run: Omit<PlantedRun, "config">,
  options: Partial<LayerByLayerOptions> = {},
): Promise<LayerByLayerResult> {
  const config = `${folder}originals/${original}.cfg`;
  process.env["DIFFTEST_PLANT"] = JSON.stringify({ config, ...run });
  try {
    return await layerByLayer({ model: `${folder}ports/interpreter.ts`, original: config, ...options });
  } finally {
    delete process.env["DIFFTEST_PLANT"];
  }
}

/** Where faults were found, in the order of the report. */
export function places({ faults }: LayerByLayerResult): string[] {
  return faults.map(({ place }) => place);
}
