import type { OperationOf } from "../architecture/architecture.js";
import type { HeadAttributes } from "../architecture/attributes.js";
import { indexOf, sizeOf } from "../tensor/tensor.js";
import { absolute, orZeros, roundingFactor } from "./bound-nodes.js";
import { type BoundContext, type OperatorFamily, UNIT_ROUNDOFF } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { logistic, permute, reshape, slice, times } from "./nodes.js";
import { scaled, sum as sumAll } from "./rounding.js";
import { divide, onlyInput, onlyMap, positionOf } from "./shape-rules.js";
import { softmax, softmaxBound, softmaxOf } from "./softmax.js";

/**
 * The heads of YOLO: what the layer itself computes, before boxes are decoded.
 *
 * - `yolo`, `gaussian-yolo`: [b, anchors·entries, h, w] as the input; some planes of an anchor go
 *   through the logistic, some are then scaled and shifted. Entries: coords, objectness, classes.
 * - `region`: the same planes, classes by softmax if asked for; flat [b, n], plane after plane
 *   (pjreddie) or cell after cell with the anchors of a cell and their entries inside (AlexeyAB).
 * - `detection`: flat; the first side²·classes numbers by softmax over each cell's classes, if asked for.
 */
export const headFamily: OperatorFamily<"head"> = {
  kind: "head",
  shape: (attributes, inputs) => {
    if (attributes.type === "detection") return detectionShape(attributes, inputs);
    const map = onlyMap("head", inputs);
    const [batch, channels, height, width] = map;
    const wanted = attributes.anchors * entriesOf(attributes);
    if (channels !== wanted) {
      throw new RangeError(
        `head: ${channels} channels, expected ${attributes.anchors} anchors of ${entriesOf(attributes)}`,
      );
    }
    return attributes.type === "region" ? [batch, channels * height * width] : map;
  },
  lower: (operation, { graph, inputs: [input = ""], inputShapes, output }) => {
    const split = reshape(graph, input, splitShape(operation, inputShapes));
    const parts = runsOf(operation, inputShapes).map((run) => {
      const { start, end } = run;
      return apply(graph, slice(graph, split, { axis: ENTRIES, start, end }), run, operation);
    });
    joined(graph, parts, operation, output);
  },
  bound: (operation, context) => {
    const {
      graph,
      inputs: [input = ""],
      inputShapes,
      bounds: [bound = null],
    } = context;
    const shape = splitShape(operation, inputShapes);
    const runs = runsOf(operation, inputShapes);
    if (bound === null && runs.every(isCopy)) return null;
    const split = reshape(graph, input, shape);
    const splitBound = bound && reshape(graph, bound, shape);
    const parts = runs.map((run) => {
      const range = { axis: ENTRIES, start: run.start, end: run.end };
      const part = slice(graph, split, range);
      const before = splitBound && slice(graph, splitBound, range);
      const own = runBound(context, part, before, run, operation);
      return orZeros(graph, own, shape.with(ENTRIES, run.end - run.start));
    });
    return joined(graph, parts, operation);
  },
  element: (operation, index, { inputShapes, read }) => {
    const { attributes } = operation;
    const shape = splitShape(operation, inputShapes);
    const [input = []] = inputShapes;
    const place = placeOf(operation, index, shape);
    const [, , entry = 0] = place;
    const run = runsOf(operation, inputShapes).find(({ end }) => entry < end);
    if (run === undefined) throw new RangeError(`head: no entry ${entry}`);
    const value = (k: number) => read(0, indexOf(positionOf(place.with(ENTRIES, k), shape), input));
    if (run.softmax) {
      const size = run.groups ?? run.end - run.start;
      const first = entry - ((entry - run.start) % size);
      const group = Array.from({ length: size }, (_, k) => value(first + k));
      return softmaxOf(group, entry - first);
    }
    const raw = run.logistic ? 1 / (1 + Math.exp(-value(entry))) : value(entry);
    const { scale, offset } = attributes.affine;
    return run.affine ? raw * Math.fround(scale) + Math.fround(offset) : raw;
  },
  cost: ({ attributes }) => (attributes.softmaxClasses ? 20 * attributes.classes : 20),
};

