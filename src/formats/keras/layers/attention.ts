import type { Layer } from "../layer.js";
import { range } from "../ops.js";
import type { Value } from "../value.js";
import { maskedSoftmax } from "./activations.js";
import {
  type Call,
  type Given,
  type LayerDefinition,
  type Result,
  tensorArgument,
  tensorsOf,
} from "./call.js";
import { einsumProduct, letters } from "./core.js";

/** What Keras subtracts from masked scores, or sets them to. */
const PADDING = 1e9;
/** TensorFlow's `dot_product_attention` sets masked scores to this part of the lowest float32. */
const LOWEST = -0.7 * 3.4028234663852886e38;

/** Query, value and key (the value again when there is none), and their masks. */
interface Inputs {
  readonly query: Value;
  readonly value: Value;
  readonly key: Value;
  readonly queryMask: Value | null;
  readonly valueMask: Value | null;
}

/** Dot-product and additive attention over lists of inputs. */
function listInputs(call: Call): Inputs {
  const [query, value, key] = tensorsOf(call.args[0]);
  if (query === undefined || value === undefined) {
    throw call.layer.refused("format", "is called without query and value");
  }
  const given = call.kwargs.get("mask");
  const list: readonly Given[] = Array.isArray(given) ? given : [];
  const maskAt = (k: number, input: Value): Value | null => {
    if (given === undefined || given === null) return input.mask;
    const mask = tensorsOf(list[k])[0];
    return mask ?? null;
  };
  return {
    query,
    value,
    key: key ?? value,
    queryMask: maskAt(0, query),
    valueMask: maskAt(1, value),
  };
}

/** 1 where a query may see a value: `[1, queries, values]`. */
function causalMask(call: Call, queries: number, values: number): Value {
  const allowed = range(0, queries * values).map((k) =>
    k % values <= Math.floor(k / values) ? 1 : 0,
  );
  return call.ops.fill([1, queries, values], allowed, "bool");
}

function attention(call: Call, scoresOf: (inputs: Inputs) => Value): Result {
  const { layer, ops } = call;
  layer.ignore("dropout", "seed");
  const inputs = listInputs(call);
  const { query, value, queryMask, valueMask } = inputs;
  const causal = layer.flag("causal") || call.kwargs.get("use_causal_mask") === true;
  const scores = scoresOf(inputs);
  const seen = valueMask === null ? null : ops.expandDims(valueMask, -2);
  const lower = causal ? causalMask(call, query.size(1), value.size(1)) : null;
  const mask = seen !== null && lower !== null ? ops.binary("and", seen, lower) : (seen ?? lower);
  const padded =
    mask === null ? scores : ops.where(mask, scores, ops.affine(scores, 1, -PADDING, "padded"));
  const weights = ops.softmax(padded, [scores.rank - 1]);
  const product = ops.contract("bqv,bvd->bqd", weights, value, "attended");
  const output =
    queryMask === null ? product : ops.where(ops.expandDims(queryMask, -1), product, ops.scalar(0));
  const masked = output.withMask(queryMask);
  return call.kwargs.get("return_attention_scores") === true ? [masked, weights] : masked;
}

function dotAttention(call: Call): Result {
  const { layer, ops } = call;
  const mode = layer.choice("score_mode", ["dot", "concat"], "dot");
  const scale = layer.flag("use_scale") ? ops.weight(layer.weight("scale", [])) : null;
  const concat = mode === "concat" ? ops.weight(layer.weight("concat_score_weight", [])) : null;
  return attention(call, ({ query, key }) => {
    if (concat === null) {
      const scores = ops.contract("bqd,bkd->bqk", query, key, "scores");
      return scale === null ? scores : ops.multiply(scores, scale);
    }
    const sum = ops.add(ops.expandDims(query, -2), ops.expandDims(key, -3));
    const bent = ops.activation("tanh", scale === null ? sum : ops.multiply(scale, sum));
    return ops.multiply(concat, ops.reduce("sum", bent, [bent.rank - 1]));
  });
}

function additiveAttention(call: Call): Result {
  const { layer, ops } = call;
  const [query] = tensorsOf(call.args[0]);
  const useScale = layer.flag("use_scale", true);
  const scale = useScale ? ops.weight(layer.weight("scale", [query?.size(-1) ?? 1])) : null;
  return attention(call, ({ query: q, key }) => {
    const sum = ops.add(ops.expandDims(q, -2), ops.expandDims(key, -3));
    const bent = ops.activation("tanh", sum);
    const scaled = scale === null ? bent : ops.multiply(scale, bent);
    return ops.reduce("sum", scaled, [scaled.rank - 1]);
  });
}

