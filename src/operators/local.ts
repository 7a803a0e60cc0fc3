import type { OperationOf } from "../architecture/architecture.js";
import type { LocalAttributes } from "../architecture/attributes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { pad, permute, reshape } from "./nodes.js";
import { linearBound } from "./rounding.js";
import { type MapShape, onlyMap } from "./shape-rules.js";
import { addedPads, cropNegativePads, hasWeight, windows } from "./windows.js";

/** Locally connected: a convolution that has a kernel of its own for every place of the output. */
export const localFamily: OperatorFamily<"local"> = {
  kind: "local",

  shape({ filters, kernel, strides, pads }, inputs) {
    const [batch, , height, width] = onlyMap("local", inputs);
    return [
      batch,
      filters,
      windows(height + pads.top + pads.bottom, kernel[0], strides[0]),
      windows(width + pads.left + pads.right, kernel[1], strides[1]),
    ];
  },

  lower(operation, { graph, inputs, inputShapes, weight, output }) {
    const columns = unfold(graph, operation, inputs[0] as string, inputShapes);
    if (!hasWeight(operation, "bias")) {
      product(graph, operation, columns, weight("kernel"), output);
      return;
    }
    const sums = product(graph, operation, columns, weight("kernel"));
    graph.node("Add", [sums, weight("bias")], {}, output);
  },

  bound(operation, context) {
    const { graph, inputShapes, bounds, weight } = context;
    const inputBound = bounds[0] ?? null;
    return linearBound({
      context,
      terms: termsOf(operation, inputShapes),
      input: unfold(graph, operation, context.inputs[0] as string, inputShapes),
      inputBound: inputBound === null ? null : unfold(graph, operation, inputBound, inputShapes),
      apply: (columns, kernel) => product(graph, operation, columns, kernel),
      bias: hasWeight(operation, "bias") ? weight("bias") : null,
    });
  },

  element(operation, [batch = 0, filter = 0, row = 0, column = 0], { inputShapes, read, weight }) {
    const { kernel, strides, pads, filters } = operation.attributes;
    const [, channels, height, width] = onlyMap("local", inputShapes);
    const [, , outHeight = 1, outWidth = 1] = operation.shape;
    const place = row * outWidth + column;
    const values = weight("kernel");
    let sum = hasWeight(operation, "bias")
      ? (weight("bias")[filter * outHeight * outWidth + place] as number)
      : 0;
    let at = (place * filters + filter) * channels * kernel[0] * kernel[1];
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < kernel[0]; i++) {
        const y = row * strides[0] + i - pads.top;
        for (let j = 0; j < kernel[1]; j++, at++) {
          const x = column * strides[1] + j - pads.left;
          if (y < 0 || y >= height || x < 0 || x >= width) continue;
          sum += (values[at] as number) * read(0, [batch, c, y, x]);
        }
      }
    }
    return sum;
  },

  cost: termsOf,
};

/** Every window of the padded map as a column: [places, channels·kH·kW, batch]. */
function unfold(
  graph: GraphBuilder,
  { attributes, shape: [, , outHeight = 1, outWidth = 1] }: OperationOf<"local">,
  input: string,
  inputShapes: readonly (readonly number[])[],
): string {
  const shape = onlyMap("local", inputShapes);
  const [batch, channels] = shape;
  const { kernel, strides } = attributes;
  const padded = padMap(graph, attributes, input, shape);
  const places = outHeight * outWidth;
  const parts: string[] = [];
  for (let i = 0; i < kernel[0]; i++) {
    for (let j = 0; j < kernel[1]; j++) {
      const ends = [i + (outHeight - 1) * strides[0] + 1, j + (outWidth - 1) * strides[1] + 1];
      const range = [[i, j], ends, [2, 3], strides].map((numbers) => graph.ints(numbers));
      const part = graph.node("Slice", [padded, ...range]);
      parts.push(reshape(graph, part, [batch, channels, 1, places]));
    }
  }
  const joined = graph.node("Concat", parts, { axis: { int: 2 } });
  const columns = reshape(graph, joined, [batch, channels * kernel[0] * kernel[1], places]);
  return permute(graph, columns, [2, 1, 0]);
}

function padMap(
  graph: GraphBuilder,
  { pads }: LocalAttributes,
  input: string,
  shape: MapShape,
): string {
  const cropped = cropNegativePads(graph, input, pads, shape);
  const [top = 0, left = 0, bottom = 0, right = 0] = addedPads(pads);
  if (top + left + bottom + right === 0) return cropped;
  return pad(graph, cropped, { before: [0, 0, top, left], after: [0, 0, bottom, right], with: 0 });
}

/** A matrix product a place, then the places as a map: [batch, filters, height, width]. */
function product(
  graph: GraphBuilder,
  { shape }: OperationOf<"local">,
  columns: string,
  kernel: string,
  output?: string,
): string {
  const sums = graph.node("MatMul", [kernel, columns]);
  return reshape(graph, permute(graph, sums, [2, 1, 0]), shape, output);
}

/** Products of one output element, and its bias. */
function termsOf(
  operation: OperationOf<"local">,
  inputShapes: readonly (readonly number[])[],
): number {
  const { kernel } = operation.attributes;
  const [, channels] = onlyMap("local", inputShapes);
  return channels * kernel[0] * kernel[1] + (hasWeight(operation, "bias") ? 1 : 0);
}