/** Axis of the entries in [batch, anchors, entries, cells]. */
const ENTRIES = 2;

/** Neighbouring entries of an anchor that are treated alike. */
interface Run {
  readonly start: number;
  readonly end: number;
  readonly logistic: boolean;
  readonly affine: boolean;
  readonly softmax: boolean;
  /** Softmax over groups of so many entries; without it over the run. */
  readonly groups?: number;
}

/** Numbers of an anchor at a cell: box, objectness, classes. */
function entriesOf({ coords, classes }: HeadAttributes): number {
  return coords + 1 + classes;
}

function detectionShape(
  { side, classes, softmaxClasses }: HeadAttributes,
  inputs: readonly (readonly number[])[],
): readonly number[] {
  const input = onlyInput("head", inputs);
  const [batch = 1] = input;
  const numbers = divide("head", "size", sizeOf(input), batch);
  if (softmaxClasses && side * side * classes > numbers)
    throw new RangeError(`head: ${side}²·${classes} class numbers of ${numbers}`);
  return [batch, numbers];
}

/** The input as [batch, anchors, entries, cells]; a detection is one anchor and cell with all numbers. */
function splitShape(
  { attributes }: OperationOf<"head">,
  inputShapes: readonly (readonly number[])[],
): readonly [number, number, number, number] {
  if (attributes.type === "detection") {
    const input = onlyInput("head", inputShapes);
    const [batch = 1] = input;
    return [batch, 1, sizeOf(input) / batch, 1];
  }
  const [batch, , height, width] = onlyMap("head", inputShapes);
  return [batch, attributes.anchors, entriesOf(attributes), height * width];
}

/** The entries of an anchor cut where their treatment changes. */
function runsOf(
  operation: OperationOf<"head">,
  inputShapes: readonly (readonly number[])[],
): readonly Run[] {
  const { attributes } = operation;
  const { coords, classes, softmaxClasses, side, type } = attributes;
  const [, , entries] = splitShape(operation, inputShapes);
  const plain = { logistic: false, affine: false, softmax: false };
  if (type === "detection") {
    const numbers = softmaxClasses ? side * side * classes : 0;
    const first = { start: 0, end: numbers, ...plain, softmax: true, groups: classes };
    const rest = { start: numbers, end: entries, ...plain };
    return [first, rest].filter(({ start, end }) => end > start);
  }
  const runs: Run[] = [];
  for (let entry = 0; entry < entries; entry++) {
    const byClass = softmaxClasses && entry > coords;
    const treatment = {
      logistic: !byClass && attributes.logistic.includes(entry),
      affine: !byClass && isAffine(attributes) && attributes.affine.planes.includes(entry),
      softmax: byClass,
    };
    const last = runs.at(-1);
    const same =
      last !== undefined &&
      last.logistic === treatment.logistic &&
      last.affine === treatment.affine &&
      last.softmax === treatment.softmax;
    if (same) runs[runs.length - 1] = { ...last, end: entry + 1 };
    else runs.push({ start: entry, end: entry + 1, ...treatment });
  }
  return runs;
}

function isAffine({ affine }: HeadAttributes): boolean {
  return affine.scale !== 1 || affine.offset !== 0;
}

function isCopy({ logistic, affine, softmax }: Run): boolean {
  return !logistic && !affine && !softmax;
}

/** Adds the nodes of one run. */
function apply(
  graph: GraphBuilder,
  part: string,
  run: Run,
  { attributes, shape }: OperationOf<"head">,
): string {
  if (run.softmax) {
    if (run.groups === undefined) return softmax(graph, part, ENTRIES);
    const [batch = 1] = shape;
    const whole = [batch, 1, run.end - run.start, 1];
    return reshape(graph, softmax(graph, grouped(graph, part, run, batch), 3), whole);
  }
  const activated = run.logistic ? logistic(graph, part) : part;
  if (!run.affine) return activated;
  const { scale, offset } = attributes.affine;
  return graph.node("Add", [times(graph, activated, scale), graph.float(offset)]);
}

