import type { AttributesByKind } from "../../../architecture/attributes.js";
import type { Layer } from "../layer.js";
import type { Ops, WeightRef } from "../ops.js";
import { range } from "../ops.js";
import type { Value } from "../value.js";
import { activate } from "./activations.js";
import { addBias, biasAxis } from "./bias.js";
import { type Call, channelAxisOf, inputOf, type LayerDefinition, spaceOf } from "./call.js";

type Padding = "valid" | "same" | "causal";

/** Elements added before and after each axis, by Keras' words for it. */
export function padsOf(
  padding: Padding,
  space: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): { readonly before: number[]; readonly after: number[] } {
  const spans = kernel.map((size, k) => (size - 1) * (dilations[k] ?? 1) + 1);
  if (padding === "valid") return { before: spans.map(() => 0), after: spans.map(() => 0) };
  if (padding === "causal")
    return { before: spans.map((span) => span - 1), after: spans.map(() => 0) };
  const totals = spans.map((span, k) => {
    const stride = strides[k] ?? 1;
    const windows = Math.ceil((space[k] ?? 1) / stride);
    return Math.max(0, (windows - 1) * stride + span - (space[k] ?? 1));
  });
  const before = totals.map((total) => Math.floor(total / 2));
  return { before, after: totals.map((total, k) => total - (before[k] ?? 0)) };
}

function convolvedShape(x: Value, attributes: AttributesByKind["conv-nd"]): number[] {
  const { channelAxis, filters, padsBefore, padsAfter, strides, dilations } = attributes;
  const space = spaceOf(x, channelAxis).map((size, k) => {
    const span = ((attributes.kernel[k] ?? 1) - 1) * (dilations[k] ?? 1) + 1;
    const padded = size + (padsBefore[k] ?? 0) + (padsAfter[k] ?? 0);
    if (padded < span)
      throw new RangeError(`a window of ${span} is larger than an axis of ${padded}`);
    return Math.floor((padded - span) / (strides[k] ?? 1)) + 1;
  });
  return channelAxis === 1 ? [x.size(0), filters, ...space] : [x.size(0), ...space, filters];
}

/** A convolution by its parts; rounding between it and the bias where the layer computes in less than float32. */
export function convolve(
  ops: Ops,
  x: Value,
  attributes: AttributesByKind["conv-nd"],
  kernel: WeightRef,
  bias: WeightRef | null,
  part = "conv",
): Value {
  const shape = convolvedShape(x, attributes);
  if (ops.precision === "float32") {
    const weights = bias === null ? { kernel } : { kernel, bias };
    return ops.emit("conv-nd", [x], attributes, shape, { part, weights });
  }
  const rounded = ops.rounded(ops.weight(kernel));
  const value = ops.emit("conv-nd", [x, rounded], attributes, shape, { part });
  return bias === null ? value : addBias(ops, value, bias, attributes.channelAxis);
}

/** A convolution and its layer's bias, added where Keras adds it. */
function convolveWithBias(
  { layer, ops }: Call,
  x: Value,
  attributes: AttributesByKind["conv-nd"],
  kernel: WeightRef,
  bias: WeightRef | null,
  part?: string,
): Value {
  const { channelAxis } = attributes;
  const axis = biasAxis(layer, convolvedShape(x, attributes), channelAxis);
  if (bias === null || axis === channelAxis) {
    return convolve(ops, x, attributes, kernel, bias, part);
  }
  return addBias(ops, convolve(ops, x, attributes, kernel, null, part), bias, axis);
}

/** What the convolutions have in common. */
function settings(call: Call, rank: number) {
  const { layer } = call;
  return {
    x: inputOf(call),
    kernel: layer.sizes("kernel_size", rank),
    strides: layer.sizes("strides", rank, 1),
    dilations: layer.sizes("dilation_rate", rank, 1),
    padding: layer.choice<Padding>("padding", ["valid", "same", "causal"], "valid"),
    channelAxis: channelAxisOf(call, rank + 2),
    useBias: layer.flag("use_bias", true),
  };
}

function checkRank(layer: Layer, x: Value, rank: number): void {
  if (x.rank !== rank + 2)
    throw layer.refused("shape", `reads [${x.shape}], expected ${rank + 2} axes`);
}

