import type { OperationOf } from "../architecture/architecture.js";
import { absolute, isPowerOfTwo, roundingOf, sumOfBounds, sumRounding } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { reduceSum, reshape, times } from "./nodes.js";
import { scaled, sum as sumAll, total } from "./rounding.js";
import { divide, type MapShape, onlyMap } from "./shape-rules.js";

/** Sum over blocks of fh × fw pixels, times `gain`: Darknet's `[upsample]` with a negative stride. */
export const sumBlocksFamily: OperatorFamily<"sum-blocks"> = {
  kind: "sum-blocks",
  shape: ({ factor: [rows, columns] }, inputs) => {
    const [batch, channels, height, width] = onlyMap("sum-blocks", inputs);
    const top = divide("sum-blocks", "height", height, rows);
    return [batch, channels, top, divide("sum-blocks", "width", width, columns)];
  },
  lower: (operation, { graph, inputs: [input = ""], inputShapes, output }) => {
    const sum = sumOf(graph, input, operation, onlyMap("sum-blocks", inputShapes));
    times(graph, sum, operation.attributes.gain, output);
  },
  bound: (operation, context) => {
    const { graph, inputs, inputShapes, bounds, output } = context;
    const { factor, gain } = operation.attributes;
    const [input = ""] = inputs;
    const [bound = null] = bounds;
    const map = onlyMap("sum-blocks", inputShapes);
    const sum = (value: string) => sumOf(graph, value, operation, map);
    const result = scaled(graph, output, 1 / gain);
    const own = sumRounding(context, factor[0] * factor[1], input, sum, result);
    const before = bound && sumOfBounds(context, bound, sum);
    const inner = scaled(graph, sumAll(graph, own, before), Math.abs(gain));
    const last = isPowerOfTwo(gain) ? null : roundingOf(context, absolute(graph, output));
    return total(graph, [inner, last]);
  },
  element: ({ attributes: { factor, gain } }, [b = 0, c = 0, y = 0, x = 0], { read }) => {
    let sum = 0;
    for (let dy = 0; dy < factor[0]; dy++) {
      for (let dx = 0; dx < factor[1]; dx++)
        sum += read(0, [b, c, y * factor[0] + dy, x * factor[1] + dx]);
    }
    return Math.fround(gain) * sum;
  },
  cost: ({ attributes: { factor } }) => factor[0] * factor[1],
};

function sumOf(
  graph: GraphBuilder,
  value: string,
  { attributes: { factor } }: OperationOf<"sum-blocks">,
  [batch, channels, height, width]: MapShape,
): string {
  const [rows, columns] = factor;
  const split = [batch, channels, height / rows, rows, width / columns, columns];
  return reduceSum(graph, reshape(graph, value, split), [3, 5], false);
}
