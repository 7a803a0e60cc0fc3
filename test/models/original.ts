import { fileURLToPath } from "node:url";
import type { Architecture } from "../../src/architecture/architecture.js";
import { architectureFromDarknet } from "../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../src/formats/darknet/config.js";
import type { BuiltInModel } from "../../src/models/registry.js";
import type { WeightStore } from "../../src/weights/weight-store.js";
import { NamedWeights } from "./port-harness.js";

/** What one of our configs describes, at another size. */
export function originalOf(
  model: BuiltInModel,
  size: { width?: number; height?: number; batch?: number } = {},
): Architecture {
  const path = fileURLToPath(new URL(`../../references/darknet/${model.config}`, import.meta.url));
  return architectureFromDarknet(readDarknetConfig(path), size);
}

/** A store's tensors as a port asks for them. */
export function weightsFrom(store: WeightStore): NamedWeights {
  return new NamedWeights(
    store.specs.map(({ name }) => name),
    store.read,
  );
}