/** A dense layer inside an attention layer, over all axes before the last ones. */
function projection(
  call: Call,
  key: string,
  name: string,
  x: Value,
  equation: string,
  sizes: readonly number[],
  useBias: boolean,
): Value {
  const child: Layer = call.layer.child(key, {
    name,
    className: "EinsumDense",
    module: "keras.layers",
    config: {},
  });
  const output = equation.split("->")[1] ?? "";
  const axes = output.slice(output.length - sizes.length);
  return call.ops.within(name, () =>
    einsumProduct({ layer: child, ops: call.ops }, x, equation, sizes, useBias ? axes : null),
  );
}

function namedInputs(call: Call): Inputs {
  const given = call.args.flatMap(tensorsOf);
  const [first, second, third] = given;
  const query = tensorArgument(call, "query") ?? first;
  const value = tensorArgument(call, "value") ?? second;
  if (query === undefined || value === undefined) {
    throw call.layer.refused("format", "is called without query and value");
  }
  const key = tensorArgument(call, "key") ?? third ?? value;
  return {
    query,
    value,
    key,
    queryMask: tensorArgument(call, "query_mask") ?? query.mask,
    valueMask: tensorArgument(call, "value_mask") ?? value.mask,
  };
}

/** All that says which query may see which value: `[batch or 1, queries, values]`. */
function attentionMask(
  call: Call,
  { query, value, key, queryMask, valueMask }: Inputs,
): Value | null {
  const { layer, ops } = call;
  const masks: Value[] = [];
  const given = tensorArgument(call, "attention_mask");
  if (given !== undefined) masks.push(given);
  if (queryMask !== null) masks.push(ops.expandDims(queryMask, -1));
  if (valueMask !== null) masks.push(ops.expandDims(valueMask, -2));
  if (key !== value && key.mask !== null) masks.push(ops.expandDims(key.mask, -2));
  if (call.kwargs.get("use_causal_mask") === true) {
    masks.push(causalMask(call, query.size(1), value.size(1)));
  }
  const window = layer.optionalNumber("sliding_window");
  if (window !== null) {
    const [queries, values] = [query.size(1), value.size(1)];
    const near = range(0, queries * values).map((k) =>
      Math.abs(Math.floor(k / values) - (k % values)) < window ? 1 : 0,
    );
    masks.push(ops.fill([1, queries, values], near, "bool"));
  }
  const [first, ...rest] = masks;
  if (first === undefined) return null;
  return rest.reduce((sum, mask) => ops.binary("and", sum, mask, "mask"), first);
}

/** Scores → weights. Where Keras 3 needs no scores it calls TensorFlow's attention, which masks in another way. */
function weightsOf(
  call: Call,
  scores: Value,
  mask: Value | null,
  attended: number,
  fused: boolean,
): Value {
  const { ops } = call;
  const axes = range(scores.rank - attended, scores.rank);
  if (mask === null) return ops.softmax(scores, axes);
  let wide = mask;
  // New axes for the heads, in front of the attended ones.
  while (wide.rank < scores.rank) wide = ops.expandDims(wide, wide.rank - 2 * attended);
  if (!fused) return maskedSoftmax(call, scores, axes, wide);
  return ops.softmax(ops.where(wide, scores, ops.scalar(LOWEST)), axes);
}

function multiHead(call: Call): Result {
  const { layer, ops } = call;
  const heads = layer.count("num_heads");
  const keyDim = layer.count("key_dim");
  const valueDim = layer.raw("value_dim") ? layer.count("value_dim") : keyDim;
  const useBias = layer.flag("use_bias", true);
  const dropout = layer.number("dropout", 0);
  const gated = layer.flag("use_gate");
  layer.ignore(
    "query_shape",
    "key_shape",
    "value_shape",
    "softmax_robust_masking",
    "seed",
    "flash_attention",
  );
  const outputShape = layer.raw("output_shape") ? layer.numberList("output_shape") : null;
  const inputs = namedInputs(call);
  const { query, value, key, queryMask } = inputs;
  const rank = query.rank + 1;
  const given = layer.raw("attention_axes");
  const attended = (
    given === null || given === undefined ? range(1, rank - 2) : layer.numberList("attention_axes")
  ).map((axis) => (axis < 0 ? axis + rank - 1 : axis));
  const mask = attentionMask(call, inputs);
  const project = (key_: string, name: string, x: Value, size: number): Value => {
    const outer = letters(x.rank - 1);
    return projection(call, key_, name, x, `${outer}x,xyz->${outer}yz`, [heads, size], useBias);
  };
  // Declared in the order in which Keras builds them.
  const q = project("query_dense", "query", query, keyDim);
  const k = project("key_dense", "key", key, keyDim);
  const gate = gated
    ? ops.activation("logistic", project("gate_dense", "gate", query, valueDim))
    : null;
  const v = project("value_dense", "value", value, valueDim);
  const { scoresEquation, combineEquation } = attentionEquations(rank, attended);
  const scaled = ops.affine(q, 1 / Math.sqrt(keyDim), 0, "scaled");
  const scores = ops.contract(scoresEquation, scaled, k, "scores");
  const returnScores = call.kwargs.get("return_attention_scores") === true;
  const fused = layer.dialect === 3 && dropout === 0 && !returnScores && q.rank === 4;
  const weights = weightsOf(call, scores, mask, attended.length, fused);
  const context = ops.contract(combineEquation, weights, v, "context");
  const result = gate === null ? context : ops.multiply(context, gate);
  const sizes = outputShape ?? [query.size(-1)];
  const outer = letters(query.rank - 1);
  const outputs = letters(sizes.length, query.rank + 2);
  const equation = `${outer}xy,xy${outputs}->${outer}${outputs}`;
  const output = projection(
    call,
    "output_dense",
    "attention_output",
    result,
    equation,
    sizes,
    useBias,
  );
  const masked = output.withMask(queryMask);
  return returnScores ? [masked, weights] : masked;
}

