import { range } from "../ops.js";
import type { Value } from "../value.js";
import {
  type Call,
  channelAxisOf,
  inputOf,
  type LayerDefinition,
  spaceAxes,
  spaceOf,
  tensorArgument,
} from "./call.js";
import { padsOf } from "./convolution.js";

function pool(call: Call, mode: "max" | "average", rank: number): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  if (x.rank !== rank + 2)
    throw layer.refused("shape", `reads [${x.shape}], expected ${rank + 2} axes`);
  const kernel = layer.sizes("pool_size", rank, 2);
  const given = layer.raw("strides");
  const strides = given === null || given === undefined ? kernel : layer.sizes("strides", rank);
  const padding = layer.choice("padding", ["valid", "same"], "valid");
  const channelAxis = channelAxisOf(call, x.rank);
  const space = spaceOf(x, channelAxis);
  const ones = kernel.map(() => 1);
  const { before, after } = padsOf(padding, space, kernel, strides, ones);
  const sizes = space.map((size, k) => {
    const padded = size + (before[k] ?? 0) + (after[k] ?? 0);
    if (padded < (kernel[k] ?? 1))
      throw layer.refused("shape", `has a window larger than [${x.shape}]`);
    return Math.floor((padded - (kernel[k] ?? 1)) / (strides[k] ?? 1)) + 1;
  });
  const shape = x.shape.map((size, axis) => {
    const k = spaceAxes(x.rank, channelAxis).indexOf(axis);
    return k < 0 ? size : (sizes[k] ?? 1);
  });
  const attributes = {
    mode,
    kernel,
    strides,
    padsBefore: before,
    padsAfter: after,
    channelAxis,
    countPadding: false,
  };
  return ops.emit("pool-nd", [x], attributes, shape, { part: "pool" });
}

function globalPool(call: Call, mode: "maximum" | "mean"): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const axes = spaceAxes(x.rank, channelAxisOf(call, x.rank));
  const keep = layer.flag("keepdims");
  const mask = tensorArgument(call, "mask") ?? x.mask;
  if (layer.className !== "GlobalAveragePooling1D" || mask === null) {
    return ops.reduce(mode, x, axes, keep, "pool");
  }
  const [steps = 1] = axes;
  const weights = ops.expandDims(mask.as("float"), steps === 1 ? 2 : 1);
  const sum = ops.reduce("sum", ops.multiply(x, weights, "masked"), axes, keep, "sum");
  return ops.divide(sum, ops.reduce("sum", weights, axes, keep, "count"));
}

/** Windows [⌊i·n/m⌋, ⌈(i+1)·n/m⌉) for m outputs of n inputs. */
function adaptiveWindows(size: number, count: number): number[][] {
  return range(0, count).map((k) =>
    range(Math.floor((k * size) / count), Math.ceil(((k + 1) * size) / count)),
  );
}

function adaptivePool(call: Call, mode: "max" | "average", rank: number): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const sizes = layer.sizes("output_size", rank);
  const axes = spaceAxes(x.rank, channelAxisOf(call, x.rank));
  return axes.reduce((value, axis, k) => {
    const windows = adaptiveWindows(x.size(axis), sizes[k] ?? 1);
    if (mode === "average") {
      const values = windows.flatMap((window) =>
        range(0, x.size(axis)).map((at) => (window.includes(at) ? 1 / window.length : 0)),
      );
      return ops.resample(
        value,
        axis,
        { rows: windows.length, columns: x.size(axis), values },
        "average",
      );
    }
    // Windows of one length: repeating an element changes no maximum.
    const longest = Math.max(...windows.map((window) => window.length));
    const indices = windows.flatMap((window) =>
      range(0, longest).map((j) => window[Math.min(j, window.length - 1)] ?? 0),
    );
    const taken = ops.take(value, axis, indices, "windows");
    const shape = [
      ...taken.shape.slice(0, axis),
      windows.length,
      longest,
      ...taken.shape.slice(axis + 1),
    ];
    return ops.reduce("maximum", ops.view(taken, shape), [axis + 1]);
  }, x);
}

const entries = <T>(names: readonly (readonly [string, T])[], of: (value: T) => LayerDefinition) =>
  Object.fromEntries(names.map(([name, value]) => [name, of(value)]));

export const poolingLayers: Readonly<Record<string, LayerDefinition>> = {
  ...entries(
    [
      ["MaxPooling1D", 1],
      ["MaxPool1D", 1],
      ["MaxPooling2D", 2],
      ["MaxPool2D", 2],
      ["MaxPooling3D", 3],
      ["MaxPool3D", 3],
    ],
    (rank) => ({ call: (call) => pool(call, "max", rank) }),
  ),
  ...entries(
    [
      ["AveragePooling1D", 1],
      ["AvgPool1D", 1],
      ["AveragePooling2D", 2],
      ["AvgPool2D", 2],
      ["AveragePooling3D", 3],
      ["AvgPool3D", 3],
    ],
    (rank) => ({ call: (call) => pool(call, "average", rank) }),
  ),
  ...entries(
    [
      "GlobalMaxPooling1D",
      "GlobalMaxPool1D",
      "GlobalMaxPooling2D",
      "GlobalMaxPool2D",
      "GlobalMaxPooling3D",
      "GlobalMaxPool3D",
    ].map((name) => [name, "maximum" as const] as const),
    (mode) => ({ call: (call) => globalPool(call, mode) }),
  ),
  ...entries(
    [
      "GlobalAveragePooling1D",
      "GlobalAvgPool1D",
      "GlobalAveragePooling2D",
      "GlobalAvgPool2D",
      "GlobalAveragePooling3D",
      "GlobalAvgPool3D",
    ].map((name) => [name, "mean" as const] as const),
    (mode) => ({ call: (call) => globalPool(call, mode) }),
  ),
  ...entries(
    [
      ["1D", 1],
      ["2D", 2],
      ["3D", 3],
    ].map(([name, rank]) => [`AdaptiveMaxPooling${name}`, rank as number] as const),
    (rank) => ({
      call: (call) => adaptivePool(call, "max", rank),
    }),
  ),
  ...entries(
    [
      ["1D", 1],
      ["2D", 2],
      ["3D", 3],
    ].map(([name, rank]) => [`AdaptiveAveragePooling${name}`, rank as number] as const),
    (rank) => ({
      call: (call) => adaptivePool(call, "average", rank),
    }),
  ),
};
