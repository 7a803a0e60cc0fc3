import type { WeightedSumAttributes } from "../../../architecture/attributes.js";
import type { DarknetActivation } from "../activation.js";
import {
  asMap,
  asSeen,
  mapOf,
  type NetworkBuilder,
  readActivation,
  type Value,
} from "../network.js";
import type { SectionReader } from "../section-reader.js";

/**
 * Output of the layer that an index names: relative to this layer when negative.
 *
 * @throws {InputError} `format` when it is not an earlier layer
 */
export function layerAt(
  network: NetworkBuilder,
  section: SectionReader,
  key: string,
  given: number,
): Value {
  const index = given < 0 ? network.index + given : given;
  const value = Number.isInteger(index) ? network.outputs[index] : undefined;
  if (value) return value;
  throw section.error(
    "format",
    `${key}=${given} is layer ${index}, expected an earlier layer (0 to ${network.index - 1}, this is layer ${network.index})`,
  );
}

/** `[route]`: concatenation along the channels, of one group of each input where `groups` is given. */
export function route(network: NetworkBuilder, section: SectionReader, id: string): void {
  const indices = section.list("layers");
  if (!indices) throw section.error("format", "has no layers=, expected at least one layer");
  const modern = network.dialect === "alexeyab";
  const groups = modern ? section.int("groups", 1, 1) : 1;
  const group = modern ? section.int("group_id", 0, 0, groups - 1) : 0;
  section.ignore("stream", "wait_stream");
  const inputs = indices.map((index, k) =>
    asSeen(network, layerAt(network, section, "layers", index), `${id}/seen${k}`),
  );
  const parts = inputs.map((value, k) => {
    const last = inputs.length === 1;
    return part(network, value, last ? id : `${id}/group${k}`, groups, group, `${id}/map${k}`);
  });
  const [first] = parts as [Value];
  if (parts.length === 1) {
    if (first.id !== id) network.add("identity", id, [first], {}, first.shape);
    return;
  }
  concatenate(network, section, id, parts);
}

function part(
  network: NetworkBuilder,
  value: Value,
  id: string,
  groups: number,
  group: number,
  mapId: string,
): Value {
  if (groups === 1) return value;
  const map = asMap(network, value, mapId);
  const [channels, height, width] = mapOf(map);
  const size = Math.floor(channels / groups);
  if (size * groups !== channels) {
    throw network.error("shape", `groups=${groups} does not divide ${channels} channels`);
  }
  const attributes = { axis: 1, start: group * size, end: (group + 1) * size };
  return network.add("slice", id, [map], attributes, [network.batch, size, height, width]);
}

function concatenate(
  network: NetworkBuilder,
  section: SectionReader,
  id: string,
  parts: readonly Value[],
): void {
  const flat = parts.every((value) => value.shape.length === 2 && !value.map);
  const inputs = flat ? parts : parts.map((value, k) => asMap(network, value, `${id}/map${k}`));
  const [, height, width] = mapOf(inputs[0] as Value);
  const channels = inputs.map((value) => mapOf(value)[0]).reduce((a, b) => a + b, 0);
  if (inputs.some((value) => mapOf(value)[1] !== height || mapOf(value)[2] !== width)) {
    const shapes = inputs.map((value) => `${value.id} [${value.shape}]`).join(", ");
    throw section.error("shape", `joins maps of different sizes: ${shapes}`);
  }
  const shape = flat ? [network.batch, channels] : [network.batch, channels, height, width];
  network.add("concat", id, inputs, { axis: 1 }, shape);
}

/** `[shortcut]`: own input plus earlier layers, by the rules of the dialect. */
export function shortcut(network: NetworkBuilder, section: SectionReader, id: string): void {
  const from = section.list("from");
  if (!from) throw section.error("format", "has no from=, expected an earlier layer");
  const activation = readActivation(section, network.dialect, "linear");
  if (network.dialect === "pjreddie") {
    pjreddieShortcut(network, section, id, from[0] as number, activation);
    return;
  }
  section.ignore("assisted_excitation");
  const added = from.map((index) => layerAt(network, section, "from", index));
  const sumId = activation.kind === "none" ? id : `${id}/sum`;
  const own = asMap(network, network.previous, `${id}/map`);
  const inputs = [own, ...added.map((value, k) => fitted(network, value, own, `${id}/fit${k}`))];
  const weighting = readWeighting(section);
  const sum = weighting
    ? weightedSum(network, id, sumId, inputs, weighting)
    : network.add("merge", sumId, inputs, { mode: "add" }, own.shape);
  network.activate(id, sum, activation);
}

/** AlexeyAB's rule for unequal shapes: memory of one image as a row, cut or continued with 0. */
const FLAT: Grid = { rule: "flat", sample: 1, spread: 1 };

