import type { OperationOf } from "../architecture/architecture.js";
import { type BoundContext, type OperatorFamily, UNIT_ROUNDOFF } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { scaled, sum as sumNodes } from "./rounding.js";

/** Sum of products over the letters that the result lacks: dense layers, attention, dot products. */
export const contractFamily: OperatorFamily<"contract"> = {
  kind: "contract",

  shape({ equation, kernel }, inputs) {
    const { factors, result } = parse(equation);
    const sizes = letterSizes(equation, kernel === null ? inputs : [...inputs, kernel]);
    if (factors.length !== inputs.length + (kernel === null ? 0 : 1)) {
      throw new RangeError(`contract: ${inputs.length} inputs for ${equation}`);
    }
    return [...result].map((letter) => sizes.get(letter) ?? 1);
  },

  lower(operation, { graph, inputs, weight, output }) {
    multiply(operation, graph, [...inputs, ...kernelOf(operation, weight)], output);
  },

  bound(operation, context) {
    const { graph, mode, output } = context;
    const factors = [...context.inputs, ...kernelOf(operation, context.weight)];
    const bounds = factors.map((_, k) => context.bounds[k] ?? null);
    const terms = termsOf(operation, context.inputShapes);
    const count = terms + factors.length;
    const passed = bounds.map((bound, k) =>
      bound === null ? null : passedBound(operation, context, factors, bound, k),
    );
    if (mode === "hard") {
      const sizes = multiply(
        operation,
        graph,
        factors.map((f) => graph.node("Abs", [f])),
      );
      return sumNodes(graph, scaled(graph, sizes, 2.02 * count * UNIT_ROUNDOFF), ...passed);
    }
    const squares = multiply(
      operation,
      graph,
      factors.map((f) => graph.node("Mul", [f, f])),
    );
    const size = graph.node("Add", [graph.node("Sqrt", [squares]), graph.node("Abs", [output])]);
    return sumNodes(graph, scaled(graph, size, Math.sqrt(count) * UNIT_ROUNDOFF), ...passed);
  },

  element({ attributes, weights, inputs }, index, { inputShapes, read, weight }) {
    const { factors, result } = parse(attributes.equation);
    const kernel = weights["kernel"] === undefined ? undefined : weight("kernel");
    const sizes = letterSizes(attributes.equation, shapesOf(attributes, inputShapes));
    const place = new Map([...result].map((letter, axis) => [letter, index[axis] ?? 0]));
    const summed = [...sizes.keys()].filter((letter) => !place.has(letter));
    const at = (letters: string) => [...letters].map((letter) => place.get(letter) ?? 0);
    const kernelLetters = factors[inputs.length] ?? "";
    const product = () => {
      let value = 1;
      for (let k = 0; k < inputs.length; k++) value *= read(k, at(factors[k] ?? ""));
      if (kernel === undefined) return value;
      let position = 0;
      for (const letter of kernelLetters) {
        position = position * (sizes.get(letter) ?? 1) + (place.get(letter) ?? 0);
      }
      return value * (kernel[position] as number);
    };
    const sum = (rest: readonly string[]): number => {
      const [letter, ...others] = rest;
      if (letter === undefined) return product();
      let total = 0;
      for (let k = 0; k < (sizes.get(letter) ?? 1); k++) {
        place.set(letter, k);
        total += sum(others);
      }
      return total;
    };
    return sum(summed);
  },

  cost: (operation, inputShapes) => termsOf(operation, inputShapes) * 2,
};

/** The letters of each factor and of the result. */
export function parse(equation: string): { readonly factors: string[]; readonly result: string } {
  const [left = "", result = ""] = equation.split("->");
  return { factors: left.split(","), result };
}

function kernelOf(
  { weights }: OperationOf<"contract">,
  weight: (role: string) => string,
): string[] {
  return weights["kernel"] === undefined ? [] : [weight("kernel")];
}

function multiply(
  { attributes: { equation } }: OperationOf<"contract">,
  graph: GraphBuilder,
  factors: readonly string[],
  output?: string,
): string {
  if (isMatrixProduct(equation)) return graph.node("MatMul", factors, {}, output);
  return graph.node("Einsum", factors, { equation: { string: equation } }, output);
}

/** `…ab,bc->…ac`: the last axis with the first of a matrix. */
function isMatrixProduct(equation: string): boolean {
  const { factors, result } = parse(equation);
  const [left = "", right = ""] = factors;
  const [inner, outer] = right;
  return (
    factors.length === 2 &&
    right.length === 2 &&
    left.length > 0 &&
    left.at(-1) === inner &&
    result === left.slice(0, -1) + outer &&
    new Set(left + outer).size === left.length + 1
  );
}

/** What a factor's own error does: by chance √Σ(e·rest)², at worst Σe·|rest|. */
function passedBound(
  operation: OperationOf<"contract">,
  { graph, mode }: BoundContext,
  factors: readonly string[],
  bound: string,
  place: number,
): string {
  if (mode === "hard") {
    const parts = factors.map((f, k) => (k === place ? bound : graph.node("Abs", [f])));
    return scaled(graph, multiply(operation, graph, parts), 1.01);
  }
  // Squares of bounds would leave float32's range; in units of 2^-24 they do not.
  const units = scaled(graph, bound, 2 ** 24);
  const parts = factors.map((f, k) => {
    const factor = k === place ? units : f;
    return graph.node("Mul", [factor, factor]);
  });
  return scaled(graph, graph.node("Sqrt", [multiply(operation, graph, parts)]), 2 ** -24);
}

/**
 * Size of each letter.
 *
 * @throws {RangeError} when a factor's rank or a letter's sizes do not fit
 */
function letterSizes(
  equation: string,
  shapes: readonly (readonly number[])[],
): Map<string, number> {
  const sizes = new Map<string, number>();
  const { factors } = parse(equation);
  shapes.forEach((shape, k) => {
    const letters = factors[k] ?? "";
    if (letters.length !== shape.length) {
      throw new RangeError(`contract: factor [${shape}] for "${letters}" of ${equation}`);
    }
    shape.forEach((size, axis) => {
      const letter = letters[axis] ?? "";
      const known = sizes.get(letter);
      if (known !== undefined && known !== size) {
        throw new RangeError(`contract: "${letter}" of ${equation} is ${known} and ${size}`);
      }
      sizes.set(letter, size);
    });
  });
  return sizes;
}

function shapesOf(
  { kernel }: OperationOf<"contract">["attributes"],
  inputShapes: readonly (readonly number[])[],
): readonly (readonly number[])[] {
  return kernel === null ? inputShapes : [...inputShapes, kernel];
}

/** Products that are added up for one element. */
function termsOf(
  { attributes }: OperationOf<"contract">,
  inputShapes: readonly (readonly number[])[],
): number {
  const { result } = parse(attributes.equation);
  const sizes = letterSizes(attributes.equation, shapesOf(attributes, inputShapes));
  let terms = 1;
  for (const [letter, size] of sizes) if (!result.includes(letter)) terms *= size;
  return terms;
}
