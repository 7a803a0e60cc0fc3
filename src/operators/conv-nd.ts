import type { OperationOf } from "../architecture/architecture.js";
import type { ConvNdAttributes } from "../architecture/attributes.js";
import { indexOf } from "../tensor/tensor.js";
import type { ElementContext, OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { channelColumn, shapeWith, spaceOf, withChannelsSecond } from "./nodes-nd.js";
import { linearBound } from "./rounding.js";
import { onlyInput } from "./shape-rules.js";

/** Convolution (cross-correlation) over any number of axes, channels second or last. The kernel is the weight, or a second input. */
export const convNdFamily: OperatorFamily<"conv-nd"> = {
  kind: "conv-nd",

  shape(attributes, inputs) {
    const input = onlyInput("conv-nd", inputs.slice(0, 1));
    const { channelAxis, filters, groups, kernelOrder } = attributes;
    const channels = input[channelAxis] ?? 0;
    const fits = channels % groups === 0 && filters % groups === 0;
    if (!fits || (kernelOrder === "depthwise" && groups !== channels)) {
      throw new RangeError(
        `conv-nd: ${groups} groups of ${channels} channels and ${filters} filters`,
      );
    }
    const space = windowCounts("conv-nd", spaceOf(input, channelAxis), attributes);
    return shapeWith(input[0] ?? 1, space, filters, channelAxis);
  },

  lower(operation, context) {
    const { graph, weight, output } = context;
    const bias = operation.weights["bias"] === undefined ? [] : [weight("bias")];
    convolve(
      operation,
      graph,
      context.inputs[0] ?? "",
      [context.inputs[1] ?? weight("kernel"), ...bias],
      output,
    );
  },

  bound(operation, context) {
    const { graph } = context;
    const hasBias = operation.weights["bias"] !== undefined;
    return linearBound({
      context,
      terms: termsOf(operation.attributes, context.inputShapes) + (hasBias ? 1 : 0),
      input: context.inputs[0] ?? "",
      inputBound: context.bounds[0] ?? null,
      kernelBound: context.bounds[1] ?? null,
      kernel: context.inputs[1] ?? context.weight("kernel"),
      apply: (input, kernel) => convolve(operation, graph, input, [kernel]),
      bias: hasBias ? channelColumn(graph, context.weight("bias"), operation) : null,
    });
  },

  element(operation, index, context) {
    const { attributes, weights } = operation;
    const {
      inputShapes: [input = []],
      read,
      weight,
    } = context;
    const { channelAxis, filters, groups, kernelOrder } = attributes;
    const channels = (input[channelAxis] ?? 0) / groups;
    const filter = index[channelAxis] ?? 0;
    const group = Math.floor(filter / (filters / groups));
    const valueAt = kernelReader(context);
    let sum = weights["bias"] === undefined ? 0 : (weight("bias")[filter] as number);
    forEachTap(attributes, index, input, (place, tap) => {
      for (let c = 0; c < channels; c++) {
        const at =
          kernelOrder === "depthwise"
            ? tap * filters + filter
            : (tap * channels + c) * filters + filter;
        sum += valueAt(at) * read(0, place(group * channels + c));
      }
    });
    return sum;
  },

  cost: ({ attributes }, inputShapes) => termsOf(attributes, inputShapes),
};

/** The kernel's values by their place in C order: of the second input, or of the weight. */
export function kernelReader({
  inputShapes: [, shape],
  read,
  weight,
}: ElementContext): (at: number) => number {
  if (shape !== undefined) return (at) => read(1, indexOf(at, shape));
  const values = weight("kernel");
  return (at) => values[at] as number;
}

/** Number of windows along each axis of the padded value. */
export function windowCounts(
  kind: string,
  space: readonly number[],
  attributes: {
    readonly kernel: readonly number[];
    readonly strides: readonly number[];
    readonly padsBefore: readonly number[];
    readonly padsAfter: readonly number[];
    readonly dilations?: readonly number[];
  },
): number[] {
  const { kernel, strides, padsBefore, padsAfter, dilations } = attributes;
  return space.map((size, k) => {
    const span = ((kernel[k] ?? 1) - 1) * (dilations?.[k] ?? 1) + 1;
    const count =
      Math.floor((size + (padsBefore[k] ?? 0) + (padsAfter[k] ?? 0) - span) / (strides[k] ?? 1)) +
      1;
    if (count < 1) throw new RangeError(`${kind}: a window of ${span} in an axis of ${size}`);
    return count;
  });
}

/** Calls `use` for each kernel position inside the value: how to reach a channel there, and the position's number. */
export function forEachTap(
  attributes: {
    readonly kernel: readonly number[];
    readonly strides: readonly number[];
    readonly padsBefore: readonly number[];
    readonly dilations?: readonly number[];
    readonly channelAxis: number;
  },
  index: readonly number[],
  input: readonly number[],
  use: (place: (channel: number) => number[], tap: number) => void,
): void {
  const { kernel, strides, padsBefore, dilations, channelAxis } = attributes;
  const space = spaceOf(input, channelAxis);
  const start = spaceOf(index, channelAxis).map(
    (k, a) => k * (strides[a] ?? 1) - (padsBefore[a] ?? 0),
  );
  const taps = kernel.reduce((product, size) => product * size, 1);
  for (let tap = 0; tap < taps; tap++) {
    let rest = tap;
    const at = new Array<number>(kernel.length);
    for (let a = kernel.length - 1; a >= 0; a--) {
      const size = kernel[a] ?? 1;
      at[a] = (start[a] ?? 0) + (rest % size) * (dilations?.[a] ?? 1);
      rest = Math.floor(rest / size);
    }
    if (at.some((k, a) => k < 0 || k >= (space[a] ?? 0))) continue;
    use((channel) => shapeWith(index[0] ?? 0, at, channel, channelAxis), tap);
  }
}

function convolve(
  { attributes, shape }: OperationOf<"conv-nd">,
  graph: GraphBuilder,
  input: string,
  [kernel = "", bias]: readonly string[],
  output?: string,
): string {
  const { kernel: size, strides, padsBefore, padsAfter, dilations, groups } = attributes;
  const filters = kernelNodes(attributes, graph, kernel);
  const node = (value: string, name?: string) =>
    graph.node(
      "Conv",
      bias === undefined ? [value, filters] : [value, filters, bias],
      {
        kernel_shape: { ints: size },
        strides: { ints: strides },
        pads: { ints: [...padsBefore, ...padsAfter] },
        dilations: { ints: dilations },
        group: { int: groups },
      },
      name,
    );
  return withChannelsSecond(graph, input, shape.length, attributes.channelAxis, node, output);
}

/** The kernel in ONNX's order [out, in/groups, *size]. */
function kernelNodes(
  { kernel, filters, kernelOrder }: ConvNdAttributes,
  graph: GraphBuilder,
  value: string,
): string {
  const rank = kernel.length;
  const flat =
    kernelOrder === "depthwise"
      ? graph.node("Reshape", [value, graph.ints([...kernel, 1, filters])])
      : value;
  const space = kernel.map((_, axis) => axis);
  return graph.node("Transpose", [flat], { perm: { ints: [rank + 1, rank, ...space] } });
}

function termsOf(
  { kernel, groups, channelAxis }: ConvNdAttributes,
  [input = []]: readonly (readonly number[])[],
): number {
  return kernel.reduce((product, size) => product * size, (input[channelAxis] ?? 1) / groups);
}
