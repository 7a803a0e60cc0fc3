import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type h5wasm from "h5wasm";
import { architectureFromKeras } from "../../src/formats/keras/architecture.js";
import { openKerasFile } from "../../src/formats/keras/keras-file.js";
import { writeZip } from "../../src/formats/zip/zip-writer.js";
import { hdf5Bytes } from "../../test/formats/keras/write-model.js";
import { damaged } from "./damage.js";
import type { FuzzFormat } from "./format.js";
import type { Random } from "./random.js";

/** A dense layer: as little data as an HDF5 file can have, so that most damage meets its structure. */
const CONFIG = {
  class_name: "Sequential",
  config: {
    name: "m",
    layers: [
      {
        class_name: "Dense",
        config: { name: "d", units: 2, activation: "relu", batch_input_shape: [null, 2] },
      },
    ],
  },
};

type Group = InstanceType<typeof h5wasm.Group>;

function groupIn(parent: Group, name: string): Group {
  parent.create_group(name);
  return parent.get(name) as Group;
}

function addWeights(group: Group, kernel: string, bias: string): void {
  const data = Float32Array.of(1, 2, 3, 4);
  group.create_dataset({ name: kernel, data, shape: [2, 2], dtype: "<f4" });
  group.create_dataset({ name: bias, data: data.slice(0, 2), shape: [2], dtype: "<f4" });
}

let model: Promise<Uint8Array> | undefined;
/** A whole model as Keras 2 writes it. */
function wholeModel(): Promise<Uint8Array> {
  model ??= hdf5Bytes((file) => {
    file.create_attribute("model_config", JSON.stringify(CONFIG));
    file.create_attribute("keras_version", "2.15.0");
    file.create_attribute("backend", "tensorflow");
    const weights = groupIn(file, "model_weights");
    weights.create_attribute("layer_names", ["d"]);
    const layer = groupIn(weights, "d");
    layer.create_attribute("weight_names", ["d/kernel:0", "d/bias:0"]);
    addWeights(groupIn(layer, "d"), "kernel:0", "bias:0");
  });
  return model;
}

let store: Promise<Uint8Array> | undefined;
/** The tree of values in an archive of Keras 3. */
function weightsOfArchive(): Promise<Uint8Array> {
  store ??= hdf5Bytes((file) => {
    addWeights(groupIn(groupIn(groupIn(file, "layers"), "dense"), "vars"), "0", "1");
  });
  return store;
}

/** The file on disk, for one reading: what reads HDF5 opens it by its path. */
async function readFrom(name: string, bytes: Uint8Array): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "difftest-fuzz-"));
  try {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    architectureFromKeras(await openKerasFile(path));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Cut off, flipped and overwritten files: HDF5 itself finds most of it. */
const kerasHdf5: FuzzFormat = {
  id: "keras-h5",
  slow: true,
  read: async (random) => await readFrom("model.h5", damaged(await wholeModel(), random)),
};

/** The archive damaged, or one of its entries, with checksums that are right again. */
async function archive(random: Random): Promise<Uint8Array> {
  const text = new TextEncoder().encode(JSON.stringify(CONFIG));
  const weights = await weightsOfArchive();
  const which = random.below(3);
  const bytes = writeZip([
    { name: "metadata.json", bytes: new TextEncoder().encode('{"keras_version":"3.15.1"}') },
    { name: "config.json", bytes: which === 0 ? damaged(text, random) : text },
    { name: "model.weights.h5", bytes: which === 1 ? damaged(weights, random) : weights },
  ]);
  return which === 2 ? damaged(bytes, random) : bytes;
}

const kerasArchive: FuzzFormat = {
  id: "keras-archive",
  slow: true,
  read: async (random) => await readFrom("model.keras", await archive(random)),
};

/** Models of Keras 2 and 3. */
export const KERAS_FORMATS: readonly FuzzFormat[] = [kerasHdf5, kerasArchive];
