import type { Value } from "../value.js";
import { activate } from "./activations.js";
import { addBias, biasAxis } from "./bias.js";
import { type Call, inputOf, type LayerDefinition } from "./call.js";

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** Letters for that many axes, from a place in the alphabet on. */
export function letters(count: number, from = 0): string {
  return LETTERS.slice(from, from + count);
}

function dense(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  if (x.rank < 2) throw layer.refused("shape", `reads [${x.shape}], expected at least 2 axes`);
  const units = layer.count("units");
  const kernel = layer.weight("kernel", [x.size(-1), units]);
  const outer = letters(x.rank - 1);
  const product = ops.product(`${outer}y,yz->${outer}z`, x, kernel, "product");
  const value = layer.flag("use_bias", true)
    ? ops.add(product, ops.weight(layer.weight("bias", [units])), "add_bias")
    : product;
  return activate(call, value);
}

function einsumDense(call: Call): Value {
  const { layer } = call;
  const equation = layer.string("equation").replaceAll(" ", "");
  const raw = layer.raw("output_shape");
  const outputShape = (Array.isArray(raw) ? raw : [raw ?? null]).map((size) =>
    typeof size === "number" ? size : null,
  );
  const axes = layer.raw("bias_axes");
  return activate(
    call,
    einsumProduct(
      call,
      inputOf(call),
      equation,
      outputShape,
      typeof axes === "string" ? axes : null,
    ),
  );
}

/**
 * What Keras' EinsumDense computes before its activation: kernel and bias are shaped by the equation,
 * an ellipsis stands for the axes of the input that the equation does not name.
 */
export function einsumProduct(
  call: Pick<Call, "layer" | "ops">,
  x: Value,
  equation: string,
  outputShape: readonly (number | null)[],
  biasAxes: string | null,
): Value {
  const { layer, ops } = call;
  const match = /^([a-zA-Z.]+),([a-zA-Z]+)->([a-zA-Z.]+)$/.exec(equation);
  if (match === null) throw layer.refused("format", `has the equation ${JSON.stringify(equation)}`);
  const [, left = "", kernelLetters = "", right = ""] = match;
  const hidden = x.rank - left.replace("...", "").length;
  const used = new Set(equation);
  const spare = [...LETTERS]
    .filter((letter) => !used.has(letter))
    .slice(0, hidden)
    .join("");
  const input = left.replace("...", spare);
  const output = right.replace("...", spare);
  if (input.length !== x.rank) {
    throw layer.refused("shape", `reads [${x.shape}], which does not fit its equation ${equation}`);
  }
  const sizes = new Map<string, number>([...input].map((letter, axis) => [letter, x.size(axis)]));
  // output_shape leaves out the batch, and counts from the end.
  const known = [...output].slice(-outputShape.length);
  known.forEach((letter, k) => {
    const size = outputShape[k];
    if (typeof size === "number" && !sizes.has(letter)) sizes.set(letter, size);
  });
  const shapeOf = (word: string): number[] =>
    [...word].map((letter) => {
      const size = sizes.get(letter);
      if (size !== undefined) return size;
      throw layer.refused("format", `does not say the size of "${letter}" in ${equation}`);
    });
  const kernel = layer.weight("kernel", shapeOf(kernelLetters));
  const product = ops.product(`${input},${kernelLetters}->${output}`, x, kernel, "product");
  if (biasAxes === null || biasAxes === "") return product;
  const firstBias = [...output].findIndex((letter) => biasAxes.includes(letter));
  const shape = [...output]
    .slice(firstBias)
    .map((letter) => (biasAxes.includes(letter) ? (shapeOf(letter)[0] ?? 1) : 1));
  const bias = layer.weight("bias", shape);
  const long = shape.flatMap((size, k) => (size === 1 ? [] : [firstBias + k]));
  const [axis] = long;
  if (long.length === 1 && axis !== undefined) {
    return addBias(ops, product, bias, biasAxis(layer, product.shape, axis));
  }
  return ops.add(product, ops.weight(bias), "add_bias");
}

