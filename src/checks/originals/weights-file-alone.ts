import { existsSync, statSync } from "node:fs";
import { InputError } from "../../errors.js";
import { openSource, refuseForeignContent } from "../../formats/byte-source.js";
import { readHdf5 } from "../../formats/keras/read-hdf5.js";
import type { WeightLayout } from "../../tensor/layout.js";
import { type NamedTensors, openNamedTensors } from "../../weights/named-tensors.js";
import { openWeightStore } from "../../weights/open-weight-store.js";
import { copiedTensors } from "../../weights/tensor-file-weights.js";
import type { WeightEntry, WeightStoreDescription } from "../../weights/weight-store.js";
import { missingWeights } from "./darknet-original.js";
import { isHdf5 } from "./file-kinds.js";
import type { OpenedWeights } from "./original.js";

/**
 * A file of weights without the model that they belong to: every tensor by the name that the file gives it.
 *
 * @throws {InputError} when it is missing, damaged, or of a kind that has no names
 */
export async function openWeightsAlone(path: string): Promise<OpenedWeights> {
  const named = openNamedTensors(path);
  const description = named === null ? await hdf5Weights(path) : namedWeights(named);
  const store = openWeightStore(description);
  return { store, name: path, warnings: [], lastLayer: null };
}

/** Optimizer slots, counters and averages are no weights. */
function namedWeights(named: NamedTensors): WeightStoreDescription {
  const { file, format, roleOf } = named;
  try {
    const weights = file.tensors.filter(
      ({ name, dtype }) => roleOf(name).kind === "weight" && dtype !== "string",
    );
    const pairs = weights.map((tensor, layer) => {
      const name = plainName(tensor.name);
      const { shape } = tensor;
      const layout = format === "safetensors" ? {} : layoutOf(shape);
      return { spec: { name, shape, role: lastWord(name), layer, ...layout }, tensor };
    });
    return copiedTensors(pairs, file.name);
  } finally {
    file.close();
  }
}

async function hdf5Weights(path: string): Promise<WeightStoreDescription> {
  if (!existsSync(path)) throw missingWeights(path, null);
  refuseOtherKinds(path);
  const byteLength = statSync(path).size;
  const content = await readHdf5({ source: { kind: "file", path }, name: path, byteLength });
  const stored = [...content.layers.flatMap(({ weights }) => weights), ...content.store];
  const entries = stored.map(({ name: told, shape, offset }, layer): WeightEntry => {
    const name = plainName(told);
    const place = { offset: 4 * offset, storage: "plain" } as const;
    return { name, shape, role: lastWord(name), layer, ...place, ...layoutOf(shape) };
  });
  return { source: { kind: "memory", bytes: content.values }, entries };
}

function refuseOtherKinds(path: string): void {
  const source = openSource(path);
  try {
    if (isHdf5(source.read(0, Math.min(4096, source.byteLength), "first bytes"))) return;
    refuseForeignContent(source, "a file of weights");
  } finally {
    source.close();
  }
  throw new InputError(
    "format",
    `--weights ${path}: without --original only files that name their tensors can be compared (.safetensors, .h5, a TensorFlow checkpoint); give the model that describes them as --original`,
  );
}

/** TensorFlow's order of axes, which HDF5 files of Keras have as well. */
function layoutOf({ length }: readonly number[]): { readonly layout?: WeightLayout } {
  if (length === 4) return { layout: "hwio" };
  return length === 2 ? { layout: "io" } : {};
}

/** Without the endings that TensorFlow adds. */
function plainName(name: string): string {
  return name.replace(/\/\.ATTRIBUTES\/VARIABLE_VALUE$/, "").replace(/:0$/, "");
}

function lastWord(name: string): string {
  return name.split(/[/.]/).at(-1) ?? name;
}
