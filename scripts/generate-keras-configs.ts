/**
 * Writes `references/keras/*.json`: the architectures of the built-in Keras models as `model.to_json()`
 * of Keras 3 has them, from the papers' tables. Run it after a change here; a test checks that the files are current.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { kerasConfigs } from "./keras-configs/configs.js";

mkdirSync("references/keras", { recursive: true });
for (const [name, text] of kerasConfigs()) writeFileSync(`references/keras/${name}`, text);
