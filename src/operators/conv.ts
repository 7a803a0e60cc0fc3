import type { OperationOf } from "../architecture/architecture.js";
import type { ConvAttributes } from "../architecture/attributes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { linearBound } from "./rounding.js";
import { onlyMap } from "./shape-rules.js";
import {
  addedPads,
  channelVector,
  checkGroups,
  cropNegativePads,
  hasWeight,
  windows,
} from "./windows.js";

/** 2-D convolution (cross-correlation): `y = Σ kernel · x + bias` over windows of the padded map. */
export const convFamily: OperatorFamily<"conv"> = {
  kind: "conv",

  shape(attributes, inputs) {
    const [batch, channels, height, width] = onlyMap("conv", inputs);
    const { filters, groups, pads, kernel, strides, dilations, sampling } = attributes;
    checkGroups(channels, filters, groups);
    const out = [
      windows(height + pads.top + pads.bottom, kernel[0], strides[0], dilations[0]),
      windows(width + pads.left + pads.right, kernel[1], strides[1], dilations[1]),
    ] as const;
    if (sampling === "contiguous" && (kernel[0] !== 1 || kernel[1] !== 1)) {
      throw new RangeError(`contiguous sampling needs a 1x1 kernel, got ${kernel[0]}x${kernel[1]}`);
    }
    if (sampling === "contiguous" && out[0] * out[1] > height * width) {
      throw new RangeError(
        `contiguous sampling of [${out}] pixels from a [${height},${width}] map`,
      );
    }
    return [batch, filters, ...out];
  },

  lower(operation, context) {
    const { graph, weight } = context;
    const input = readInput(graph, operation, context.inputs[0] as string, context.inputShapes[0]);
    const inputs = [input, weight("kernel")];
    if (hasWeight(operation, "bias")) inputs.push(weight("bias"));
    graph.node("Conv", inputs, nodeAttributes(operation.attributes), context.output);
  },

  bound(operation, context) {
    const { graph, inputShapes, bounds } = context;
    const read = (value: string) => readInput(graph, operation, value, inputShapes[0]);
    const inputBound = bounds[0] ?? null;
    return linearBound({
      context,
      terms: termsOf(operation, inputShapes),
      input: read(context.inputs[0] as string),
      inputBound: inputBound === null ? null : read(inputBound),
      apply: (input, kernel) =>
        graph.node("Conv", [input, kernel], nodeAttributes(operation.attributes)),
      bias: hasWeight(operation, "bias") ? channelVector(graph, context.weight("bias")) : null,
    });
  },

  element(operation, [batch = 0, filter = 0, row = 0, column = 0], { inputShapes, read, weight }) {
    const { kernel, strides, dilations, pads, groups, filters, sampling } = operation.attributes;
    const [, channels, height, width] = onlyMap("conv", inputShapes);
    const [, , outHeight = 1, outWidth = 1] = operation.shape;
    const values = weight("kernel");
    const share = channels / groups;
    const first = Math.floor(filter / (filters / groups)) * share;
    let sum = hasWeight(operation, "bias") ? (weight("bias")[filter] as number) : 0;
    let at = filter * share * kernel[0] * kernel[1];
    for (let c = 0; c < share; c++) {
      if (sampling === "contiguous") {
        // Pixel number `c·outHeight·outWidth + …` of the group's channels laid end to end.
        const pixel = (c * outHeight + row) * outWidth + column;
        const channel = first + Math.floor(pixel / (height * width));
        const index = [batch, channel, Math.floor(pixel / width) % height, pixel % width];
        sum += (values[at++] as number) * read(0, index);
        continue;
      }
      for (let i = 0; i < kernel[0]; i++) {
        const y = row * strides[0] + i * dilations[0] - pads.top;
        for (let j = 0; j < kernel[1]; j++, at++) {
          const x = column * strides[1] + j * dilations[1] - pads.left;
          if (y < 0 || y >= height || x < 0 || x >= width) continue;
          sum += (values[at] as number) * read(0, [batch, first + c, y, x]);
        }
      }
    }
    return sum;
  },

  cost: termsOf,
};

/** The part of the input that the ONNX node convolves. */
function readInput(
  graph: GraphBuilder,
  { attributes, shape: [batch = 1, , outHeight = 1, outWidth = 1] }: OperationOf<"conv">,
  input: string,
  shape: readonly number[] = [],
): string {
  if (attributes.sampling === "grid") return cropNegativePads(graph, input, attributes.pads, shape);
  const [, channels = 1] = shape;
  const { groups } = attributes;
  const pixels = (channels / groups) * outHeight * outWidth;
  const rows = graph.node("Reshape", [input, graph.ints([batch * groups, -1])]);
  const cut = graph.node("Slice", [rows, graph.ints([0]), graph.ints([pixels]), graph.ints([1])]);
  return graph.node("Reshape", [cut, graph.ints([batch, channels, outHeight, outWidth])]);
}

function nodeAttributes({ kernel, strides, pads, dilations, groups, sampling }: ConvAttributes) {
  const grid = sampling === "grid";
  return {
    kernel_shape: { ints: kernel },
    strides: { ints: grid ? strides : [1, 1] },
    pads: { ints: grid ? addedPads(pads) : [0, 0, 0, 0] },
    dilations: { ints: dilations },
    group: { int: groups },
  };
}

/** Products of one output element, and its bias. */
function termsOf(
  operation: OperationOf<"conv">,
  inputShapes: readonly (readonly number[])[],
): number {
  const { kernel, groups } = operation.attributes;
  const [, channels] = onlyMap("conv", inputShapes);
  return (channels / groups) * kernel[0] * kernel[1] + (hasWeight(operation, "bias") ? 1 : 0);
}
