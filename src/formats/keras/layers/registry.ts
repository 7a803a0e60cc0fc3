import type { Layer } from "../layer.js";
import { isOperation } from "../store-keys.js";
import { activationLayers } from "./activations.js";
import { attentionLayers } from "./attention.js";
import type { LayerDefinition } from "./call.js";
import { categoryLayers } from "./categories.js";
import { convolutionLayers } from "./convolution.js";
import { coreLayers } from "./core.js";
import { imageLayers } from "./images.js";
import { mergingLayers } from "./merging.js";
import { normalizationLayers } from "./normalization.js";
import { functionLayers, operationDefinition } from "./operations.js";
import { poolingLayers } from "./pooling.js";
import { recurrentLayers } from "./recurrent.js";
import { reshapingLayers } from "./reshaping.js";
import { spectrumLayers } from "./spectra.js";

/** Every class of layers that is read, by the name Keras stores. */
const LAYERS: ReadonlyMap<string, LayerDefinition> = new Map(
  Object.entries({
    ...activationLayers,
    ...attentionLayers,
    ...categoryLayers,
    ...convolutionLayers,
    ...coreLayers,
    ...functionLayers,
    ...imageLayers,
    ...mergingLayers,
    ...normalizationLayers,
    ...poolingLayers,
    ...recurrentLayers,
    ...reshapingLayers,
    ...spectrumLayers,
  }),
);

/** Modules of Keras' own layers, of all versions; null where a file does not say. */
const OWN_MODULE = /^(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras|builtins)(\.|$)/;

/**
 * How a layer is read.
 *
 * @throws {InputError} `unsafe` for a Lambda, `unsupported` for classes that are not Keras' own or not known here
 */
export function definitionOf(layer: Layer, registeredName: string | null): LayerDefinition {
  if (layer.className === "Lambda") {
    throw layer.refused(
      "unsafe",
      "holds Python code, which is never run; replace the Lambda by Keras' own layers or operations, or export the model as ONNX",
    );
  }
  const custom =
    (registeredName?.includes(">") ?? false) ||
    (layer.module !== null && !OWN_MODULE.test(layer.module));
  const definition = custom
    ? undefined
    : isOperation(layer)
      ? operationDefinition(layer.className)
      : (LAYERS.get(layer.className) ?? unnamedOperation(layer));
  if (definition !== undefined) return definition;
  throw layer.refused(
    "unsupported",
    `is ${custom ? "a class of the model's own code" : "not one of the layers read here"}, which cannot be run; rebuild it from Keras' own layers, or export the model as ONNX`,
  );
}

/** An operation in an `.h5` that Keras 3 wrote: its layers come without the module that would tell. */
function unnamedOperation({ className, dialect, module }: Layer): LayerDefinition | undefined {
  return dialect === 3 && module === null ? operationDefinition(className) : undefined;
}