/** Rows of a table; ids of any type are cut to integers. */
function embedding(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const table = layer.weight("embeddings", [layer.count("input_dim"), layer.count("output_dim")]);
  layer.ignore("input_length", "sparse");
  const ids = x.type === "float" ? ops.cast(x, "integer", "int") : x;
  const value = ops.rounded(ops.gather(ops.weight(table), ids));
  if (!layer.flag("mask_zero")) return value;
  return value.withMask(ops.binary("not-equal", x, ops.scalar(0), "mask"));
}

/** A table that also works backwards: the product with it transposed, when called with `reverse`. */
function reversibleEmbedding(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const dimension = layer.count("output_dim");
  const rows = layer.count("input_dim");
  const tied = layer.flag("tie_weights", true);
  const softCap = layer.optionalNumber("logit_soft_cap");
  layer.ignore("reverse_dtype");
  const table = layer.weight("embeddings", [rows, dimension]);
  const reverse = tied ? null : layer.weight("reverse_embeddings", [dimension, rows]);
  if (call.kwargs.get("reverse") !== true) {
    const ids = x.type === "float" ? ops.cast(x, "integer", "int") : x;
    const value = ops.rounded(ops.gather(ops.weight(table), ids));
    if (!layer.flag("mask_zero")) return value;
    return value.withMask(ops.binary("not-equal", x, ops.scalar(0), "mask"));
  }
  layer.ignore("mask_zero");
  const outer = letters(x.rank - 1);
  const logits =
    reverse === null
      ? ops.product(`${outer}y,zy->${outer}z`, x, table, "logits")
      : ops.product(`${outer}y,yz->${outer}z`, x, reverse, "logits");
  if (softCap === null) return logits;
  return ops.affine(ops.activation("tanh", ops.affine(logits, 1 / softCap, 0)), softCap, 0);
}

/** Steps all of whose values are the mask value become 0 and are left out from here on. */
function masking(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const differs = ops.binary("not-equal", x, ops.scalar(layer.number("mask_value", 0)));
  const kept = ops.reduce("any", differs, [x.rank - 1], true, "kept");
  const value = ops.where(kept, x, ops.scalar(0));
  return value.withMask(ops.squeeze(kept, -1));
}

/** What does nothing once training is over. */
const inference = (...keys: readonly string[]): LayerDefinition => ({
  call: (call) => {
    call.layer.ignore(...keys);
    return inputOf(call);
  },
  masks: "keep",
});

/** Random changes of images that are made in training only; what they are told matters to no result. */
const random: LayerDefinition = {
  call: (call) => {
    call.layer.ignore(...Object.keys(call.layer.configuration()));
    return inputOf(call);
  },
};

const RANDOM = [
  "AugMix",
  "CutMix",
  "MixUp",
  "RandAugment",
  "RandomBrightness",
  "RandomColorDegeneration",
  "RandomColorJitter",
  "RandomContrast",
  "RandomElasticTransform",
  "RandomErasing",
  "RandomFlip",
  "RandomGaussianBlur",
  "RandomGrayscale",
  "RandomHeight",
  "RandomHue",
  "RandomInvert",
  "RandomPerspective",
  "RandomPosterization",
  "RandomRotation",
  "RandomSaturation",
  "RandomSharpness",
  "RandomShear",
  "RandomTranslation",
  "RandomWidth",
  "RandomZoom",
];

export const coreLayers: Readonly<Record<string, LayerDefinition>> = {
  Dense: { call: dense, masks: "keep" },
  EinsumDense: { call: einsumDense },
  Embedding: { call: embedding },
  ReversibleEmbedding: { call: reversibleEmbedding },
  Masking: { call: masking },
  Identity: inference(),
  Dropout: inference("rate", "noise_shape", "seed"),
  SpatialDropout1D: inference("rate", "noise_shape", "seed"),
  SpatialDropout2D: inference("rate", "noise_shape", "seed", "data_format"),
  SpatialDropout3D: inference("rate", "noise_shape", "seed", "data_format"),
  GaussianDropout: inference("rate", "seed"),
  GaussianNoise: inference("stddev", "seed"),
  AlphaDropout: inference("rate", "noise_shape", "seed"),
  ActivityRegularization: inference("l1", "l2"),
  ...Object.fromEntries(RANDOM.map((name) => [name, random])),
};
