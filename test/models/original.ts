import { fileURLToPath } from "node:url";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../src/formats/darknet/config.js";
import type { BuiltInModel } from "../../src/models/registry.js";
import type { WeightStore } from "../../src/weights/weight-store.js";
import { NamedWeights } from "./port-harness.js";

/** Our own config of a built-in model. */
export function configPath({ config }: BuiltInModel): string {
  return fileURLToPath(new URL(`../../references/darknet/${config}`, import.meta.url));
}

/** What one of our configs describes, at another size. */
export function originalOf(
  model: BuiltInModel,
  size: { width?: number; height?: number; batch?: number } = {},
): DarknetArchitecture {
  return architectureFromDarknet(readDarknetConfig(configPath(model)), size);
}

/** A store's tensors as a port asks for them. */
export function weightsFrom(store: WeightStore): NamedWeights {
  return new NamedWeights(
    store.specs.map(({ name }) => name),
    store.read,
  );
}
