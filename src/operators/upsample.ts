import type { OperationOf } from "../architecture/architecture.js";
import { absolute, isPowerOfTwo, roundingOf } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { reshape, times } from "./nodes.js";
import { scaled, total } from "./rounding.js";
import { type MapShape, onlyMap } from "./shape-rules.js";

/** Nearest up-sampling by whole factors, out[y][x] = in[⌊y/fh⌋][⌊x/fw⌋], times `gain` (Darknet's `scale`). */
export const upsampleFamily: OperatorFamily<"upsample"> = {
  kind: "upsample",
  shape: ({ factor: [rows, columns] }, inputs) => {
    const [batch, channels, height, width] = onlyMap("upsample", inputs);
    return [batch, channels, height * rows, width * columns];
  },
  lower: (operation, { graph, inputs: [input = ""], inputShapes, output }) => {
    const { gain } = operation.attributes;
    const map = onlyMap("upsample", inputShapes);
    if (gain === 1) repeat(graph, input, operation, map, output);
    else times(graph, repeat(graph, input, operation, map), gain, output);
  },
  bound: (operation, context) => {
    const { graph, inputShapes, bounds, output } = context;
    const { gain } = operation.attributes;
    const [bound = null] = bounds;
    const map = onlyMap("upsample", inputShapes);
    const before = bound && scaled(graph, repeat(graph, bound, operation, map), Math.abs(gain));
    const own = isPowerOfTwo(gain) ? null : roundingOf(context, absolute(graph, output));
    return total(graph, [before, own]);
  },
  element: ({ attributes: { factor, gain } }, [b = 0, c = 0, y = 0, x = 0], { read }) =>
    Math.fround(gain) * read(0, [b, c, Math.floor(y / factor[0]), Math.floor(x / factor[1])]),
  cost: () => 1,
};

/** Each column, then each row, beside copies of itself: three times as fast as Expand. */
function repeat(
  graph: GraphBuilder,
  value: string,
  { attributes: { factor }, shape }: OperationOf<"upsample">,
  [batch, channels, height, width]: MapShape,
  output?: string,
): string {
  const copies = (of: string, count: number, axis: number) =>
    graph.node("Concat", new Array<string>(count).fill(of), { axis: { int: axis } });
  const split = reshape(graph, value, [batch, channels, height, 1, width, 1]);
  const wide = copies(split, factor[1], 5);
  return reshape(graph, copies(wide, factor[0], 3), shape, output);
}
