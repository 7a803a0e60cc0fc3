import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { dialectOfConfig, readModelConfig } from "../../formats/keras/config.js";
import type { Json } from "../../formats/keras/config-types.js";
import type { Hdf5Content, Hdf5Weight } from "../../formats/keras/hdf5-protocol.js";
import type { KerasModel } from "../../formats/keras/keras-file.js";
import type { Variable } from "../../formats/keras/layer.js";
import { formulaWeights, type LayoutRow } from "./formula.js";
import type { KerasManifest } from "./manifest.js";

/** A model whose weights are not stored but computed (FORMULA.md): its configuration and the layout of the weights. */
export function formulaModel(folder: string, manifest: KerasManifest, file: string): KerasModel {
  const text = gunzipSync(readFileSync(join(folder, file)), { maxOutputLength: 2 ** 28 });
  const config = JSON.parse(text.toString("utf8")) as Json;
  const { seed = 0, layout = "layout.json" } = manifest.weights ?? {};
  const rows = JSON.parse(readFileSync(join(folder, layout), "utf8")) as LayoutRow[];
  const assigned = manifest.models?.find((model) => model.file === file)?.weightsAssignedBy;
  return {
    name: file,
    model: readModelConfig(config, dialectOfConfig(config), file),
    content: (variables) =>
      contentOf(variables, rows, formulaWeights(rows, seed), assigned === "name"),
  };
}

/** Room for a Normalization's statistics that are not those of the rows. */
const MOST_CHANNELS = 4096;

/** The rows' values for the model's variables: one after the other, or by name. Whole numbers (`count`) stay 0. */
function contentOf(
  variables: readonly Variable[],
  rows: readonly LayoutRow[],
  weights: Float32Array,
  byName: boolean,
): Hdf5Content {
  const values = new SharedArrayBuffer(weights.byteLength + 4 * 2 * MOST_CHANNELS);
  new Float32Array(values).set(weights);
  new Float32Array(values).fill(1, weights.length + MOST_CHANNELS);
  let next = 0;
  const stored = rows.map(([path, , shape]) => {
    const offset = next;
    next += shape.reduce((product, size) => product * size, 1);
    return { name: path, shape, dtype: "float32", offset };
  });
  const named = new Map(stored.map((weight) => [plainName(weight.name), weight]));
  const counted = { name: "count", shape: [], dtype: "int64", offset: weights.length };
  let row = 0;
  const store = variables.map((variable): Hdf5Weight => {
    if (variable.role === "count") return counted;
    const weight = byName ? named.get(plainName(variable.name)) : stored[row++];
    // A Normalization takes up its statistics when a file is loaded; the suite assigned them without
    // one, so that its values are those of mean 0 and variance 1.
    if (weight !== undefined && variable.role === "mean")
      return { ...weight, offset: weights.length };
    if (weight !== undefined && variable.role === "variance") {
      return { ...weight, offset: weights.length + MOST_CHANNELS };
    }
    return weight ?? { ...counted, name: `no weight for ${variable.name}`, shape: [-1] };
  });
  return {
    layout: "list",
    attributes: {},
    wholeModel: false,
    layers: [],
    store,
    storeNames: {},
    values,
  };
}

/** Keras 2 and 3 write some layers of the same model with other letters and separators. */
function plainName(name: string): string {
  return name
    .toLowerCase()
    .replaceAll("/depthwise_kernel", "/kernel")
    .replaceAll("batchnorm", "bn")
    .replaceAll(/[^a-z0-9]+/g, "_");
}