/** Groups of a detection's class numbers, each an axis of its own. */
function grouped(graph: GraphBuilder, part: string, run: Run, batch: number): string {
  const size = run.groups ?? 1;
  return reshape(graph, part, [batch, 1, (run.end - run.start) / size, size]);
}

/** Bound of one run; `null` where it copies exact values. */
function runBound(
  context: BoundContext,
  part: string,
  before: string | null,
  run: Run,
  { attributes, shape }: OperationOf<"head">,
): string | null {
  const { graph, mode, functionError } = context;
  if (run.softmax) return softmaxRunBound(context, part, before, run, shape);
  let [value, bound] = [part, before];
  if (run.logistic) {
    const { ulp, absolute: floor } = functionError("logistic");
    value = logistic(graph, part);
    // f' = y(1 − y), |f''| ≤ 0.1.
    const slope = graph.node("Mul", [value, graph.node("Sub", [graph.float(1), value])]);
    const steepest = bound && graph.node("Add", [slope, scaled(graph, bound, 0.1)]);
    bound = sumAll(
      graph,
      scaled(graph, value, ulp * UNIT_ROUNDOFF + roundingFactor(mode, 2)),
      graph.float(floor + 2 ** -126),
      bound && steepest && graph.node("Mul", [bound, steepest]),
    );
  }
  if (!run.affine) return bound;
  const { scale, offset } = attributes.affine;
  const product = scaled(graph, value, scale);
  const shifted = graph.node("Add", [product, graph.float(offset)]);
  // The offset itself, −½(s − 1), may be computed in float32.
  const sizes = sumAll(
    graph,
    absolute(graph, product),
    absolute(graph, shifted),
    graph.float(2 * Math.abs(offset)),
  );
  const own = scaled(graph, sizes, roundingFactor(mode, 1));
  return sumAll(graph, own, bound && scaled(graph, bound, Math.abs(scale)));
}

function softmaxRunBound(
  context: BoundContext,
  part: string,
  before: string | null,
  run: Run,
  [batch = 1]: readonly number[],
): string {
  const { graph } = context;
  const inGroups = run.groups !== undefined;
  const group = (value: string) => (inGroups ? grouped(graph, value, run, batch) : value);
  const axis = inGroups ? 3 : ENTRIES;
  const input = group(part);
  const bound = softmaxBound(context, {
    input,
    bound: before && group(before),
    output: softmax(graph, input, axis),
    axis,
    size: run.groups ?? run.end - run.start,
    temperature: 1,
  });
  return inGroups ? reshape(graph, bound, [batch, 1, run.end - run.start, 1]) : bound;
}

/** The runs side by side again, in the order and shape of the output. */
function joined(
  graph: GraphBuilder,
  parts: readonly string[],
  { attributes, shape }: OperationOf<"head">,
  output?: string,
): string {
  const whole = graph.node("Concat", parts, { axis: { int: ENTRIES } });
  const ordered =
    attributes.type === "region" && attributes.order === "cells"
      ? permute(graph, whole, [0, 3, 1, 2])
      : whole;
  return reshape(graph, ordered, shape, output);
}

/** Place in [batch, anchors, entries, cells] of an index of the output. */
function placeOf(
  { attributes, shape }: OperationOf<"head">,
  index: readonly number[],
  split: readonly number[],
): number[] {
  const position = positionOf(index, shape);
  if (attributes.type !== "region" || attributes.order === "planes")
    return indexOf(position, split);
  const [batch = 1, anchors = 1, entries = 1, cells = 1] = split;
  const [b = 0, cell = 0, anchor = 0, entry = 0] = indexOf(position, [
    batch,
    cells,
    anchors,
    entries,
  ]);
  return [b, anchor, entry, cell];
}
