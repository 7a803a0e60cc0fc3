import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { permute, reshape } from "./nodes.js";
import { divide, type MapShape, onlyMap } from "./shape-rules.js";

/** True space-to-depth, Darknet's `[reorg3d]`: out[c + C·(dy·s + dx)][y][x] = in[c][y·s + dy][x·s + dx]. */
export const spaceToDepthFamily: OperatorFamily<"space-to-depth"> = {
  kind: "space-to-depth",
  shape: ({ stride }, inputs) => {
    const [batch, channels, height, width] = onlyMap("space-to-depth", inputs);
    const rows = divide("space-to-depth", "height", height, stride);
    const columns = divide("space-to-depth", "width", width, stride);
    return [batch, channels * stride * stride, rows, columns];
  },
  lower: ({ attributes, shape }, { graph, inputs: [input = ""], inputShapes, output }) => {
    const map = onlyMap("space-to-depth", inputShapes);
    rearrange(graph, input, attributes.stride, map, shape, output);
  },
  bound: ({ attributes, shape }, context) => {
    const map = onlyMap("space-to-depth", context.inputShapes);
    return copied(context, (bound) =>
      rearrange(context.graph, bound, attributes.stride, map, shape),
    );
  },
  element: ({ attributes: { stride } }, [b = 0, k = 0, y = 0, x = 0], { inputShapes, read }) => {
    const [, channels] = onlyMap("space-to-depth", inputShapes);
    const offset = Math.floor(k / channels);
    const row = y * stride + Math.floor(offset / stride);
    return read(0, [b, k % channels, row, x * stride + (offset % stride)]);
  },
  cost: () => 1,
};

function rearrange(
  graph: GraphBuilder,
  value: string,
  stride: number,
  [batch, channels, height, width]: MapShape,
  shape: readonly number[],
  output?: string,
): string {
  const split = [batch, channels, height / stride, stride, width / stride, stride];
  const moved = permute(graph, reshape(graph, value, split), [0, 3, 5, 1, 2, 4]);
  return reshape(graph, moved, shape, output);
}
