import { copied, sumOfBounds, sumRounding } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { reduceMax } from "./nodes.js";
import { sum as sumAll } from "./rounding.js";
import { onlyMap } from "./shape-rules.js";

/** Mean or maximum over the whole map: [b, c, h, w] → [b, c, 1, 1]. Darknet's `[avgpool]`. */
export const globalPoolFamily: OperatorFamily<"global-pool"> = {
  kind: "global-pool",
  shape: (_, inputs) => {
    const [batch, channels] = onlyMap("global-pool", inputs);
    return [batch, channels, 1, 1];
  },
  lower: ({ attributes: { mode } }, { graph, inputs: [input = ""], output }) => {
    // GlobalAveragePool gives other bits at other optimization levels, ReduceMean does not.
    if (mode === "max") reduceMax(graph, input, [2, 3], true, output);
    else mean(graph, input, output);
  },
  bound: ({ attributes: { mode } }, context) => {
    const {
      graph,
      inputs: [input = ""],
      inputShapes,
      bounds: [bound = null],
      output,
    } = context;
    if (mode === "max") return copied(context, (value) => reduceMax(graph, value, [2, 3]));
    const [, , height, width] = onlyMap("global-pool", inputShapes);
    const count = height * width;
    // As a sum of terms x/n.
    const part = graph.float(1 / count);
    const sum = (value: string) => graph.node("ReduceSum", [value, graph.ints([2, 3])]);
    const terms = graph.node("Mul", [input, part]);
    const own = sumRounding(context, count + 1, terms, sum, output);
    const before = bound && sumOfBounds(context, graph.node("Mul", [bound, part]), sum);
    return sumAll(graph, own, before);
  },
  element: ({ attributes: { mode } }, [b = 0, c = 0], { inputShapes, read }) => {
    const [, , height, width] = onlyMap("global-pool", inputShapes);
    let [sum, maximum] = [0, Number.NEGATIVE_INFINITY];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const value = read(0, [b, c, y, x]);
        sum += value;
        maximum = Math.max(maximum, value);
      }
    }
    return mode === "max" ? maximum : sum / (height * width);
  },
  cost: (_, inputShapes) => {
    const [, , height, width] = onlyMap("global-pool", inputShapes);
    return height * width;
  },
};

function mean(graph: GraphBuilder, value: string, output?: string): string {
  const attributes = { axes: { ints: [2, 3] }, keepdims: { int: 1 } };
  return graph.node("ReduceMean", [value], attributes, output);
}
