import { join } from "node:path";
import { architectureFromDarknet } from "../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../src/formats/darknet/config.js";
import { writeDarknetWeights } from "../../src/formats/darknet/weights-writer.js";
import { synthesizeWeights } from "../../src/weights/synthetic.js";
import { configOf, type OriginalName } from "./run-planted.js";

/**
 * Writes a network's synthetic weights with some values changed.
 *
 * @param change - the new value of element `index` of a tensor
 * @returns path of the file
 */
export function weightsFile(
  folder: string,
  original: OriginalName,
  change: (name: string, value: number, index: number) => number,
): string {
  const architecture = architectureFromDarknet(readDarknetConfig(configOf(original)));
  const store = synthesizeWeights(architecture, { seed: 1 });
  const path = join(folder, `${original}-${files++}.weights`);
  writeDarknetWeights(path, architecture, (name) =>
    store.read(name).data.map((value, index) => change(name, value, index)),
  );
  return path;
}

let files = 0;
