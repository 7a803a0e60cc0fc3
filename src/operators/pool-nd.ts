import type { OperationOf } from "../architecture/architecture.js";
import { sumOfBounds, sumRounding } from "./bound-nodes.js";
import { forEachTap, windowCounts } from "./conv-nd.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { shapeWith, spaceOf, withChannelsSecond } from "./nodes-nd.js";
import { onlyInput } from "./shape-rules.js";

/** Maximum or average over windows of any number of axes, channels second or last. */
export const poolNdFamily: OperatorFamily<"pool-nd"> = {
  kind: "pool-nd",

  shape(attributes, inputs) {
    const input = onlyInput("pool-nd", inputs);
    const { channelAxis } = attributes;
    const space = windowCounts("pool-nd", spaceOf(input, channelAxis), attributes);
    return shapeWith(input[0] ?? 1, space, input[channelAxis] ?? 1, channelAxis);
  },

  lower(operation, { graph, inputs: [input = ""], output }) {
    pool(operation, graph, input, operation.attributes.mode, output);
  },

  bound(operation, context) {
    const {
      graph,
      inputs: [input = ""],
      output,
      bounds: [bound = null],
    } = context;
    if (operation.attributes.mode === "max") {
      return bound && pool(operation, graph, bound, "max");
    }
    const average = (value: string) => pool(operation, graph, value, "average");
    const count = operation.attributes.kernel.reduce((product, size) => product * size, 1);
    const rounding = sumRounding(context, count + 1, input, average, output);
    if (bound === null) return rounding;
    return graph.node("Add", [rounding, sumOfBounds(context, bound, average)]);
  },

  element({ attributes }, index, { inputShapes: [input = []], read }) {
    const values: number[] = [];
    const channel = index[attributes.channelAxis] ?? 0;
    forEachTap(attributes, index, input, (place) => values.push(read(0, place(channel))));
    if (attributes.mode === "max") {
      return values.some(Number.isNaN) ? Number.NaN : Math.max(...values);
    }
    const window = attributes.kernel.reduce((product, size) => product * size, 1);
    const count = attributes.countPadding ? window : values.length;
    return values.reduce((sum, value) => sum + value, 0) / count;
  },

  cost: ({ attributes }) => attributes.kernel.reduce((product, size) => product * size, 1),
};

function pool(
  { attributes, shape }: OperationOf<"pool-nd">,
  graph: GraphBuilder,
  input: string,
  mode: "max" | "average",
  output?: string,
): string {
  const { kernel, strides, padsBefore, padsAfter, channelAxis, countPadding } = attributes;
  const common = {
    kernel_shape: { ints: kernel },
    strides: { ints: strides },
    pads: { ints: [...padsBefore, ...padsAfter] },
  };
  const node = (value: string, name?: string) =>
    mode === "max"
      ? graph.node("MaxPool", [value], common, name)
      : graph.node(
          "AveragePool",
          [value],
          { ...common, count_include_pad: { int: countPadding ? 1 : 0 } },
          name,
        );
  return withChannelsSecond(graph, input, shape.length, channelAxis, node, output);
}
