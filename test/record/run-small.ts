import { fileURLToPath } from "node:url";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import type { LayerByLayerOptions } from "../../src/checks/options.js";
import type { LayerByLayerResult } from "../../src/checks/result.js";

/** The plain port that misbehaves as told, and what it is a port of. */
export const SMALL: { readonly model: string; readonly original: string } = {
  model: fileURLToPath(new URL("./ports/small.mjs", import.meta.url)),
  original: fileURLToPath(new URL("../../examples/small.cfg", import.meta.url)),
};

/** Runs the plain port. */
export async function runSmall(
  way: string,
  options: Partial<LayerByLayerOptions> = {},
): Promise<LayerByLayerResult> {
  process.env["DIFFTEST_PORT"] = way;
  try {
    return await layerByLayer({ ...SMALL, mode: "isolated", ...options });
  } finally {
    delete process.env["DIFFTEST_PORT"];
  }
}