function conv(call: Call, rank: number): Value {
  const { layer } = call;
  const { x, kernel, strides, dilations, padding, channelAxis, useBias } = settings(call, rank);
  checkRank(layer, x, rank);
  const filters = layer.count("filters");
  const groups = layer.count("groups", 1);
  const channels = x.size(channelAxis);
  const { before, after } = padsOf(padding, spaceOf(x, channelAxis), kernel, strides, dilations);
  const weight = layer.weight("kernel", [...kernel, channels / groups, filters]);
  const bias = useBias ? layer.weight("bias", [filters]) : null;
  const attributes = {
    filters,
    kernel,
    strides,
    padsBefore: before,
    padsAfter: after,
    dilations,
    groups,
    channelAxis,
    kernelOrder: "in-out",
  } as const;
  return activate(call, convolveWithBias(call, x, attributes, weight, bias));
}

function depthwise(call: Call, rank: number): Value {
  const { layer } = call;
  const { x, kernel, strides, dilations, padding, channelAxis, useBias } = settings(call, rank);
  checkRank(layer, x, rank);
  // Keras 2 saves the keys of its base class as well: they say nothing of their own.
  layer.ignore("groups", "filters", "rank");
  const multiplier = layer.count("depth_multiplier", 1);
  const weight = layer.weight(layer.dialect === 2 ? "depthwise_kernel" : "kernel", [
    ...kernel,
    x.size(channelAxis),
    multiplier,
  ]);
  const bias = useBias ? layer.weight("bias", [x.size(channelAxis) * multiplier]) : null;
  const { before, after } = padsOf(padding, spaceOf(x, channelAxis), kernel, strides, dilations);
  const attributes = depthwiseAttributes(
    x,
    channelAxis,
    multiplier,
    kernel,
    strides,
    dilations,
    before,
    after,
  );
  return activate(call, convolveWithBias(call, x, attributes, weight, bias));
}

function depthwiseAttributes(
  x: Value,
  channelAxis: number,
  multiplier: number,
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
  padsBefore: readonly number[],
  padsAfter: readonly number[],
): AttributesByKind["conv-nd"] {
  const channels = x.size(channelAxis);
  return {
    filters: channels * multiplier,
    kernel,
    strides,
    padsBefore,
    padsAfter,
    dilations,
    groups: channels,
    channelAxis,
    kernelOrder: "depthwise",
  };
}

function separable(call: Call, rank: number): Value {
  const { layer, ops } = call;
  const { x, kernel, strides, dilations, padding, channelAxis, useBias } = settings(call, rank);
  checkRank(layer, x, rank);
  layer.ignore("groups", "rank");
  const filters = layer.count("filters");
  const multiplier = layer.count("depth_multiplier", 1);
  const channels = x.size(channelAxis);
  const depthwiseKernel = layer.weight("depthwise_kernel", [...kernel, channels, multiplier]);
  const ones = kernel.map(() => 1);
  const pointwiseKernel = layer.weight("pointwise_kernel", [
    ...ones,
    channels * multiplier,
    filters,
  ]);
  const bias = useBias ? layer.weight("bias", [filters]) : null;
  const { before, after } = padsOf(padding, spaceOf(x, channelAxis), kernel, strides, dilations);
  const spread = convolve(
    ops,
    x,
    depthwiseAttributes(x, channelAxis, multiplier, kernel, strides, dilations, before, after),
    depthwiseKernel,
    null,
    "depthwise",
  );
  const zeros = kernel.map(() => 0);
  const pointwise = {
    filters,
    kernel: ones,
    strides: ones,
    padsBefore: zeros,
    padsAfter: zeros,
    dilations: ones,
    groups: 1,
    channelAxis,
    kernelOrder: "in-out",
  } as const;
  const mixed = convolveWithBias(call, spread, pointwise, pointwiseKernel, bias, "pointwise");
  return activate(call, mixed);
}

