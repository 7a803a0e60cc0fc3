import type { Command } from "./command.js";
import { layerByLayerCommand } from "./layer-by-layer.js";

/** Every subcommand, in the order of `--help`. */
export const COMMANDS: readonly Command[] = [layerByLayerCommand];
