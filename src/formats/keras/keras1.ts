import { InputError } from "../../errors.js";
import { isObject, type Json, type JsonObject, own } from "./config-types.js";

/** Keys of Keras 1 under the names of Keras 2. */
const KEYS: Readonly<Record<string, string>> = {
  nb_filter: "filters",
  subsample: "strides",
  subsample_length: "strides",
  border_mode: "padding",
  filter_length: "kernel_size",
  bias: "use_bias",
  p: "rate",
  pool_length: "pool_size",
  stride: "strides",
  length: "size",
  inner_activation: "recurrent_activation",
  dilation: "dilation_rate",
  atrous_rate: "dilation_rate",
  concat_axis: "axis",
};

/** What Keras 1 says of a layer that changes nothing it computes. */
const DROPPED =
  /^(init|inner_init|forget_bias_init|.*_regularizer|.*_constraint|input_dim|input_length|consume_less|dropout_[WU]|gamma_init|beta_init|input_dtype|create_input_layer)$/;

/** Classes of Keras 1 that Keras 2 calls otherwise. */
const CLASSES: Readonly<Record<string, string>> = {
  Convolution1D: "Conv1D",
  Convolution2D: "Conv2D",
  Convolution3D: "Conv3D",
  AtrousConvolution1D: "Conv1D",
  AtrousConvolution2D: "Conv2D",
};

/** Layers whose weights Keras 1 keeps in another number or order. */
const UNREADABLE = new Set([
  "LSTM",
  "GRU",
  "SimpleRNN",
  "Deconvolution2D",
  "SeparableConvolution2D",
  "Highway",
  "MaxoutDense",
  "Merge",
]);

/**
 * A model's configuration of Keras 1 in the words of Keras 2: convolutions, dense layers, pools,
 * normalizations and what has no weights.
 *
 * Source: the conversions of Keras 2.0 (`legacy/interfaces.py`).
 *
 * @throws {InputError} `unsupported` for layers whose weights would have to be rearranged
 */
export function fromKeras1(json: Json, source: string): Json {
  if (Array.isArray(json)) return json.map((item: Json) => fromKeras1(item, source));
  if (!isObject(json)) return json;
  const className = own(json, "class_name");
  const config = own(json, "config");
  if (typeof className !== "string" || config === undefined) {
    return Object.fromEntries(
      Object.entries(json).map(([key, value]) => [key, fromKeras1(value, source)]),
    );
  }
  if (UNREADABLE.has(className)) {
    throw new InputError(
      "unsupported",
      `${source}: a ${className} layer of Keras 1, whose weights are kept in another form; load and save the model with Keras 2 first`,
    );
  }
  const plain = isObject(config) && own(config, "layers") === undefined;
  const changed = plain ? layerConfig(className, config, source) : fromKeras1(config, source);
  return { ...json, class_name: CLASSES[className] ?? className, config: changed };
}

function layerConfig(className: string, config: JsonObject, source: string): Json {
  const result: Record<string, Json> = {};
  for (const [key, value] of Object.entries(config)) {
    if (!DROPPED.test(key)) result[KEYS[key] ?? key] = value;
  }
  const sizes = ["nb_row", "nb_col"].map((key) => own(config, key));
  if (sizes.every((size) => typeof size === "number")) {
    result["kernel_size"] = sizes as number[];
    delete result["nb_row"];
    delete result["nb_col"];
  }
  if (className === "Dense") {
    result["units"] = own(config, "output_dim") ?? null;
    delete result["output_dim"];
  }
  if (className === "Embedding") result["input_dim"] = own(config, "input_dim") ?? null;
  if ("dim_ordering" in result) {
    const first = result["dim_ordering"] === "th";
    delete result["dim_ordering"];
    result["data_format"] = first ? "channels_first" : "channels_last";
    if (first && /Conv/.test(className)) {
      throw new InputError(
        "unsupported",
        `${source}: a ${className} layer of Keras 1 with dim_ordering "th", whose kernels are kept in another form; load and save the model with Keras 2 first`,
      );
    }
  }
  return result;
}
