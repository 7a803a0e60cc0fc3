import { existsSync, statSync } from "node:fs";
import type { Architecture } from "../../architecture/architecture.js";
import { InputError } from "../../errors.js";
import { openSource, refuseForeignContent } from "../../formats/byte-source.js";
import type { Hdf5Content } from "../../formats/keras/hdf5-protocol.js";
import { openKerasFile } from "../../formats/keras/keras-file.js";
import { readHdf5 } from "../../formats/keras/read-hdf5.js";
import type { BuiltInModel } from "../../models/registry.js";
import { openNamedTensors } from "../../weights/named-tensors.js";
import { bindNamedTensors } from "../../weights/tensor-file-weights.js";
import type { WeightStoreDescription } from "../../weights/weight-store.js";
import { missingWeights } from "./darknet-original.js";
import { isHdf5 } from "./file-kinds.js";

/** What the weights are for. */
interface Target {
  readonly architecture: Architecture;
  readonly model: BuiltInModel | null;
  /** Binds what a Keras file holds by Keras' own rules. */
  readonly bind: (content: Hdf5Content) => WeightStoreDescription;
}

/**
 * Weights for a Keras model from a file of their own: HDF5 or `.keras` by Keras' rules; safetensors and
 * TensorFlow checkpoints by the names of their tensors.
 *
 * @throws {InputError} when the file is missing, damaged, or does not hold exactly these weights
 */
export async function kerasWeightsFile(
  path: string,
  target: Target,
): Promise<{ readonly description: WeightStoreDescription; readonly warnings: readonly string[] }> {
  const named = openNamedTensors(path);
  if (named !== null) {
    try {
      return bindNamedTensors(named, target.architecture);
    } finally {
      named.file.close();
    }
  }
  if (!existsSync(path)) throw missingWeights(path, target.model);
  const head = headOf(path);
  if (isHdf5(head)) {
    const byteLength = statSync(path).size;
    const content = await readHdf5({ source: { kind: "file", path }, name: path, byteLength });
    return { description: target.bind(content), warnings: [] };
  }
  if (head[0] === 0x50 && head[1] === 0x4b) {
    return { description: target.bind((await openKerasFile(path)).content), warnings: [] };
  }
  const source = openSource(path);
  try {
    refuseForeignContent(source, "a Keras file of weights");
  } finally {
    source.close();
  }
  throw new InputError(
    "format",
    `--weights ${path}: is none of .h5, .keras, .safetensors or a TensorFlow checkpoint, expected weights for the Keras model ${target.architecture.name}`,
  );
}

function headOf(path: string): Uint8Array {
  const source = openSource(path);
  try {
    return source.read(0, Math.min(4096, source.byteLength), "first bytes");
  } finally {
    source.close();
  }
}
