import type { OperationOf } from "../architecture/architecture.js";
import { absolute, roundingOf, roundingOfTerms } from "./bound-nodes.js";
import type { BoundContext, OperatorFamily } from "./family.js";
import { chain, expand } from "./nodes.js";
import { scaled, sum as sumAll, total } from "./rounding.js";

/** Element-wise sum, product … of inputs of one rank; where a size is 1 the input is repeated along it. */
export const mergeFamily: OperatorFamily<"merge"> = {
  kind: "merge",
  shape: (_, inputs) => {
    const [first] = inputs;
    if (first === undefined) throw new RangeError("merge: no inputs, expected at least 1");
    if (inputs.some((shape) => shape.length !== first.length)) throw mismatch(inputs);
    return first.map((_, axis) => {
      const sizes = inputs.map((shape) => shape[axis] ?? 1);
      const size = sizes.find((candidate) => candidate !== 1) ?? 1;
      if (sizes.some((candidate) => candidate !== 1 && candidate !== size)) throw mismatch(inputs);
      return size;
    });
  },
  lower: ({ attributes: { mode } }, { graph, inputs, output }) => {
    if (mode !== "average") chain(graph, NODES[mode], inputs, output);
    else graph.node("Div", [chain(graph, "Add", inputs), graph.float(inputs.length)], {}, output);
  },
  bound: (operation, context) => {
    const { mode } = operation.attributes;
    if (context.inputs.length === 1) return context.bounds[0] ?? null;
    if (mode === "multiply") return productBound(context);
    if (mode === "maximum") return maximumBound(operation, context);
    return additionBound(operation, context);
  },
  element: ({ attributes: { mode } }, index, { inputShapes, read }) => {
    const values = inputShapes.map((shape, input) =>
      read(
        input,
        index.map((k, axis) => (shape[axis] === 1 ? 0 : k)),
      ),
    );
    return OF[mode](values);
  },
  cost: (_, inputShapes) => inputShapes.length,
};

const NODES = { add: "Add", multiply: "Mul", subtract: "Sub", maximum: "Max" } as const;

type Mode = OperationOf<"merge">["attributes"]["mode"];

const OF: { readonly [M in Mode]: (values: readonly number[]) => number } = {
  add: (values) => values.reduce((a, b) => a + b),
  multiply: (values) => values.reduce((a, b) => a * b),
  subtract: (values) => values.reduce((a, b) => a - b),
  maximum: (values) => Math.max(...values),
  average: (values) => values.reduce((a, b) => a + b) / values.length,
};

function mismatch(inputs: readonly (readonly number[])[]): RangeError {
  const shapes = inputs.map((shape) => `[${shape}]`).join(" and ");
  return new RangeError(`merge: inputs ${shapes}, expected equal sizes or 1`);
}

/** u·|y| for two inputs, a sum of n terms for more; then what the inputs bring. */
function additionBound(operation: OperationOf<"merge">, context: BoundContext): string {
  const { graph, inputs, bounds, output } = context;
  const divisor = operation.attributes.mode === "average" ? inputs.length : 1;
  const steps = divisor === 1 ? inputs.length - 1 : inputs.length;
  const terms = inputs.map((input) => scaled(graph, input, 1 / divisor));
  const own =
    inputs.length === 2
      ? roundingOf(context, absolute(graph, output), steps)
      : roundingOfTerms(context, steps, terms, output);
  const before = total(graph, bounds);
  return sumAll(graph, own, before && scaled(graph, before, 1 / divisor));
}

/** |a|·e_b + |b|·e_a + e_a·e_b + u·|a·b|, factor by factor. */
function productBound(context: BoundContext): string | null {
  const { graph, inputs, bounds } = context;
  let [product = "", ...rest] = inputs;
  let bound: string | null = bounds[0] ?? null;
  for (const [k, factor] of rest.entries()) {
    const other = bounds[k + 1] ?? null;
    const passed = other && graph.node("Mul", [absolute(graph, product), other]);
    const brought = bound && graph.node("Mul", [absolute(graph, factor), bound]);
    const both = bound && other && graph.node("Mul", [bound, other]);
    product = graph.node("Mul", [product, factor]);
    bound = sumAll(graph, roundingOf(context, absolute(graph, product)), passed, brought, both);
  }
  return bound;
}

/** A maximum moves by no more than the largest of the moves. */
function maximumBound(
  { shape }: OperationOf<"merge">,
  { graph, bounds }: BoundContext,
): string | null {
  const present = bounds.filter((bound) => bound !== null);
  return present.length === 0 ? null : expand(graph, chain(graph, "Max", present), shape);
}
