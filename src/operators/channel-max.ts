import type { OperationOf } from "../architecture/architecture.js";
import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { LOWEST_FLOAT32, pad, reduceMax, reshape } from "./nodes.js";
import { type MapShape, onlyMap } from "./shape-rules.js";

/** Darknet's `maxpool_depth`: output channel k is the maximum of the input channels k, k + out, k + 2·out … */
export const channelMaxFamily: OperatorFamily<"channel-max"> = {
  kind: "channel-max",
  shape: ({ channels }, inputs) => {
    const [batch, available, height, width] = onlyMap("channel-max", inputs);
    if (channels > available)
      throw new RangeError(`channel-max: ${channels} channels of ${available}`);
    return [batch, channels, height, width];
  },
  lower: (operation, { graph, inputs: [input = ""], inputShapes, output }) => {
    const map = onlyMap("channel-max", inputShapes);
    greatest(graph, input, operation, map, LOWEST_FLOAT32, output);
  },
  // The maximum moves by no more than the largest of the moves.
  bound: (operation, context) =>
    copied(context, (bound) => {
      const map = onlyMap("channel-max", context.inputShapes);
      return greatest(context.graph, bound, operation, map, 0);
    }),
  element: ({ attributes: { channels } }, [b = 0, c = 0, y = 0, x = 0], { inputShapes, read }) => {
    const [, available] = onlyMap("channel-max", inputShapes);
    let maximum = LOWEST_FLOAT32;
    for (let k = c; k < available; k += channels)
      maximum = Math.max(maximum, read(0, [b, k, y, x]));
    return maximum;
  },
  cost: ({ attributes: { channels } }, inputShapes) =>
    Math.ceil(onlyMap("channel-max", inputShapes)[1] / channels),
};

function greatest(
  graph: GraphBuilder,
  value: string,
  { attributes: { channels } }: OperationOf<"channel-max">,
  [batch, available, height, width]: MapShape,
  missing: number,
  output?: string,
): string {
  const layers = Math.ceil(available / channels);
  const rest = layers * channels - available;
  const amount = { before: [0, 0, 0, 0], after: [0, rest, 0, 0], with: missing };
  const whole = rest === 0 ? value : pad(graph, value, amount);
  const split = reshape(graph, whole, [batch, layers, channels, height, width]);
  return reduceMax(graph, split, [1], false, output);
}
