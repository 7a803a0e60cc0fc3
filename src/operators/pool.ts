import type { OperationOf } from "../architecture/architecture.js";
import { absolute, roundingFactor, squared, sumOfBounds } from "./bound-nodes.js";
import type { BoundContext, OperatorFamily } from "./family.js";
import type { GraphBuilder, NodeAttribute } from "./graph.js";
import { LOWEST_FLOAT32, pad } from "./nodes.js";
import { sum as sumAll } from "./rounding.js";
import { onlyMap } from "./shape-rules.js";

type Pool = OperationOf<"pool">["attributes"];

/**
 * Max or average over windows. Outside the map lies Darknet's −FLT_MAX for a maximum, also for a
 * window that lies outside as a whole; an average adds 0 there and divides by the window or, without
 * `countPadding`, by its pixels inside the map (none inside: 0/0, NaN, as in Darknet's `local_avgpool`).
 */
export const poolFamily: OperatorFamily<"pool"> = {
  kind: "pool",
  shape: ({ kernel, strides, pads }, inputs) => {
    const [batch, channels, height, width] = onlyMap("pool", inputs);
    const rows = windows(height + pads.top + pads.bottom, kernel[0], strides[0]);
    const columns = windows(width + pads.left + pads.right, kernel[1], strides[1]);
    return [batch, channels, rows, columns];
  },
  lower: (operation, { graph, inputs: [input = ""], inputShapes, output }) => {
    const { attributes } = operation;
    if (attributes.mode === "max") maxPool(graph, input, attributes, LOWEST_FLOAT32, output);
    else average(graph, input, operation, inputShapes, output);
  },
  bound: (operation, context) => {
    const { attributes } = operation;
    const {
      graph,
      bounds: [bound = null],
    } = context;
    if (attributes.mode === "average") return averageBound(operation, context);
    // The maximum of a window moves by no more than the largest of the moves in it.
    return bound && maxPool(graph, bound, attributes, 0);
  },
  element: ({ attributes }, [b = 0, c = 0, y = 0, x = 0], { inputShapes, read }) => {
    const { mode, kernel, countPadding } = attributes;
    const [, , height, width] = onlyMap("pool", inputShapes);
    const rows = inside(y, height, attributes, 0);
    const columns = inside(x, width, attributes, 1);
    let [sum, maximum] = [0, LOWEST_FLOAT32];
    for (const row of rows) {
      for (const column of columns) {
        const value = read(0, [b, c, row, column]);
        sum += value;
        maximum = Math.max(maximum, value);
      }
    }
    if (mode === "max") return maximum;
    return sum / (countPadding ? kernel[0] * kernel[1] : rows.length * columns.length);
  },
  cost: ({ attributes: { kernel } }) => kernel[0] * kernel[1],
};

/** Positions of the map inside the window at output position `at`; `side` 0 is height, 1 width. */
function inside(at: number, size: number, { kernel, strides, pads }: Pool, side: 0 | 1): number[] {
  const start = at * strides[side] - (side === 0 ? pads.top : pads.left);
  const positions = Array.from({ length: kernel[side] }, (_, k) => start + k);
  return positions.filter((position) => position >= 0 && position < size);
}

function windows(size: number, kernel: number, stride: number): number {
  if (size < kernel) throw new RangeError(`pool: window ${kernel}, padded map only ${size}`);
  return Math.floor((size - kernel) / stride) + 1;
}

function windowAttributes({ kernel, strides }: Pool): Record<string, NodeAttribute> {
  return { kernel_shape: { ints: kernel }, strides: { ints: strides } };
}

/** ONNX takes pads below the size of the kernel only. */
function padsFit({ kernel, pads }: Pool): boolean {
  return Math.max(pads.top, pads.bottom) < kernel[0] && Math.max(pads.left, pads.right) < kernel[1];
}