/** Keras' own equations: batch axes and heads, then the query's attended axes, then the key's. */
function attentionEquations(rank: number, attended: readonly number[]) {
  const target = [...letters(rank)];
  const source = target.map((letter, axis) =>
    attended.includes(axis) ? letters(1, rank + axis) : letter,
  );
  const batch = range(0, rank - 1).filter((axis) => !attended.includes(axis));
  const product = [
    ...batch.map((axis) => target[axis]),
    ...attended.map((axis) => target[axis]),
    ...attended.map((axis) => source[axis]),
  ].join("");
  return {
    scoresEquation: `${target.join("")},${source.join("")}->${product}`,
    combineEquation: `${product},${source.join("")}->${target.join("")}`,
  };
}

/** Several query heads share a head of keys and values. */
function groupedQuery(call: Call): Result {
  const { layer, ops } = call;
  const size = layer.count("head_dim");
  const heads = layer.count("num_query_heads");
  const shared = layer.count("num_key_value_heads");
  const useBias = layer.flag("use_bias", true);
  const dropout = layer.number("dropout", 0);
  const gated = layer.flag("use_gate");
  layer.ignore("seed", "flash_attention");
  if (heads % shared !== 0) {
    throw layer.refused("format", `has ${heads} query heads for ${shared} key heads`);
  }
  const inputs = namedInputs(call);
  const { query, value, key } = inputs;
  const mask = attentionMask(call, inputs);
  const q = projection(
    call,
    "query_dense",
    "query",
    query,
    "bqm,muh->bquh",
    [heads, size],
    useBias,
  );
  const k = projection(call, "key_dense", "key", key, "bkm,mvh->bkvh", [shared, size], useBias);
  const gate = gated
    ? ops.activation(
        "logistic",
        projection(call, "gate_dense", "gate", query, "bqm,muh->bquh", [heads, size], useBias),
      )
    : null;
  const v = projection(
    call,
    "value_dense",
    "value",
    value,
    "bkm,mvh->bkvh",
    [shared, size],
    useBias,
  );
  const repeat = (x: Value) =>
    ops.take(
      x,
      2,
      range(0, heads).map((head) => Math.floor((head * shared) / heads)),
      "repeat",
    );
  const scaled = ops.affine(q, 1 / Math.sqrt(size), 0, "scaled");
  const scores = ops.contract("bquh,bkuh->buqk", scaled, repeat(k), "scores");
  const returnScores = call.kwargs.get("return_attention_scores") === true;
  const fused = dropout === 0 && !returnScores;
  const weights = weightsOf(call, scores, mask, 1, fused);
  const context = ops.contract("buqk,bkuh->bquh", weights, repeat(v), "context");
  const result = gate === null ? context : ops.multiply(context, gate);
  const output = projection(
    call,
    "output_dense",
    "attention_output",
    result,
    "bquh,uhm->bqm",
    [query.size(-1)],
    useBias,
  ).withMask(query.mask);
  return returnScores ? [output, weights] : output;
}

export const attentionLayers: Readonly<Record<string, LayerDefinition>> = {
  Attention: { call: dotAttention },
  AdditiveAttention: { call: additiveAttention },
  MultiHeadAttention: { call: multiHead },
  GroupQueryAttention: { call: groupedQuery },
  GroupedQueryAttention: { call: groupedQuery },
};
