import type { OperationOf } from "../architecture/architecture.js";
import { type OperatorFamily, UNIT_ROUNDOFF } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { roundings, SMALLEST_NORMAL, scaled, sum } from "./rounding.js";
import { onlyInput, sizeOfAxis } from "./shape-rules.js";
import { hasWeight } from "./windows.js";

/**
 * Roundings that each of |x·g|, |m·g|, |b| and |y| may go through.
 *
 * `trigger`: by chance. `hard`: g = scale/√(v + ε) takes up to four (ε itself, sum, root, quotient),
 * product, offset `b − m·g` of ports that fold it, and the last sum three more; port and reference.
 */
const ROUNDINGS = { trigger: 1.5, hard: 16 };

/** Batch normalisation with stored statistics: `(x − mean) · scale / √(variance + ε) + bias`. */
export const batchNormFamily: OperatorFamily<"batch-norm"> = {
  kind: "batch-norm",

  shape({ axis }, inputs) {
    const shape = onlyInput("batch-norm", inputs);
    sizeOfAxis("batch-norm", shape, axis);
    return shape;
  },

  lower(operation, { graph, inputs, inputShapes, weight, output }) {
    const along = vectorShape(operation, inputShapes);
    const mean = graph.node("Reshape", [weight("mean"), graph.ints(along)]);
    const gain = gainOf(graph, operation, weight, along);
    const centred = graph.node("Sub", [inputs[0] as string, mean]);
    if (!hasWeight(operation, "bias")) {
      graph.node("Mul", [centred, gain], {}, output);
      return;
    }
    const bias = graph.node("Reshape", [weight("bias"), graph.ints(along)]);
    graph.node("Add", [graph.node("Mul", [centred, gain]), bias], {}, output);
  },

  bound(operation, { graph, inputs, inputShapes, weight, output, bounds, mode }) {
    const along = vectorShape(operation, inputShapes);
    const gain = graph.node("Abs", [gainOf(graph, operation, weight, along)]);
    const vector = (role: string) => graph.node("Reshape", [weight(role), graph.ints(along)]);
    const unit = ROUNDINGS[mode] * UNIT_ROUNDOFF;
    const gainUnits = scaled(graph, gain, unit);
    // All that only depends on the channel is added up before it meets the map.
    const ofChannel = sum(
      graph,
      graph.node("Mul", [graph.node("Abs", [vector("mean")]), gainUnits]),
      hasWeight(operation, "bias") ? roundings(graph, vector("bias"), ROUNDINGS[mode]) : null,
      // What underflows before the product with the gain, and after it.
      scaled(graph, graph.node("Add", [gain, graph.float(1)]), 4 * SMALLEST_NORMAL),
    );
    const inputBound = bounds[0] ?? null;
    return sum(
      graph,
      graph.node("Mul", [graph.node("Abs", [inputs[0] as string]), gainUnits]),
      scaled(graph, graph.node("Abs", [output]), unit),
      inputBound === null ? null : graph.node("Mul", [inputBound, gain]),
      ofChannel,
    );
  },

  element(operation, index, { read, weight }) {
    const { axis, epsilon, epsilonPlace } = operation.attributes;
    const channel = index[axis] as number;
    const of = (role: string, otherwise: number) =>
      operation.weights[role] === undefined ? otherwise : (weight(role)[channel] as number);
    const variance = of("variance", 1);
    const deviation =
      epsilonPlace === "inside" ? Math.sqrt(variance + epsilon) : Math.sqrt(variance) + epsilon;
    return ((read(0, index) - of("mean", 0)) / deviation) * of("scale", 1) + of("bias", 0);
  },

  cost: () => 4,
};

/** The shape in which a vector over the channels is broadcast to the input. */
function vectorShape(
  { attributes: { axis } }: OperationOf<"batch-norm">,
  [shape = []]: readonly (readonly number[])[],
): number[] {
  return shape.map((_, k) => (k === axis ? -1 : 1));
}

/** scale / √(variance + ε), or the place of ε that the attributes say. */
function gainOf(
  graph: GraphBuilder,
  operation: OperationOf<"batch-norm">,
  weight: (role: string) => string,
  along: readonly number[],
): string {
  const { epsilon, epsilonPlace } = operation.attributes;
  const constant = graph.float(epsilon);
  const variance = weight("variance");
  const deviation =
    epsilonPlace === "inside"
      ? graph.node("Sqrt", [graph.node("Add", [variance, constant])])
      : graph.node("Add", [graph.node("Sqrt", [variance]), constant]);
  const scale = hasWeight(operation, "scale") ? weight("scale") : graph.float(1);
  return graph.node("Reshape", [graph.node("Div", [scale, deviation]), graph.ints(along)]);
}
