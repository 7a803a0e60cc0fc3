import { InputError } from "../errors.js";
import type { Json } from "../formats/keras/config-types.js";
import { blankInitializers, layersFormat } from "../formats/tfjs/layers-format.js";
import type { PortSource } from "../record/port-messages.js";
import type { ResolvedOptions } from "./options.js";
import type { Original } from "./originals/original.js";

/** Whether `--model` names TensorFlow.js itself: `tfjs:`, or `tfjs:DIR` for a converted model. */
export function isTfjs(model: string): boolean {
  return model.startsWith("tfjs:");
}

/**
 * What `--model` names.
 *
 * @throws {InputError} where TensorFlow.js is to import an original that is no Keras file, or one that its format has
 *   no words for
 */
export function portSource(
  { model: name }: ResolvedOptions,
  original: Pick<Original, "architecture" | "keras" | "name">,
): PortSource {
  if (isTfjs(name)) {
    const folder = name.slice("tfjs:".length);
    if (folder !== "") {
      const layers = original.architecture.layers.map(({ id }) => id);
      return { kind: "tfjs-folder", name, folder, layers };
    }
    return { kind: "tfjs", name: original.name, topology: topologyOf(original) };
  }
  if (name.startsWith("runner:")) return { kind: "runner", name };
  const kind = /[\\/]|\.[mc]?[jt]s$/.test(name) ? "file" : "built-in";
  return { kind, name };
}

/** A file of Keras 2 says it in TensorFlow.js' own words; one of Keras 3 is translated. */
function topologyOf({ keras, name }: Pick<Original, "keras" | "name">): Json {
  if (keras === undefined) {
    throw new InputError(
      "option",
      `--model tfjs: imports Keras models, but the original ${name} is none; give one as --original, or a port of your own`,
    );
  }
  const { model, config } = keras;
  return {
    model_config: model.dialect === 2 ? blankInitializers(config) : layersFormat(model, name),
  };
}
