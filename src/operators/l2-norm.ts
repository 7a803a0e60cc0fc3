import { absolute, roundingFactor, squared, sumOfBounds } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import { reduceSum } from "./nodes.js";
import { scaled, sum as sumAll } from "./rounding.js";
import { onlyInput, sizeOfAxis, withAxis } from "./shape-rules.js";

/** x/√(Σ x² + epsilon) over an axis: pjreddie's `[l2norm]` (epsilon 0). */
export const l2NormFamily: OperatorFamily<"l2-norm"> = {
  kind: "l2-norm",
  shape: ({ axis }, inputs) => {
    const input = onlyInput("l2-norm", inputs);
    sizeOfAxis("l2-norm", input, axis);
    return input;
  },
  lower: ({ attributes: { axis, epsilon } }, { graph, inputs: [input = ""], output }) => {
    const squares = reduceSum(graph, squared(graph, input), [axis]);
    const length = graph.node("Sqrt", [graph.node("Add", [squares, graph.float(epsilon)])]);
    graph.node("Div", [input, length], {}, output);
  },
  // Half of the sum's relative error, root and quotient; then e/‖x‖ + |y|·Σ|x|e/‖x‖².
  bound: ({ attributes: { axis, epsilon }, shape }, context) => {
    const {
      graph,
      inputs: [input = ""],
      bounds: [bound = null],
      mode,
      output,
    } = context;
    const size = (shape[axis] ?? 1) / (mode === "hard" ? 2 : 4);
    const magnitude = absolute(graph, output);
    const own = scaled(graph, magnitude, roundingFactor(mode, size + 3));
    const smallest = graph.float(2 ** -126);
    if (bound === null) return sumAll(graph, own, smallest);
    const total = (value: string) => reduceSum(graph, value, [axis]);
    const squares = graph.node("Add", [total(squared(graph, input)), graph.float(epsilon)]);
    const direct = graph.node("Div", [bound, graph.node("Sqrt", [squares])]);
    const products = graph.node("Mul", [absolute(graph, input), bound]);
    const share = graph.node("Div", [sumOfBounds(context, products, total), squares]);
    return sumAll(graph, own, smallest, direct, graph.node("Mul", [magnitude, share]));
  },
  element: ({ attributes: { axis, epsilon }, shape }, index, { read }) => {
    let squares = Math.fround(epsilon);
    for (let k = 0; k < (shape[axis] ?? 0); k++) squares += read(0, withAxis(index, axis, k)) ** 2;
    return read(0, index) / Math.sqrt(squares);
  },
  cost: ({ attributes: { axis } }, [input]) => input?.[axis] ?? 1,
};
