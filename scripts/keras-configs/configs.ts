import { mnistCnnConfig } from "./mnist-cnn.js";
import { mobilenetV2Config } from "./mobilenet-v2.js";

/** File name and text of every configuration. */
export function kerasConfigs(): ReadonlyMap<string, string> {
  return new Map([
    ["mnist-cnn.json", mnistCnnConfig()],
    ["mobilenet-v2.json", mobilenetV2Config()],
  ]);
}