/** A value in the shape of another, by a rule. */
function fitted(
  network: NetworkBuilder,
  value: Value,
  own: Value,
  id: string,
  rule: Grid = FLAT,
): Value {
  const map = asMap(network, value, `${id}/map`);
  if (`${map.shape}` === `${own.shape}`) return map;
  const [channels, height, width] = mapOf(own);
  return network.add("fit", id, [map], { channels, height, width, ...rule }, own.shape);
}

function readWeighting(section: SectionReader): WeightedSumAttributes | undefined {
  const type = section.text("weights_type") ?? "none";
  const normalization = section.text("weights_normalization") ?? "none";
  if (type === "none") return undefined;
  const perChannel = type === "per_channel";
  if (!perChannel && type !== "per_feature" && type !== "per_layer") {
    throw section.error(
      "format",
      `weights_type=${type.slice(0, 40)}, expected none, per_feature, per_layer or per_channel`,
    );
  }
  const known = { none: "none", relu: "relu", avg_relu: "relu", softmax: "softmax" } as const;
  const mode = Object.hasOwn(known, normalization)
    ? known[normalization as keyof typeof known]
    : undefined;
  if (!mode) {
    throw section.error(
      "format",
      `weights_normalization=${normalization.slice(0, 40)}, expected none, relu or softmax`,
    );
  }
  return { normalization: mode, epsilon: 1e-4, perChannel };
}

function weightedSum(
  network: NetworkBuilder,
  layer: string,
  id: string,
  inputs: readonly Value[],
  attributes: WeightedSumAttributes,
): Value {
  const [own] = inputs as [Value];
  const shape = attributes.perChannel ? [inputs.length, mapOf(own)[0]] : [inputs.length];
  const weights = network.weight(layer, "weights", shape);
  return network.add("weighted-sum", id, inputs, attributes, own.shape, { weights });
}

/**
 * pjreddie's: one `from`, `alpha` and `beta`, maps of other sizes sampled or spread on a grid. Only
 * what the other map reaches is multiplied by alpha; the rest of the own input stays as it is.
 */
function pjreddieShortcut(
  network: NetworkBuilder,
  section: SectionReader,
  id: string,
  from: number,
  activation: DarknetActivation,
): void {
  const alpha = section.float("alpha", 1);
  const beta = section.float("beta", 1);
  const own = asMap(network, network.previous, `${id}/map`);
  const other = asMap(network, layerAt(network, section, "from", from), `${id}/from`);
  const grid = gridOf(network, other, own);
  const added = fitted(network, other, own, `${id}/fit`, grid);
  const sumId = activation.kind === "none" ? id : `${id}/sum`;
  let sum: Value;
  if (alpha === 1 && beta === 1) {
    sum = network.add("merge", sumId, [own, added], { mode: "add" }, own.shape);
  } else {
    const partly = alpha !== 1 && !reachesAll(other, own, grid);
    const inputs = partly ? [own, reached(network, own, other, grid, id), added] : [own, added];
    const coefficients = partly ? [1, alpha - 1, beta] : [alpha, beta];
    sum = network.add("linear-combination", sumId, inputs, { coefficients }, own.shape);
  }
  network.activate(id, sum, activation);
}

/** Every `sample`-th pixel of the other map lands on every `spread`-th of the own one. */
interface Grid {
  readonly rule: "flat" | "grid";
  readonly sample: number;
  readonly spread: number;
}

function gridOf(network: NetworkBuilder, other: Value, own: Value): Grid {
  const [, fromHeight, fromWidth] = mapOf(other);
  const [, height, width] = mapOf(own);
  const sample = Math.max(1, Math.floor(fromWidth / width));
  const spread = Math.max(1, Math.floor(width / fromWidth));
  if (
    sample !== Math.max(1, Math.floor(fromHeight / height)) ||
    spread !== Math.max(1, Math.floor(height / fromHeight))
  ) {
    throw network.error(
      "shape",
      `adds a ${fromHeight}×${fromWidth} map to one of ${height}×${width}: the library needs one ratio for both sides`,
    );
  }
  return { rule: "grid", sample, spread };
}

function reachesAll(other: Value, own: Value, { spread }: Grid): boolean {
  const [from, fromHeight, fromWidth] = mapOf(other);
  const [channels, height, width] = mapOf(own);
  return spread === 1 && from >= channels && fromHeight >= height && fromWidth >= width;
}

/** The own input where the other map reaches it, 0 elsewhere. */
function reached(
  network: NetworkBuilder,
  own: Value,
  other: Value,
  { spread }: Grid,
  id: string,
): Value {
  const least = mapOf(own).map((size, axis) => Math.min(size, mapOf(other)[axis] ?? 1));
  const [channels = 1, height = 1, width = 1] = least;
  const shape = [network.batch, channels, height, width];
  const attributes = { channels, height, width, rule: "grid", sample: spread, spread: 1 } as const;
  const taken = network.add("fit", `${id}/taken`, [own], attributes, shape);
  return fitted(network, taken, own, `${id}/reached`, { rule: "grid", sample: 1, spread });
}
