import type { Command } from "./command.js";
import { inspectCommand } from "./inspect.js";
import { layerByLayerCommand } from "./layer-by-layer.js";
import { modelsCommand } from "./models.js";
import { synthesizeCommand } from "./synthesize.js";

/** Every subcommand, in the order of `--help`. */
export const COMMANDS: readonly Command[] = [
  layerByLayerCommand,
  modelsCommand,
  inspectCommand,
  synthesizeCommand,
];
