import type { OperationOf } from "../architecture/architecture.js";
import { absolute, isPowerOfTwo, roundingOf } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { times } from "./nodes.js";
import { scaled, total } from "./rounding.js";
import { onlyMap } from "./shape-rules.js";

/** Sub-rectangle of the map, then x·gain + offset: Darknet's `[crop]` is 2x − 1 unless `noadjust`. */
export const cropFamily: OperatorFamily<"crop"> = {
  kind: "crop",
  shape: ({ top, left, height, width }, inputs) => {
    const [batch, channels, rows, columns] = onlyMap("crop", inputs);
    if (Math.min(top, left) < 0 || top + height > rows || left + width > columns) {
      throw new RangeError(
        `crop: ${height}×${width} at row ${top}, column ${left} is not inside ${rows}×${columns}`,
      );
    }
    return [batch, channels, height, width];
  },
  lower: (operation, { graph, inputs: [input = ""], output }) => {
    const { gain, offset } = operation.attributes;
    const scaled = times(graph, rectangle(graph, input, operation), gain);
    if (offset === 0) graph.node("Identity", [scaled], {}, output);
    else graph.node("Add", [scaled, graph.float(offset)], {}, output);
  },
  bound: (operation, context) => {
    const {
      graph,
      inputs: [input = ""],
      bounds: [bound = null],
      output,
    } = context;
    const { gain, offset } = operation.attributes;
    const before = bound && scaled(graph, rectangle(graph, bound, operation), Math.abs(gain));
    const size = () => absolute(graph, times(graph, rectangle(graph, input, operation), gain));
    return total(graph, [
      before,
      isPowerOfTwo(gain) ? null : roundingOf(context, size()),
      offset === 0 ? null : roundingOf(context, absolute(graph, output)),
    ]);
  },
  element: ({ attributes }, [b = 0, c = 0, y = 0, x = 0], { read }) => {
    const { top, left, gain, offset } = attributes;
    return read(0, [b, c, y + top, x + left]) * Math.fround(gain) + Math.fround(offset);
  },
  cost: () => 1,
};

function rectangle(
  graph: GraphBuilder,
  value: string,
  { attributes: { top, left, height, width } }: OperationOf<"crop">,
): string {
  const starts = graph.ints([top, left]);
  const ends = graph.ints([top + height, left + width]);
  return graph.node("Slice", [value, starts, ends, graph.ints([2, 3])]);
}
