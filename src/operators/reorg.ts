import { indexOf } from "../tensor/tensor.js";
import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { permute, reshape } from "./nodes.js";
import { divide, onlyMap, positionOf } from "./shape-rules.js";

/**
 * Darknet's historical `[reorg]`, which all YOLOv2 weights need. It is not space-to-depth: the memory
 * of the input [c, h, w] is read as a map [c/s², h·s, w·s], that map goes through space-to-depth by s
 * (offset outermost), and the memory of the result [c, h, w] is read as [c·s², h/s, w/s]. `reverse` is
 * depth-to-space of the input (offset outermost): [c, h, w] to [c/s², h·s, w·s]; not the inverse.
 * Source: `reorg_cpu` of Darknet, which both libraries call with the sizes of the *input*; 4 channels
 * of 2×2, values 0…15, give 0 2 8 10 1 3 9 11 4 6 12 14 5 7 13 15.
 */
export const reorgFamily: OperatorFamily<"reorg"> = {
  kind: "reorg",
  shape: ({ stride, reverse }, inputs) => {
    const [batch, channels, height, width] = onlyMap("reorg", inputs);
    const fewer = divide("reorg", "channels", channels, stride * stride);
    if (reverse) return [batch, fewer, height * stride, width * stride];
    const rows = divide("reorg", "height", height, stride);
    return [batch, channels * stride * stride, rows, divide("reorg", "width", width, stride)];
  },
  lower: ({ attributes, shape }, { graph, inputs: [input = ""], inputShapes, output }) => {
    rearrange(graph, input, attributes, onlyMap("reorg", inputShapes), shape, output);
  },
  bound: ({ attributes, shape }, context) => {
    const input = onlyMap("reorg", context.inputShapes);
    return copied(context, (bound) => rearrange(context.graph, bound, attributes, input, shape));
  },
  element: ({ attributes: { stride, reverse }, shape }, index, { inputShapes, read }) => {
    const input = onlyMap("reorg", inputShapes);
    const [, channels, height, width] = input;
    const fewer = channels / (stride * stride);
    const position = positionOf(index, shape);
    if (reverse) {
      const [b = 0, c = 0, y = 0, x = 0] = indexOf(position, shape);
      const offset = (y % stride) * stride + (x % stride);
      return read(0, [b, offset * fewer + c, Math.floor(y / stride), Math.floor(x / stride)]);
    }
    const [b = 0, k = 0, j = 0, i = 0] = indexOf(position, input);
    const offset = Math.floor(k / fewer);
    const y = j * stride + Math.floor(offset / stride);
    const x = i * stride + (offset % stride);
    const source = ((b * fewer + (k % fewer)) * height * stride + y) * width * stride + x;
    return read(0, indexOf(source, input));
  },
  cost: () => 1,
};

function rearrange(
  graph: GraphBuilder,
  value: string,
  { stride, reverse }: { readonly stride: number; readonly reverse: boolean },
  [batch, channels, height, width]: readonly [number, number, number, number],
  shape: readonly number[],
  output?: string,
): string {
  const fewer = channels / (stride * stride);
  if (reverse) {
    const split = reshape(graph, value, [batch, stride, stride, fewer, height, width]);
    return reshape(graph, permute(graph, split, [0, 3, 4, 1, 5, 2]), shape, output);
  }
  const split = reshape(graph, value, [batch, fewer, height, stride, width, stride]);
  return reshape(graph, permute(graph, split, [0, 3, 5, 1, 2, 4]), shape, output);
}
