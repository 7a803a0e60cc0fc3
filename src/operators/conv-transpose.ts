import type { OperationOf } from "../architecture/architecture.js";
import type { AttributesByKind, Pads } from "../architecture/attributes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { pad } from "./nodes.js";
import { linearBound } from "./rounding.js";
import { onlyMap } from "./shape-rules.js";
import { addedPads, channelVector, checkGroups, hasWeight } from "./windows.js";

/**
 * Transposed 2-D convolution: every input pixel adds its multiple of the kernel to the output, at
 * steps of the stride; `pads` crop what comes out, negative ones enlarge it with zeros (and bias).
 */
export const convTransposeFamily: OperatorFamily<"conv-transpose"> = {
  kind: "conv-transpose",

  shape(attributes, inputs) {
    const [batch, channels, height, width] = onlyMap("conv-transpose", inputs);
    const { filters, groups, pads, outputPadding } = attributes;
    checkGroups(channels, filters, groups);
    const size = (axis: 0 | 1, input: number, cropped: number) => {
      const { kernel, strides, dilations } = attributes;
      const full = (input - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1;
      const left = full + outputPadding[axis] - cropped;
      if (left < 1) throw new RangeError(`conv-transpose: ${cropped} cropped from ${full}`);
      return left;
    };
    return [
      batch,
      filters,
      size(0, height, pads.top + pads.bottom),
      size(1, width, pads.left + pads.right),
    ];
  },

  lower(operation, { graph, inputs: [input = ""], weight, output }) {
    if (!hasWeight(operation, "bias")) {
      transposed(graph, operation.attributes, [input, weight("kernel")], output);
    } else if (isEnlarged(operation.attributes.pads)) {
      const map = transposed(graph, operation.attributes, [input, weight("kernel")]);
      graph.node("Add", [map, channelVector(graph, weight("bias"))], {}, output);
    } else {
      transposed(graph, operation.attributes, [input, weight("kernel"), weight("bias")], output);
    }
  },

  bound(operation, context) {
    const { graph } = context;
    return linearBound({
      context,
      terms: termsOf(operation, context.inputShapes),
      input: context.inputs[0] as string,
      inputBound: context.bounds[0] ?? null,
      apply: (input, kernel) => transposed(graph, operation.attributes, [input, kernel]),
      bias: hasWeight(operation, "bias") ? channelVector(graph, context.weight("bias")) : null,
    });
  },

  element(operation, [batch = 0, filter = 0, row = 0, column = 0], { inputShapes, read, weight }) {
    const { kernel, strides, dilations, pads, groups, filters } = operation.attributes;
    const [, channels, height, width] = onlyMap("conv-transpose", inputShapes);
    const values = weight("kernel");
    const outShare = filters / groups;
    const inShare = channels / groups;
    const first = Math.floor(filter / outShare) * inShare;
    let sum = hasWeight(operation, "bias") ? (weight("bias")[filter] as number) : 0;
    for (let i = 0; i < kernel[0]; i++) {
      const y = (row + pads.top - i * dilations[0]) / strides[0];
      if (!Number.isInteger(y) || y < 0 || y >= height) continue;
      for (let j = 0; j < kernel[1]; j++) {
        const x = (column + pads.left - j * dilations[1]) / strides[1];
        if (!Number.isInteger(x) || x < 0 || x >= width) continue;
        for (let c = first; c < first + inShare; c++) {
          const at = ((c * outShare + (filter % outShare)) * kernel[0] + i) * kernel[1] + j;
          sum += (values[at] as number) * read(0, [batch, c, y, x]);
        }
      }
    }
    return sum;
  },

  cost: termsOf,
};

type Attributes = AttributesByKind["conv-transpose"];

function isEnlarged({ top, left, bottom, right }: Pads): boolean {
  return Math.min(top, left, bottom, right) < 0;
}

/** The ONNX node, and zeros around its result where pads are negative. */
function transposed(
  graph: GraphBuilder,
  { kernel, strides, dilations, groups, pads, outputPadding }: Attributes,
  inputs: readonly string[],
  output?: string,
): string {
  const attributes = {
    kernel_shape: { ints: kernel },
    strides: { ints: strides },
    pads: { ints: addedPads(pads) },
    dilations: { ints: dilations },
    group: { int: groups },
    output_padding: { ints: outputPadding },
  };
  if (!isEnlarged(pads)) return graph.node("ConvTranspose", inputs, attributes, output);
  const before = [0, 0, Math.max(-pads.top, 0), Math.max(-pads.left, 0)];
  const after = [0, 0, Math.max(-pads.bottom, 0), Math.max(-pads.right, 0)];
  const map = graph.node("ConvTranspose", inputs, attributes);
  return pad(graph, map, { before, after, with: 0 }, output);
}

/** The most products that meet in one output element, and the bias. */
function termsOf(
  operation: OperationOf<"conv-transpose">,
  inputShapes: readonly (readonly number[])[],
): number {
  const { kernel, strides, dilations, groups } = operation.attributes;
  const [, channels] = onlyMap("conv-transpose", inputShapes);
  const meeting = (axis: 0 | 1) =>
    dilations[axis] === 1 ? Math.ceil(kernel[axis] / strides[axis]) : kernel[axis];
  const bias = hasWeight(operation, "bias") ? 1 : 0;
  return (channels / groups) * meeting(0) * meeting(1) + bias;
}
