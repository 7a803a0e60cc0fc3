import * as tf from "@tensorflow/tfjs-core";
import type { PortVariable, PortWeights } from "../../port/port.js";

/** A tensor of TensorFlow.js' graph before it has values. */
interface SymbolicTensor {
  readonly sourceLayer: { readonly name: string };
  readonly nodeIndex: number;
  readonly tensorIndex: number;
}

/** A layer of TensorFlow.js, by structure: what its package declares leaves out what is needed here. */
export interface TfLayer {
  readonly name: string;
  readonly weights: readonly TfWeight[];
  /** One for each call; a model has one more, which stands for its making. */
  readonly inboundNodes: readonly { readonly inputTensors: readonly SymbolicTensor[] }[];
  /** Of models only. */
  readonly layers?: readonly TfLayer[];
  readonly inputs?: readonly SymbolicTensor[];
  call(inputs: tf.Tensor | tf.Tensor[], kwargs: unknown): tf.Tensor | tf.Tensor[];
}

/** A variable of a layer. */
interface TfWeight {
  readonly originalName: string;
  readonly shape: readonly (number | null)[];
  read(): tf.Tensor;
}

/** A model of TensorFlow.js' layers. */
export interface TfModel extends TfLayer {
  readonly layers: readonly TfLayer[];
  readonly inputs: readonly SymbolicTensor[];
  readonly inputNames: readonly string[];
  loadWeights(weights: Record<string, tf.Tensor>, strict: boolean): void;
}

/** A layer and its name with those of the models around it: `encoder/conv`. */
export interface PlacedLayer {
  readonly path: string;
  readonly layer: TfLayer;
}

/** All layers of a model, those of models inside behind the model itself. */
export function placedLayers(model: TfModel, prefix = ""): PlacedLayer[] {
  return model.layers.flatMap((layer) => {
    const path = `${prefix}${layer.name}`;
    const inside = isModel(layer) ? placedLayers(layer, `${path}/`) : [];
    return [{ path, layer }, ...inside];
  });
}

/** Whether a layer is a whole model. */
export function isModel(layer: TfLayer): layer is TfModel {
  return layer.layers !== undefined;
}

/** A variable of TensorFlow.js and what the original calls it. */
interface NamedWeight {
  readonly name: string;
  readonly weight: TfWeight;
}

/**
 * The original's name of each variable: layer by layer in the order in which both make them. Where the original has
 * fewer, the name that TensorFlow.js uses stands for the one that is missing.
 */
export function namedWeights(model: TfModel, known: readonly string[]): NamedWeight[] {
  return placedLayers(model)
    .filter(({ layer }) => !isModel(layer))
    .flatMap(({ path, layer }) => {
      const own = known.filter((name) => name.startsWith(`${path}/`));
      return layer.weights.map((weight, k) => ({ name: own[k] ?? weight.originalName, weight }));
    });
}

/** The original's weights by TensorFlow.js' names of them. */
export function takeWeights(model: TfModel, weights: PortWeights): Record<string, tf.Tensor> {
  const values: Record<string, tf.Tensor> = {};
  for (const { name, weight } of namedWeights(model, weights.names)) {
    const { data, shape } = weights.take(name, { shape: weight.shape as number[] });
    values[weight.originalName] = tf.tensor(data, shape);
  }
  return values;
}

/** What a model's variables hold, by the original's names. */
export function variablesOf(
  model: TfModel,
  known: readonly string[],
): Readonly<Record<string, PortVariable>> {
  const named = namedWeights(model, known);
  return Object.fromEntries(
    named.map(({ name, weight }) => [name, { value: weight.read() as PortVariable["value"] }]),
  );
}
