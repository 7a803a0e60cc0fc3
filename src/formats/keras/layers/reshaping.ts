import type { Json } from "../config-types.js";
import { range } from "../ops.js";
import type { Value } from "../value.js";
import { type Call, channelAxisOf, inputOf, type LayerDefinition, spaceAxes } from "./call.js";

function flatten(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const channelsFirst = layer.channelsFirst() && x.rank > 1;
  const last = channelsFirst ? ops.transpose(x, [0, ...range(2, x.rank), 1]) : x;
  const rest = x.shape.slice(1).reduce((product, size) => product * size, 1);
  return ops.view(last, [x.size(0), rest]);
}

function reshapeLayer(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const target = layer.numberList("target_shape");
  const known = target.filter((size) => size !== -1).reduce((product, size) => product * size, 1);
  const total = x.shape.slice(1).reduce((product, size) => product * size, 1);
  const shape = target.map((size) => (size === -1 ? total / known : size));
  return ops.view(x, [x.size(0), ...shape]);
}

function repeatVector(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const count = layer.count("n");
  return ops.expand(ops.expandDims(x, 1), [x.size(0), count, ...x.shape.slice(1)]);
}

/** A number, a pair an axis, or a pair of pairs, as amounts before and after each axis. */
function amounts(call: Call, key: string, rank: number): { before: number[]; after: number[] } {
  const { layer } = call;
  const value = layer.raw(key) as Json;
  const list = Array.isArray(value) ? value : new Array(rank).fill(value);
  // The one axis of a Padding1D has its pair without another list around it.
  const axes: Json[] = rank === 1 && list.length === 2 ? [list] : list;
  const pairs = axes.map((pair: Json) => {
    const [before, after] = Array.isArray(pair) ? pair : [pair, pair];
    if (
      ![before, after].every((amount) => Number.isSafeInteger(amount) && (amount as number) >= 0)
    ) {
      throw layer.refused("format", `has ${key} ${JSON.stringify(value)}, expected whole numbers`);
    }
    return [before as number, after as number] as const;
  });
  if (pairs.length !== rank) {
    throw layer.refused("format", `has ${key} ${JSON.stringify(value)}, expected ${rank} axes`);
  }
  return { before: pairs.map(([before]) => before), after: pairs.map(([, after]) => after) };
}

function zeroPadding(call: Call, rank: number): Value {
  const { ops } = call;
  const x = inputOf(call);
  const axes = spaceAxes(x.rank, channelAxisOf(call, x.rank));
  const { before, after } = amounts(call, "padding", rank);
  const full = (list: readonly number[]) =>
    x.shape.map((_, axis) => (axes.includes(axis) ? (list[axes.indexOf(axis)] ?? 0) : 0));
  return ops.pad(x, full(before), full(after));
}

function cropping(call: Call, rank: number): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const axes = spaceAxes(x.rank, channelAxisOf(call, x.rank));
  const { before, after } = amounts(call, "cropping", rank);
  return axes.reduce((value, axis, k) => {
    const end = x.size(axis) - (after[k] ?? 0);
    if (end <= (before[k] ?? 0)) {
      throw layer.refused("shape", `cuts all of [${x.shape}] away`);
    }
    return ops.slice(value, axis, before[k] ?? 0, end, "crop");
  }, x);
}

/** Each element of an axis that many times in a row. */
export function repeatAxis(call: Call, x: Value, axis: number, times: number): Value {
  return call.ops.take(
    x,
    axis,
    range(0, x.size(axis) * times).map((k) => Math.floor(k / times)),
    "repeat",
  );
}

function upsampling(call: Call, rank: number): Value {
  const { layer } = call;
  const x = inputOf(call);
  const factors = layer.sizes("size", rank, 2);
  const axes = spaceAxes(x.rank, channelAxisOf(call, x.rank));
  return axes.reduce((value, axis, k) => repeatAxis(call, value, axis, factors[k] ?? 1), x);
}

const of = (call: (call: Call, rank: number) => Value, rank: number): LayerDefinition => ({
  call: (given) => call(given, rank),
});

export const reshapingLayers: Readonly<Record<string, LayerDefinition>> = {
  Flatten: { call: flatten },
  Reshape: { call: reshapeLayer },
  Permute: {
    call: (call) => call.ops.transpose(inputOf(call), [0, ...call.layer.numberList("dims")]),
  },
  RepeatVector: { call: repeatVector },
  ZeroPadding1D: of(zeroPadding, 1),
  ZeroPadding2D: of(zeroPadding, 2),
  ZeroPadding3D: of(zeroPadding, 3),
  Cropping1D: of(cropping, 1),
  Cropping2D: of(cropping, 2),
  Cropping3D: of(cropping, 3),
  UpSampling1D: of(upsampling, 1),
  UpSampling3D: of(upsampling, 3),
};
