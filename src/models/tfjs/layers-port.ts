import * as tf from "@tensorflow/tfjs-core";
import { InputError } from "../../errors.js";
import type { Json } from "../../formats/keras/config-types.js";
import { definePort, type Port } from "../../port/port.js";
import { type TfModel, takeWeights, variablesOf } from "./layers.js";
import { runTapped } from "./tapped-run.js";

/** A model ready to run, and what the original calls its weights. */
interface Imported {
  readonly model: TfModel;
  readonly names: readonly string[];
}

/**
 * TensorFlow.js' own importer and layers as a port.
 *
 * @param name - what messages call the model
 * @param topology - in TensorFlow.js' layers format
 * @param stored - the values that came with the topology, by TensorFlow.js' names; default the original's
 */
export function layersPort(
  name: string,
  topology: Json,
  stored?: () => Record<string, tf.Tensor>,
): Port<Imported, tf.Tensor> {
  return definePort<Imported, tf.Tensor>({
    name: "tfjs",
    original: name,
    layout: "nhwc",
    runtime: "tfjs",
    build: async (weights) => {
      const model = await importing(name, () => fromTopology(topology));
      const values = stored === undefined ? takeWeights(model, weights) : stored();
      await importing(name, () => model.loadWeights(values, true));
      tf.dispose(values);
      return { model, names: weights.names };
    },
    forward: ({ model }, inputs, tap) => runTapped(model, inputs, tap),
    variables: ({ model, names }) => variablesOf(model, names),
  });
}

/** The package is large, and only needed here. */
async function fromTopology(topology: Json): Promise<TfModel> {
  const { models } = await import("@tensorflow/tfjs-layers");
  const model = await models.modelFromJSON({ modelTopology: topology } as never);
  return model as unknown as TfModel;
}

/** @throws {InputError} `unsupported` with the first line of what TensorFlow.js says */
async function importing<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const reason = (cause instanceof Error ? cause.message : String(cause)).split("\n")[0] ?? "";
    const said = reason.replace(/ This may be due to one of the following reasons:$/, "");
    // biome-ignore lint/style/useErrorCause: the cause is the third argument
    throw new InputError("unsupported", `${name}: TensorFlow.js does not import it: ${said}`, {
      cause,
    });
  }
}
