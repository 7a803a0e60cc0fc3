import type { BinaryFunction } from "../../../architecture/attributes.js";
import { range } from "../ops.js";
import type { Value } from "../value.js";
import { axisOf, type Call, inputsOf, type LayerDefinition } from "./call.js";
import { letters } from "./core.js";
import { unitLength } from "./normalization.js";

/**
 * Tensors of fewer axes get new ones behind the batch: Keras merges by the *first* axes of a tensor
 * with more of them, numpy by the last ones; with equal ranks both are the same.
 */
function alignRanks(call: Call, inputs: readonly Value[]): Value[] {
  const rank = Math.max(...inputs.map((input) => input.rank));
  return inputs.map((input) => {
    const missing = rank - input.rank;
    if (missing === 0) return input;
    const [batch = 1, ...rest] = input.shape;
    return call.ops.view(input, [batch, ...new Array<number>(missing).fill(1), ...rest]);
  });
}

function merge(call: Call, name: BinaryFunction, least = 1): Value {
  const { layer, ops } = call;
  const inputs = inputsOf(call);
  if (inputs.length < least) throw layer.refused("format", `merges ${inputs.length} tensors`);
  if (name === "subtract" && inputs.length !== 2) {
    throw layer.refused("format", `subtracts ${inputs.length} tensors, expected 2`);
  }
  const [first, ...rest] = alignRanks(call, inputs);
  const merged = rest.reduce((sum, value) => ops.binary(name, sum, value), first as Value);
  return merged.withMask(mergedMask(call, inputs));
}

function average(call: Call): Value {
  const inputs = inputsOf(call);
  const [first, ...rest] = alignRanks(call, inputs);
  const sum = rest.reduce((total, value) => call.ops.add(total, value), first as Value);
  const value = call.ops.affine(sum.as("float"), 1 / inputs.length, 0, "average");
  return value.withMask(mergedMask(call, inputs));
}

/**
 * Masks of what is merged. Keras 2: AND of those there are; Keras 3: none when one input has none,
 * else OR.
 */
function mergedMask(call: Call, inputs: readonly Value[]): Value | null {
  const { layer, ops } = call;
  const masks = inputs.map(({ mask }) => mask);
  const there = masks.filter((mask) => mask !== null);
  const [first, ...rest] = there;
  if (first === undefined) return null;
  if (layer.dialect === 3 && there.length < masks.length) return null;
  const name = layer.dialect === 2 ? "and" : "or";
  return rest.reduce((sum, mask) => ops.binary(name, sum, mask, "mask"), first);
}

function concatenate(call: Call): Value {
  const { layer, ops } = call;
  const inputs = inputsOf(call);
  const axis = axisOf(call, layer.number("axis", -1), inputs[0]?.rank ?? 1);
  return ops.concat(inputs, axis).withMask(concatenatedMask(call, inputs, axis));
}

/** Masks laid beside each other as the values are; over the last axes Keras 2 wants all true, Keras 3 any. */
function concatenatedMask(call: Call, inputs: readonly Value[], axis: number): Value | null {
  const { layer, ops } = call;
  if (inputs.every(({ mask }) => mask === null)) return null;
  const parts = inputs.map((input) => {
    const { mask } = input;
    const ones = () => ops.fill(input.shape, [1], "bool");
    if (mask === null) return ones();
    const shape = [...mask.shape, ...new Array<number>(input.rank - mask.rank).fill(1)];
    // Within the mask's own axes a column is enough; the joined axis needs its full length.
    const column = ops.view(mask, shape);
    return ops.expand(column, input.shape);
  });
  const rank = Math.min(...inputs.map(({ mask }) => mask?.rank ?? Number.POSITIVE_INFINITY));
  const joined = ops.concat(parts, axis);
  const axes = range(rank, joined.rank);
  return ops.reduce(layer.dialect === 2 ? "all" : "any", joined, axes, false, "mask");
}

/** Sum of products over one axis of each, batch by batch; x's other axes first. */
function dot(call: Call): Value {
  const { layer, ops } = call;
  const inputs = inputsOf(call);
  const [a, b] = inputs;
  if (a === undefined || b === undefined || inputs.length !== 2) {
    throw layer.refused("format", `multiplies ${inputs.length} tensors, expected 2`);
  }
  const axes = layer.sizes("axes", 2, undefined, Number.NEGATIVE_INFINITY);
  const left = axisOf(call, axes[0] ?? 1, a.rank);
  const right = axisOf(call, axes[1] ?? 1, b.rank);
  // Of the squared length: Keras 2 floors it, Keras 3 floors the length itself at 1e-7.
  const floor = layer.dialect === 2 ? 1e-12 : 1e-14;
  const normalize = layer.flag("normalize");
  const x = normalize ? ops.within("left", () => unitLength(ops, a, [left], floor)) : a;
  const y = normalize ? ops.within("right", () => unitLength(ops, b, [right], floor)) : b;
  const xs = [...letters(x.rank)];
  const ys = [...letters(y.rank, x.rank)];
  ys[0] = xs[0] ?? "a";
  ys[right] = xs[left] ?? "b";
  const kept = [...xs.filter((_, k) => k !== left), ...ys.filter((_, k) => k !== right && k !== 0)];
  const product = ops.contract(`${xs.join("")},${ys.join("")}->${kept.join("")}`, x, y, "dot");
  return product.rank === 1 ? ops.view(product, [product.size(0), 1]) : product;
}

const merging = (name: BinaryFunction): LayerDefinition => ({ call: (call) => merge(call, name) });

export const mergingLayers: Readonly<Record<string, LayerDefinition>> = {
  Add: merging("add"),
  Subtract: merging("subtract"),
  Multiply: merging("multiply"),
  Maximum: merging("maximum"),
  Minimum: merging("minimum"),
  Average: { call: average },
  Concatenate: { call: concatenate },
  Dot: { call: dot },
};
