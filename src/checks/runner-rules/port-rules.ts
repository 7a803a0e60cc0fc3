import { layerByLayer } from "../layer-by-layer.js";
import { demand, type Rule } from "./rule.js";

/** Rules for ports. Whether a port is right is no rule of the protocol: `difftest layer-by-layer` tells that. */
export const PORT_RULES: readonly Rule[] = [
  {
    text: "declares its layout",
    role: "port",
    needsOriginal: false,
    check: async ({ client }) => {
      const { layout } = (await client()).facts.fields;
      const known = layout === "nhwc" || layout === "nchw";
      demand(known, `has layout ${JSON.stringify(layout)}, expected "nhwc" or "nchw"`);
    },
  },
  inMode("cumulative", "takes its weights, taps, and goes on with its own values"),
  inMode("isolated", "taps, and goes on with the values it gets back"),
];

function inMode(mode: "cumulative" | "isolated", text: string): Rule {
  return {
    text: `${text} (${mode} mode)`,
    role: "port",
    needsOriginal: true,
    check: async ({ command, original, timeoutMs }) => {
      const { coverage } = await layerByLayer({
        model: command.name,
        mode,
        timeout: timeoutMs / 1000,
        ...(original === null ? {} : { original: original.original }),
        ...(original?.weights === undefined ? {} : { weights: original.weights }),
      });
      demand(coverage.taps.compared > 0, "none of its taps is one of the original's");
    },
  };
}
