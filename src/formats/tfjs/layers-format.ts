import { InputError } from "../../errors.js";
import { quoted } from "../keras/config.js";
import {
  type Argument,
  type CallSpec,
  isObject,
  type Json,
  type JsonObject,
  type LayerSpec,
  type ModelSpec,
  own,
  type TensorRef,
} from "../keras/config-types.js";

/**
 * A Keras 3 model in the words of TensorFlow.js' layers format, which are those of Keras 2.
 *
 * Only what says the same there is translated. Left out is what has no say in what a layer computes: how its weights
 * begin (they are loaded), what penalizes them in training.
 *
 * @param source - what messages call the file
 * @throws {InputError} `unsupported`, naming the layer, for what the format has no word for or means something else by
 */
export function layersFormat(model: ModelSpec, source: string): JsonObject {
  return new Translation(source).model(model);
}

/**
 * A configuration of Keras 2 as it is, but for how its weights begin: they are loaded, and TensorFlow.js would spend
 * minutes on the orthogonal matrices of a large recurrent layer.
 */
export function blankInitializers(config: Json): Json {
  if (Array.isArray(config)) return config.map(blankInitializers);
  if (!isObject(config)) return config;
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      isInitializer(key, value) ? ZEROS : blankInitializers(value),
    ]),
  );
}

/** Some layers have the key and no use for it: there it is `null`, and must stay so. */
function isInitializer(key: string, value: Json): boolean {
  return /_initializer$/.test(key) && value !== null;
}

const ZEROS = { class_name: "Zeros", config: {} } as const;

/** What Keras 3 writes beside what Keras 2 knows; none of it changes what is computed where it is `null` or `false`. */
const NEW_IN_KERAS_3 = new Set([
  "quantization_config",
  "lora_rank",
  "lora_alpha",
  "synchronized",
  "autocast",
  "use_cudnn",
  "optional",
  "ragged",
  "sparse",
  "rms_scaling",
  "seed",
]);

/** Layers that hold another layer, and where. */
const INNER_LAYERS: readonly string[] = ["layer", "backward_layer", "cell"];

class Translation {
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  model(model: ModelSpec): JsonObject {
    const nested = new Set(model.layers.filter((layer) => layer.model).map(({ name }) => name));
    const end = ({ layer, call, result }: TensorRef): Json => [
      layer,
      // A model used as a layer was called once when it was made.
      nested.has(layer) ? call + 1 : call,
      result,
    ];
    return {
      class_name: "Functional",
      config: {
        name: model.name,
        layers: model.layers.map((layer) => this.#layer(layer, end)),
        input_layers: model.inputs.map(end),
        output_layers: model.outputs.map(end),
      },
    };
  }

  #layer(layer: LayerSpec, end: (ref: TensorRef) => Json): Json {
    const { name, className } = layer;
    this.#refuseCode(layer);
    const inbound_nodes = layer.calls.map((call) => this.#call(call, layer, end));
    if (layer.model !== undefined) {
      const { class_name = null, config = null } = this.model(layer.model);
      return { name, class_name, config: { ...(config as JsonObject), name }, inbound_nodes };
    }
    const config = this.#config(layer.config, layer);
    return { name, class_name: className, config, inbound_nodes };
  }

  #refuseCode(layer: LayerSpec): void {
    if (/\bops\b/.test(layer.module ?? "")) {
      throw this.#refusal(layer, "is an operation of keras.ops, not a layer");
    }
  }

  #call(call: CallSpec, layer: LayerSpec, end: (ref: TensorRef) => Json): Json {
    const [first, ...others] = call.args;
    const plain: JsonObject = Object.fromEntries(
      [...call.kwargs].map(([key, argument]) => [key, this.#plain(argument, layer, key)]),
    );
    for (const [k, argument] of others.entries())
      this.#absent(argument, layer, `argument ${k + 2}`);
    const read = tensorsOf(first);
    if (read === null) throw this.#refusal(layer, "is called with something else than tensors");
    return read.map((ref) => [...(end(ref) as Json[]), plain]);
  }

  #plain(argument: Argument, layer: LayerSpec, key: string): Json {
    if (argument.kind === "value") return argument.value;
    throw this.#refusal(layer, `is called with a tensor as ${key}`);
  }

