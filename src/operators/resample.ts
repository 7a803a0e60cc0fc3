import type { OperationOf } from "../architecture/architecture.js";
import { sumOfBounds, sumRounding } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { onlyInput, withAxis } from "./shape-rules.js";

/** One axis replaced by fixed weighted sums along it: resizing by any filter, spectra, averages over unequal windows. */
export const resampleFamily: OperatorFamily<"resample"> = {
  kind: "resample",

  shape({ axis, matrix }, inputs) {
    const input = onlyInput("resample", inputs);
    if (input[axis] !== matrix.columns || matrix.values.length !== matrix.rows * matrix.columns) {
      throw new RangeError(
        `resample: a ${matrix.rows}x${matrix.columns} map along axis ${axis} of [${input}]`,
      );
    }
    return withAxis(input, axis, matrix.rows);
  },

  lower(operation, { graph, inputs: [input = ""], output }) {
    apply(operation, graph, input, operation.attributes.matrix.values, output);
  },

  bound(operation, context) {
    const {
      graph,
      inputs: [input = ""],
      output,
      bounds: [bound = null],
    } = context;
    const { matrix } = operation.attributes;
    if (bound === null && isSelection(operation)) return null;
    const sizes = matrix.values.map(Math.abs);
    const sum = (value: string) => apply(operation, graph, value, sizes);
    const terms = mostTerms(operation);
    // The weights are rounded to float32 once: one rounding more of each product.
    const rounding = sumRounding(context, terms + 2, input, sum, output);
    return bound === null
      ? rounding
      : graph.node("Add", [rounding, sumOfBounds(context, bound, sum)]);
  },

  element({ attributes: { axis, matrix } }, index, { read }) {
    const row = index[axis] ?? 0;
    let sum = 0;
    for (let k = 0; k < matrix.columns; k++) {
      const weight = matrix.values[row * matrix.columns + k] ?? 0;
      if (weight !== 0) sum += weight * read(0, withAxis(index, axis, k));
    }
    return sum;
  },

  cost: mostTerms,
};

function apply(
  { attributes: { axis, matrix }, shape }: OperationOf<"resample">,
  graph: GraphBuilder,
  value: string,
  values: readonly number[],
  output?: string,
): string {
  const { rows, columns } = matrix;
  const transposed = Array.from({ length: rows * columns }, (_, k) => {
    const column = Math.floor(k / rows);
    return values[(k % rows) * columns + column] ?? 0;
  });
  const map = graph.float(transposed, [columns, rows]);
  const last = shape.length - 1;
  if (axis === last) return graph.node("MatMul", [value, map], {}, output);
  // Exchanging two axes is its own inverse.
  const swap = shape.map((_, k) => (k === axis ? last : k === last ? axis : k));
  const moved = graph.node("Transpose", [value], { perm: { ints: swap } });
  const product = graph.node("MatMul", [moved, map]);
  return graph.node("Transpose", [product], { perm: { ints: swap } }, output);
}

/** Most weights of one output that are not 0. */
function mostTerms({ attributes: { matrix } }: OperationOf<"resample">): number {
  let most = 1;
  for (let row = 0; row < matrix.rows; row++) {
    const weights = matrix.values.slice(row * matrix.columns, (row + 1) * matrix.columns);
    most = Math.max(most, weights.filter((weight) => weight !== 0).length);
  }
  return most;
}

/** Whether every output is a copy of an input. */
function isSelection(operation: OperationOf<"resample">): boolean {
  const { values } = operation.attributes.matrix;
  return mostTerms(operation) === 1 && values.every((weight) => weight === 0 || weight === 1);
}