function convTranspose(call: Call, rank: number): Value {
  const { layer, ops } = call;
  const { x, kernel, strides, dilations, padding, channelAxis, useBias } = settings(call, rank);
  checkRank(layer, x, rank);
  layer.ignore("groups", "rank");
  const filters = layer.count("filters");
  const given = layer.raw("output_padding");
  const outputPadding =
    given === null || given === undefined ? null : layer.sizes("output_padding", rank, 0, 0);
  const weight = layer.weight("kernel", [...kernel, filters, x.size(channelAxis)]);
  const bias = useBias ? layer.weight("bias", [filters]) : null;
  const space = spaceOf(x, channelAxis);
  const spans = kernel.map((size, k) => (size - 1) * (dilations[k] ?? 1) + 1);
  const outputSize = space.map((size, k) =>
    transposedSize(padding, size, spans[k] ?? 1, strides[k] ?? 1, outputPadding?.[k]),
  );
  const cropBefore = space.map((size, k) => {
    if (padding !== "same") return 0;
    const full = (size - 1) * (strides[k] ?? 1) + (spans[k] ?? 1);
    return Math.floor(Math.max(0, full - (outputSize[k] ?? 0)) / 2);
  });
  const attributes = { filters, kernel, strides, cropBefore, outputSize, dilations, channelAxis };
  const shape =
    channelAxis === 1 ? [x.size(0), filters, ...outputSize] : [x.size(0), ...outputSize, filters];
  const axis = biasAxis(layer, shape, channelAxis);
  const plain = ops.precision === "float32";
  const inside = plain && axis === channelAxis && bias !== null;
  const kernels = inside ? { kernel: weight, bias } : { kernel: weight };
  const value = plain
    ? ops.emit("conv-transpose-nd", [x], attributes, shape, { part: "conv", weights: kernels })
    : ops.emit("conv-transpose-nd", [x, ops.rounded(ops.weight(weight))], attributes, shape, {
        part: "conv",
      });
  return activate(call, bias === null || inside ? value : addBias(ops, value, bias, axis));
}

/** Keras' `deconv_output_length`. */
function transposedSize(
  padding: Padding,
  size: number,
  span: number,
  stride: number,
  outputPadding: number | undefined,
): number {
  if (outputPadding !== undefined) {
    const cut = padding === "same" ? Math.floor(span / 2) : 0;
    return (size - 1) * stride + span - 2 * cut + outputPadding;
  }
  return padding === "same" ? size * stride : size * stride + Math.max(span - stride, 0);
}

/** What locally connected layers have in common. */
interface LocalParts {
  readonly x: Value;
  readonly space: readonly number[];
  readonly places: readonly number[];
  readonly channels: number;
  readonly filters: number;
  readonly channelAxis: number;
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  /** Where the first window begins, before the value. */
  readonly before: readonly number[];
}

/** A kernel of its own at every place (Keras 1 and 2). */
function locallyConnected(call: Call, rank: number): Value {
  const { layer, ops } = call;
  const { x, kernel, strides, padding, channelAxis, useBias } = settings(call, rank);
  checkRank(layer, x, rank);
  const filters = layer.count("filters");
  const implementation = layer.count("implementation", 1);
  if (padding === "causal" || implementation > 2 || (padding === "same" && implementation === 1)) {
    throw layer.refused(
      "unsupported",
      `is locally connected by implementation ${implementation} with padding ${padding}, which is not read; rebuild it with implementation 1 and padding valid`,
    );
  }
  const same = padding === "same";
  const space = spaceOf(x, channelAxis);
  const places = space.map((size, k) =>
    same
      ? Math.ceil(size / (strides[k] ?? 1))
      : Math.floor((size - (kernel[k] ?? 1)) / (strides[k] ?? 1)) + 1,
  );
  const before = kernel.map((size) => (same ? Math.floor(size / 2) : 0));
  const channels = x.size(channelAxis);
  const parts = { x, space, places, channels, filters, channelAxis, kernel, strides, before };
  const outer = channelAxis === 1 ? [filters, ...places] : [...places, filters];
  const value = implementation === 1 ? localPatches(call, parts) : localMatrix(call, parts);
  const bias = useBias ? layer.weight("bias", outer) : null;
  return activate(call, bias === null ? value : ops.add(value, ops.weight(bias), "add_bias"));
}

