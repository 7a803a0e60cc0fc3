import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm, { FS } from "h5wasm";
import { writeZip } from "../../../src/formats/zip/zip-writer.js";

/** One weight as a file names it. */
export interface StoredWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** A layer and its weights in the order of the file. */
export interface StoredLayer {
  readonly name: string;
  readonly weights: readonly StoredWeight[];
}

let count = 0;

/** A new path in a folder of its own. */
export function temporaryPath(name: string): string {
  return join(mkdtempSync(join(tmpdir(), "keras-")), name);
}

/** The bytes of an HDF5 file that `fill` writes. */
export async function hdf5Bytes(
  fill: (file: InstanceType<typeof h5wasm.File>) => void,
): Promise<Uint8Array> {
  await h5wasm.ready;
  count += 1;
  const path = `/written-${count}.h5`;
  const file = new h5wasm.File(path, "w");
  fill(file);
  file.flush();
  file.close();
  return Uint8Array.from(
    (FS as unknown as { readFile: (path: string) => Uint8Array }).readFile(path),
  );
}

/** A whole model as Keras 2 writes it. */
export async function writeKeras2(
  config: unknown,
  layers: readonly StoredLayer[],
  options: { readonly chunks?: boolean; readonly version?: string } = {},
): Promise<string> {
  const bytes = await hdf5Bytes((file) => {
    file.create_attribute("model_config", JSON.stringify(config));
    file.create_attribute("keras_version", options.version ?? "2.15.0");
    file.create_attribute("backend", "tensorflow");
    file.create_group("model_weights");
    const root = file.get("model_weights");
    if (!(root instanceof h5wasm.Group)) throw new Error("no group");
    const names = layers.map(({ name }) => name);
    if (options.chunks === true) {
      for (const [k, name] of names.entries()) root.create_attribute(`layer_names${k}`, [name]);
    } else {
      root.create_attribute("layer_names", names);
    }
    for (const layer of layers) writeLayer(root, layer);
  });
  const path = temporaryPath("model.h5");
  writeFileSync(path, bytes);
  return path;
}

function writeLayer(root: InstanceType<typeof h5wasm.Group>, { name, weights }: StoredLayer): void {
  root.create_group(name);
  const group = root.get(name);
  if (!(group instanceof h5wasm.Group)) throw new Error("no group");
  if (weights.length > 0) {
    group.create_attribute(
      "weight_names",
      weights.map((weight) => weight.name),
    );
  }
  for (const weight of weights) {
    const parts = weight.name.split("/");
    const last = parts.pop() ?? "";
    let parent = group;
    for (const part of parts) {
      if (parent.get(part) === null) parent.create_group(part);
      parent = parent.get(part) as typeof group;
    }
    parent.create_dataset({
      name: last,
      data: Float32Array.from(weight.values),
      shape: [...weight.shape],
      dtype: "<f4",
    });
  }
}

/** An archive as Keras 3 writes it; `store` are the datasets of model.weights.h5 by path. */
export async function writeKeras3(
  config: unknown,
  store: readonly StoredWeight[],
): Promise<string> {
  const weights = await hdf5Bytes((file) => {
    for (const weight of store) {
      const parts = weight.name.split("/");
      const last = parts.pop() ?? "";
      let parent: InstanceType<typeof h5wasm.Group> = file;
      for (const part of parts) {
        if (parent.get(part) === null) parent.create_group(part);
        parent = parent.get(part) as typeof parent;
      }
      const data = Float32Array.from(weight.values);
      parent.create_dataset({ name: last, data, shape: [...weight.shape], dtype: "<f4" });
    }
  });
  const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const path = temporaryPath("model.keras");
  writeFileSync(
    path,
    writeZip([
      { name: "metadata.json", bytes: text({ keras_version: "3.15.1" }) },
      { name: "config.json", bytes: text(config) },
      { name: "model.weights.h5", bytes: weights },
    ]),
  );
  return path;
}

/** `first, first + 1 …` */
export function numbers(length: number, first = 0): number[] {
  return Array.from({ length }, (_, k) => first + k);
}
