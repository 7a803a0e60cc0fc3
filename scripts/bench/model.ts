import { fileURLToPath } from "node:url";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../src/formats/darknet/config.js";
import { type BuiltInModel, MODELS } from "../../src/models/registry.js";

/** A built-in model and its original at the size of the bench. */
export interface BenchModel {
  readonly model: BuiltInModel;
  readonly architecture: DarknetArchitecture;
  /** Side of the input in pixels. */
  readonly size: number;
}

/**
 * Reads the config of a built-in model.
 *
 * @throws {RangeError} when there is no such model
 */
export function benchModel(id: string, side: string): BenchModel {
  const model = MODELS.find((one) => one.id === id);
  const size = Number(side);
  if (model === undefined || !(size > 0)) {
    const known = MODELS.map((one) => one.id).join(", ");
    throw new RangeError(`bench: ${id} at ${side} pixels, expected one of ${known} and a size`);
  }
  const path = new URL(`../../references/darknet/${model.config}`, import.meta.url);
  const architecture = architectureFromDarknet(readDarknetConfig(fileURLToPath(path)), {
    dialect: "alexeyab",
    batch: 1,
    lenient: false,
    width: size,
    height: size,
  });
  return { model, architecture, size };
}