/** The map with its pads made real. */
function padded(graph: GraphBuilder, value: string, { pads }: Pool, outside: number): string {
  const before = [0, 0, pads.top, pads.left];
  return pad(graph, value, { before, after: [0, 0, pads.bottom, pads.right], with: outside });
}

function onnxPads({ pads }: Pool): NodeAttribute {
  return { ints: [pads.top, pads.left, pads.bottom, pads.right] };
}

function maxPool(
  graph: GraphBuilder,
  value: string,
  attributes: Pool,
  outside: number,
  output?: string,
): string {
  const window = windowAttributes(attributes);
  if (padsFit(attributes))
    return graph.node("MaxPool", [value], { ...window, pads: onnxPads(attributes) }, output);
  return graph.node("MaxPool", [padded(graph, value, attributes, outside)], window, output);
}

/** Average with the whole window as divisor. */
function wholeAverage(
  graph: GraphBuilder,
  value: string,
  attributes: Pool,
  output?: string,
): string {
  const window = windowAttributes(attributes);
  if (!padsFit(attributes))
    return graph.node("AveragePool", [padded(graph, value, attributes, 0)], window, output);
  const counted = { ...window, pads: onnxPads(attributes), count_include_pad: { int: 1 } };
  return graph.node("AveragePool", [value], counted, output);
}

function average(
  graph: GraphBuilder,
  value: string,
  { attributes, shape }: OperationOf<"pool">,
  inputShapes: readonly (readonly number[])[],
  output?: string,
): string {
  if (attributes.countPadding) return wholeAverage(graph, value, attributes, output);
  if (padsFit(attributes)) {
    const window = { ...windowAttributes(attributes), pads: onnxPads(attributes) };
    return graph.node("AveragePool", [value], window, output);
  }
  const shares = counts(attributes, shape, inputShapes).map(
    (count) => count / (attributes.kernel[0] * attributes.kernel[1]),
  );
  const share = graph.float(shares, [1, 1, shape[2] ?? 1, shape[3] ?? 1]);
  return graph.node("Div", [wholeAverage(graph, value, attributes), share], {}, output);
}

/** By what each window's sum is divided, row-major over the output map. */
function counts(
  attributes: Pool,
  [, , rows = 1, columns = 1]: readonly number[],
  inputShapes: readonly (readonly number[])[],
): number[] {
  const { kernel, countPadding } = attributes;
  const [, , height, width] = onlyMap("pool", inputShapes);
  const across = Array.from({ length: columns }, (_, x) => inside(x, width, attributes, 1).length);
  return Array.from({ length: rows }, (_, y) => {
    const down = inside(y, height, attributes, 0).length;
    return across.map((count) => (countPadding ? kernel[0] * kernel[1] : down * count));
  }).flat();
}

/** The mean as a sum of K terms x/K, K each window's own divisor. */
function averageBound(operation: OperationOf<"pool">, context: BoundContext): string {
  const { attributes, shape } = operation;
  const {
    graph,
    inputs: [input = ""],
    inputShapes,
    bounds: [bound = null],
    mode,
    output,
  } = context;
  const cells = attributes.kernel[0] * attributes.kernel[1];
  const sum = (value: string) =>
    graph.node("Mul", [wholeAverage(graph, value, attributes), graph.float(cells)]);
  const divisors = counts(attributes, shape, inputShapes);
  const map = [1, 1, shape[2] ?? 1, shape[3] ?? 1];
  const divided = (value: string) => graph.node("Div", [value, graph.float(divisors, map)]);
  // One rounding a term and one for the division.
  const weight = graph.float(
    divisors.map((count) => roundingFactor(mode, count + 1)),
    map,
  );
  const size =
    mode === "hard"
      ? divided(sum(absolute(graph, input)))
      : graph.node("Add", [
          divided(graph.node("Sqrt", [sum(squared(graph, input))])),
          absolute(graph, output),
        ]);
  const own = graph.node("Mul", [size, weight]);
  const before = bound && divided(sumOfBounds(context, bound, sum));
  return sumAll(graph, own, before);
}
