import type { Command } from "./command.js";
import { demoCommand } from "./demo.js";
import { goldensCommand } from "./goldens.js";
import { inspectCommand } from "./inspect.js";
import { layerByLayerCommand } from "./layer-by-layer.js";
import { modelsCommand } from "./models.js";
import { recordCommand } from "./record.js";
import { referencesCommand } from "./references.js";
import { synthesizeCommand } from "./synthesize.js";

/** Every subcommand, in the order of `--help`. */
export const COMMANDS: readonly Command[] = [
  layerByLayerCommand,
  modelsCommand,
  inspectCommand,
  synthesizeCommand,
  recordCommand,
  referencesCommand,
  goldensCommand,
  demoCommand,
];