/** Implementation 1: [places, in·size, out]; the patch has the channels where the value has them. */
function localPatches(call: Call, parts: LocalParts): Value {
  const { layer, ops } = call;
  const { x, kernel, strides, places, channels, filters, channelAxis } = parts;
  const rank = kernel.length;
  const count = places.reduce((product, size) => product * size, 1);
  const taps = kernel.reduce((product, size) => product * size, channels);
  const weight = layer.weight("kernel", [count, taps, filters]);
  const first = channelAxis === 1;
  // Windows along each axis in turn: [b, place, size, place, size …, channels].
  let windows = first ? ops.transpose(x, [0, ...range(2, rank + 2), 1]) : x;
  for (const [k, size] of kernel.entries()) {
    const starts = range(0, places[k] ?? 1).map((place) => place * (strides[k] ?? 1));
    const indices = starts.flatMap((start) => range(start, start + size));
    const taken = ops.take(windows, 1 + 2 * k, indices, "windows");
    const before = taken.shape.slice(0, 1 + 2 * k);
    windows = ops.view(taken, [...before, places[k] ?? 1, size, ...taken.shape.slice(2 + 2 * k)]);
  }
  const sizes = range(0, rank).map((k) => 2 + 2 * k);
  const last = 1 + 2 * rank;
  const within = first ? [last, ...sizes] : [...sizes, last];
  const order = [0, ...range(0, rank).map((k) => 1 + 2 * k), ...within];
  const patches = ops.view(ops.transpose(windows, order), [x.size(0), count, taps]);
  const product = ops.product("bpt,pto->bpo", patches, weight, "local");
  const value = ops.view(product, [x.size(0), ...places, filters]);
  return first ? ops.transpose(value, [0, rank + 1, ...range(1, rank + 1)]) : value;
}

/** Implementation 2 stores a matrix from all inputs to all outputs. */
function localMatrix(call: Call, parts: LocalParts): Value {
  const { layer, ops } = call;
  const { x, space, places, channels, filters, channelAxis } = parts;
  const first = channelAxis === 1;
  const from = first ? [channels, ...space] : [...space, channels];
  const to = first ? [filters, ...places] : [...places, filters];
  const weight = layer.weight("kernel", [...from, ...to]);
  const inputs = from.reduce((product, size) => product * size, 1);
  const outputs = to.reduce((product, size) => product * size, 1);
  const rows = ops.view(x, [x.size(0), inputs]);
  const matrix = ops.view(maskedKernel(call, ops.weight(weight), parts), [inputs, outputs]);
  return ops.view(ops.contract("bi,io->bo", rows, matrix), [x.size(0), ...to]);
}

/** Only weights from within a place's window count; Keras multiplies by that mask at every call. */
function maskedKernel(call: Call, kernel: Value, parts: LocalParts): Value {
  const { ops } = call;
  const { space, places, strides, before, channelAxis } = parts;
  const lead = channelAxis === 1 ? 1 : 0;
  const mask = space.map((length, k) => {
    const along = new Array<number>(2 * space.length + 2).fill(1);
    along[lead + k] = length;
    along[space.length + 1 + lead + k] = places[k] ?? 1;
    const values = range(0, length).flatMap((from) =>
      range(0, places[k] ?? 1).map((to) => {
        const offset = from - to * (strides[k] ?? 1) + (before[k] ?? 0);
        return offset >= 0 && offset < (parts.kernel[k] ?? 1) ? 1 : 0;
      }),
    );
    return ops.fill(along, values);
  });
  return mask.reduce((value, factor) => ops.multiply(value, factor, "windows"), kernel);
}

const of = (call: (call: Call, rank: number) => Value, rank: number): LayerDefinition => ({
  call: (given) => call(given, rank),
});

export const convolutionLayers: Readonly<Record<string, LayerDefinition>> = {
  Conv1D: of(conv, 1),
  Convolution1D: of(conv, 1),
  Conv2D: of(conv, 2),
  Convolution2D: of(conv, 2),
  Conv3D: of(conv, 3),
  Convolution3D: of(conv, 3),
  Conv1DTranspose: of(convTranspose, 1),
  Convolution1DTranspose: of(convTranspose, 1),
  Conv2DTranspose: of(convTranspose, 2),
  Convolution2DTranspose: of(convTranspose, 2),
  Conv3DTranspose: of(convTranspose, 3),
  Convolution3DTranspose: of(convTranspose, 3),
  DepthwiseConv1D: of(depthwise, 1),
  DepthwiseConv2D: of(depthwise, 2),
  SeparableConv1D: of(separable, 1),
  SeparableConvolution1D: of(separable, 1),
  SeparableConv2D: of(separable, 2),
  SeparableConvolution2D: of(separable, 2),
  LocallyConnected1D: of(locallyConnected, 1),
  LocallyConnected2D: of(locallyConnected, 2),
};
