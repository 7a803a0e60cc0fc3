import type { OperationOf } from "../architecture/architecture.js";
import { indexOf, sizeOf } from "../tensor/tensor.js";
import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { pad, reshape, slice } from "./nodes.js";
import { type MapShape, onlyMap } from "./shape-rules.js";

/**
 * Cuts a map or fills it with 0 to the shape of another one: what Darknet's unequal shortcuts add.
 *
 * - `flat` (AlexeyAB, `shortcut_multilayer_cpu`): each image is one row of memory; the first
 *   `channels·height·width` values are taken, what is missing is 0.
 * - `grid` (pjreddie, `shortcut_cpu`): channel c is channel c, place (y·spread, x·spread) is place
 *   (y·sample, x·sample); other places, and those whose source does not exist, are 0.
 */
export const fitFamily: OperatorFamily<"fit"> = {
  kind: "fit",
  shape: ({ channels, height, width }, inputs) => {
    const [batch] = onlyMap("fit", inputs);
    return [batch, channels, height, width];
  },
  lower: (operation, { graph, inputs: [input = ""], inputShapes, output }) => {
    fitTo(graph, input, operation, onlyMap("fit", inputShapes), output);
  },
  bound: (operation, context) =>
    copied(context, (bound) =>
      fitTo(context.graph, bound, operation, onlyMap("fit", context.inputShapes)),
    ),
  element: ({ attributes, shape }, index, { inputShapes, read }) => {
    const [, ...input] = onlyMap("fit", inputShapes);
    const [b = 0, c = 0, y = 0, x = 0] = index;
    if (attributes.rule === "flat") {
      const position = (c * (shape[2] ?? 1) + y) * (shape[3] ?? 1) + x;
      return position < sizeOf(input) ? read(0, [b, ...indexOf(position, input)]) : 0;
    }
    const { sample, spread } = attributes;
    if (y % spread !== 0 || x % spread !== 0) return 0;
    const source = [c, (y / spread) * sample, (x / spread) * sample];
    return source.every((k, axis) => k < (input[axis] ?? 0)) ? read(0, [b, ...source]) : 0;
  },
  cost: () => 1,
};

function fitTo(
  graph: GraphBuilder,
  value: string,
  { attributes, shape }: OperationOf<"fit">,
  input: MapShape,
  output?: string,
): string {
  const [batch] = input;
  if (attributes.rule === "flat") {
    const row = [batch, sizeOf(input) / batch];
    const cut = cutOrFill(graph, reshape(graph, value, row), row, 1, sizeOf(shape) / batch);
    return reshape(graph, cut, shape, output);
  }
  const { channels, height, width } = attributes;
  const cut = cutOrFill(graph, value, input, 1, channels);
  const rows = gridAxis(graph, cut, input.with(1, channels), 2, attributes, height);
  const both = gridAxis(graph, rows, [batch, channels, height, input[3]], 3, attributes, width);
  return graph.node("Identity", [both], {}, output);
}

/** Every `sample`-th position of an axis, written to every `spread`-th of an axis of size `wanted`. */
function gridAxis(
  graph: GraphBuilder,
  value: string,
  shape: readonly number[],
  axis: number,
  { sample, spread }: { readonly sample: number; readonly spread: number },
  wanted: number,
): string {
  const size = shape[axis] ?? 1;
  const count = Math.ceil(size / sample);
  const sampled =
    sample === 1 ? value : slice(graph, value, { axis, start: 0, end: size, step: sample });
  if (spread === 1) return cutOrFill(graph, sampled, shape.with(axis, count), axis, wanted);
  const column = shape.with(axis, count).toSpliced(axis + 1, 0, 1);
  const wide = cutOrFill(graph, reshape(graph, sampled, column), column, axis + 1, spread);
  const spaced = shape.with(axis, count * spread);
  return cutOrFill(graph, reshape(graph, wide, spaced), spaced, axis, wanted);
}

/** One axis cut, or filled with 0 at its end, to the size wanted. */
function cutOrFill(
  graph: GraphBuilder,
  value: string,
  shape: readonly number[],
  axis: number,
  wanted: number,
): string {
  const size = shape[axis] ?? 1;
  if (size === wanted) return value;
  if (size > wanted) return slice(graph, value, { axis, start: 0, end: wanted });
  const before = shape.map(() => 0);
  return pad(graph, value, { before, after: before.with(axis, wanted - size), with: 0 });
}
