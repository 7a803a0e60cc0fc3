import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Architecture } from "../../src/architecture/architecture.js";
import { resolveOptions } from "../../src/checks/options.js";
import { openOriginal } from "../../src/checks/original.js";
import type { Original } from "../../src/checks/originals/original.js";
import type { DarknetArchitecture } from "../../src/formats/darknet/architecture.js";
import { writeDarknetWeights } from "../../src/formats/darknet/weights-writer.js";
import { storeKeys } from "../../src/formats/keras/store-keys.js";
import { type BuiltInModel, MODELS } from "../../src/models/registry.js";
import { synthesizeWeights } from "../../src/weights/synthetic.js";
import type { WeightStore } from "../../src/weights/weight-store.js";
import {
  type StoredWeight,
  writeKeras2,
  writeKeras3,
} from "../../test/formats/keras/write-model.js";

/** A built-in model at the size of the bench, as a user calls for it. */
export interface BenchModel {
  readonly id: string;
  /** Side of the input in pixels; `null`: what the model's own file says. */
  readonly size: string | null;
  /** The file that holds the weights, or all of the model; `null`: made-up weights. */
  readonly file: string | null;
}

/** Layers of the Official Models' MNIST CNN are published as `.h5`, MobileNetV2's here as `.keras`. */
const WHOLE_H5 = ["mnist-cnn"];
const SIDE = "416";

/** A model of the bench by its name, `yolov4` or `yolov4@320`; without a file yet. */
export function benchModel(name: string): BenchModel {
  const [id = "", side] = name.split("@");
  const size = isKeras(id) ? null : (side ?? SIDE);
  if (isKeras(id) && side !== undefined) {
    throw new RangeError(
      `bench: ${name}: a Keras model has the size of its file, leave out @${side}`,
    );
  }
  return { id, size, file: null };
}

/** Options of `difftest layer-by-layer` for a model. */
export function optionsOf({ id, size, file }: BenchModel): Readonly<Record<string, string>> {
  const own = file === null ? {} : isKeras(id) ? { original: file } : { weights: file };
  return { model: id, ...(size === null ? {} : { size }), ...own };
}

/** Opens a model as the command does. */
export async function openModel(model: BenchModel): Promise<Original> {
  return await openOriginal(resolveOptions(optionsOf(model) as { model: string }));
}

/** Writes a model's weights, made up with the gain that keeps its values healthy, into a file as its authors would. */
export async function withFile(model: BenchModel, folder: string): Promise<BenchModel> {
  const original = await openModel(model);
  const { architecture, keras } = original;
  const store = synthesizeWeights(architecture, { seed: 1, gain: known(model.id).gain });
  if (keras === undefined) {
    const file = join(folder, `${model.id}.weights`);
    writeDarknetWeights(file, architecture as DarknetArchitecture, (id) => store.read(id).data);
    return { ...model, file };
  }
  const file = join(folder, `${model.id}.${WHOLE_H5.includes(model.id) ? "h5" : "keras"}`);
  const written = WHOLE_H5.includes(model.id)
    ? await writeKeras2(
        keras.config,
        keras.model.layers.map(({ name }) => ({
          name,
          weights: weightsOf(architecture, store, name).map(({ role, ...weight }) => ({
            ...weight,
            name: `${name}/${role}:0`,
          })),
        })),
        { version: "3.15.1" },
      )
    : await writeKeras3(
        keras.config,
        storeKeys(keras.model).flatMap(({ key, name }) =>
          weightsOf(architecture, store, name).map(({ role: _, ...weight }, k) => ({
            ...weight,
            name: `layers/${key}/vars/${k}`,
          })),
        ),
      );
  writeFileSync(file, readFileSync(written));
  return { ...model, file };
}

/** A layer's weights in the order in which Keras stores them. */
function weightsOf(
  { weights }: Architecture,
  store: WeightStore,
  layer: string,
): (StoredWeight & { readonly role: string })[] {
  return weights
    .filter(({ name }) => name.startsWith(`${layer}/`))
    .map(({ name, shape }) => ({
      name,
      role: name.slice(layer.length + 1),
      shape,
      values: store.read(name).data as unknown as readonly number[],
    }));
}

function isKeras(id: string): boolean {
  return known(id).config.endsWith(".json");
}

function known(id: string): BuiltInModel {
  const model = MODELS.find((one) => one.id === id);
  if (model !== undefined) return model;
  throw new RangeError(
    `bench: ${id}: expected one of ${MODELS.map((one) => one.id).join(", ")}, with @SIZE or without`,
  );
}