  #absent(argument: Argument, layer: LayerSpec, what: string): void {
    if (argument.kind === "value" && argument.value === null) return;
    throw this.#refusal(layer, `is called with a tensor as ${what}`);
  }

  #config(config: JsonObject, layer: LayerSpec): JsonObject {
    const entries = Object.entries(config).flatMap(([key, value]): [string, Json][] => {
      if (key === "batch_shape") return [["batch_input_shape", value]];
      if (key === "dtype") return [["dtype", this.#dtype(value, layer)]];
      if (isInitializer(key, value)) return [[key, ZEROS]];
      if (/_(regularizer|constraint)$/.test(key)) return [[key, null]];
      if (/(^|_)activation$/.test(key)) return [[key, this.#activation(value, layer)]];
      if (INNER_LAYERS.includes(key) && isObject(value)) return [[key, this.#inner(value, layer)]];
      if (key === "negative_slope" && layer.className === "LeakyReLU") return [["alpha", value]];
      if (NEW_IN_KERAS_3.has(key)) return this.#withoutSay(key, value, layer);
      return [[key, value]];
    });
    return Object.fromEntries(entries);
  }

  #withoutSay(key: string, value: Json, layer: LayerSpec): [] {
    // A seed only says how a layer behaves in training.
    if (key === "seed" || value === null || value === false) return [];
    throw this.#refusal(layer, `has ${key} ${JSON.stringify(value)}`);
  }

  #dtype(value: Json, layer: LayerSpec): Json {
    const policy = isObject(value) ? own(value, "config") : undefined;
    const name = isObject(policy) ? own(policy, "name") : value;
    if (typeof name === "string" && /^(float32|u?int\d+|bool)$/.test(name)) return name;
    throw this.#refusal(layer, `computes in ${JSON.stringify(name)}`);
  }

  #activation(value: Json, layer: LayerSpec): Json {
    const name = isObject(value) ? own(value, "config") : value;
    if (name === "hard_sigmoid") {
      throw this.#refusal(
        layer,
        "has the activation hard_sigmoid, which is another function in Keras 3 (relu6(x + 3) / 6) than there (0.2 x + 0.5, clipped)",
      );
    }
    if (name === null || typeof name === "string") return name;
    throw this.#refusal(layer, "has an activation with settings of its own");
  }

  #inner(value: JsonObject, outer: LayerSpec): Json {
    const className = own(value, "class_name");
    const config = own(value, "config");
    if (typeof className !== "string" || !isObject(config)) {
      throw this.#refusal(outer, "holds a layer that is not described");
    }
    const name = own(config, "name");
    const module = own(value, "module");
    const layer: LayerSpec = {
      name: typeof name === "string" ? `${outer.name}/${name}` : outer.name,
      className,
      module: typeof module === "string" ? module : null,
      registeredName: null,
      config,
      calls: [],
    };
    if (["Functional", "Sequential", "Model"].includes(className)) {
      throw this.#refusal(outer, `holds a whole model (${className})`);
    }
    return { class_name: className, config: this.#config(config, layer) };
  }

  #refusal({ name, className }: LayerSpec, what: string): InputError {
    return new InputError(
      "unsupported",
      `${this.#source}: layer ${quoted(name)} (${className}) ${what}, for which TensorFlow.js' layers format has no word; port the model by hand, or convert it and give the folder: --model tfjs:DIR`,
    );
  }
}

/** The tensors of a first argument; `null` where it holds anything else. */
function tensorsOf(argument: Argument | undefined): TensorRef[] | null {
  if (argument?.kind === "tensor") return [argument.ref];
  if (argument?.kind !== "list") return null;
  const parts = argument.items.map(tensorsOf);
  return parts.includes(null) ? null : parts.flatMap((refs) => refs ?? []);
}
