import { fileURLToPath } from "node:url";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { type LayerByLayerOptions, resolveOptions } from "../../src/checks/options.js";
import type { LayerByLayerResult } from "../../src/checks/result.js";
import { architectureFromDarknet } from "../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../src/formats/darknet/config.js";
import type { PlantedRun } from "./ports/plants.js";

const folder = fileURLToPath(new URL(".", import.meta.url));

/** The networks that faults are planted in. */
export const ORIGINALS = ["csp", "residual", "tail"] as const;

/** Name of such a network. */
export type OriginalName = (typeof ORIGINALS)[number];

/** Path of a network's config. */
export function configOf(original: OriginalName): string {
  return `${folder}originals/${original}.cfg`;
}

/** Runs the interpreter port with mistakes planted in it. */
export async function runPlanted(
  original: OriginalName,
  run: Omit<PlantedRun, "architecture">,
  options: Partial<LayerByLayerOptions> = {},
): Promise<LayerByLayerResult> {
  const asked = {
    model: `${folder}ports/interpreter.ts`,
    original: configOf(original),
    ...options,
  };
  const { size, batch, darknet } = resolveOptions(asked);
  const built = architectureFromDarknet(readDarknetConfig(asked.original), {
    ...size,
    batch,
    dialect: darknet,
  });
  const { inputs, layers, operations, weights } = built;
  const planted: PlantedRun = { ...run, architecture: { inputs, layers, operations, weights } };
  process.env["DIFFTEST_PLANT"] = JSON.stringify(planted);
  try {
    return await layerByLayer(asked);
  } finally {
    delete process.env["DIFFTEST_PLANT"];
  }
}

/** Where faults were found, in the order of the report. */
export function places({ faults }: LayerByLayerResult): string[] {
  return faults.map(({ place }) => place);
}
