import * as tf from "@tensorflow/tfjs-core";
import { InputError } from "../../errors.js";
import { type ConvertedModel, readConvertedModel } from "../../formats/tfjs/converted-model.js";
import type { Port } from "../../port/port.js";
import { graphPort } from "./graph-port.js";
import { layersPort } from "./layers-port.js";

/**
 * A converted model, layers or graph, run by TensorFlow.js with the weights that lie in its folder.
 *
 * @param layers - ids of the original's layers
 * @throws {InputError} where the folder holds no such model
 */
export function folderPort(folder: string, layers: readonly string[]): Port<unknown, tf.Tensor> {
  const model = readConvertedModel(folder);
  const port =
    model.kind === "graph"
      ? graphPort(folder, model, layers)
      : layersPort(folder, model.topology, () => storedWeights(folder, model));
  return port as Port<unknown, tf.Tensor>;
}

function storedWeights(folder: string, { data, specs }: ConvertedModel): Record<string, tf.Tensor> {
  try {
    return tf.io.decodeWeights(data, specs as unknown as tf.io.WeightsManifestEntry[]);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    // biome-ignore lint/style/useErrorCause: the cause is the third argument
    throw new InputError("corrupt", `${folder}: its weights cannot be read: ${reason}`, { cause });
  }
}
