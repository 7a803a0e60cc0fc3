import type { NodeOperation, NodeReader, NodeView, Operand } from "./node-view.js";
import { type Step, Steps } from "./steps.js";

/** Operators that only move values, whatever their type. */
export const MOVES: Readonly<Record<string, NodeReader>> = {
  Concat: concat,
  DepthToSpace: depthToSpace,
  Dropout: (view) => (view.which === 0 ? of(view, "identity", {}) : null),
  Expand: (view) => of(view, "expand", { shape: view.output.shape }),
  Flatten: reshaped,
  Gather: gather,
  Identity: (view) => of(view, "identity", {}),
  Pad: pad,
  Reshape: reshaped,
  Slice: slice,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Squeeze: reshaped,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: reshaped,
};

/** An operation of the first input alone. */
function of(
  view: NodeView,
  kind: NodeOperation["kind"],
  attributes: NodeOperation["attributes"],
): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined) return null;
  return [...operand.parts, { kind, inputs: [operand.name], attributes, shape: view.output.shape }];
}

function reshaped(view: NodeView): readonly NodeOperation[] | null {
  return of(view, "view", { shape: view.output.shape });
}

function transpose(view: NodeView): readonly NodeOperation[] | null {
  const axes = view.output.shape.map((_, axis) => axis);
  return of(view, "transpose", { permutation: view.ints("perm") ?? axes.reverse() });
}

function concat(view: NodeView): readonly NodeOperation[] | null {
  const operands = view.operands(view.arity);
  if (operands === undefined) return null;
  return [
    ...operands.flatMap(({ parts }) => parts),
    {
      kind: "concat",
      inputs: operands.map(({ name }) => name),
      attributes: { axis: view.axis("axis", 1, view.output.shape.length) },
      shape: view.output.shape,
    },
  ];
}

/** The k-th output begins where those before it end. */
function split(view: NodeView): readonly NodeOperation[] | null {
  const axis = view.axis("axis", 0, view.output.shape.length);
  const sizes = view.siblings().map((shape) => shape[axis] ?? Number.NaN);
  const start = sizes.slice(0, view.which).reduce((sum, size) => sum + size, 0);
  if (Number.isNaN(start)) return null;
  return of(view, "slice", { axis, start, end: start + (view.output.shape[axis] ?? 0) });
}

/** Rows of a table by the numbers of another value; or fixed places along an axis. */
function gather(view: NodeView): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined) return null;
  const axis = view.axis("axis", 0, operand.shape.length);
  const { shape } = view.output;
  const positions = view.numbers(1);
  const fixed = view.value(1) === undefined && positions !== undefined;
  if (fixed) {
    const size = operand.shape[axis] ?? 1;
    const indices = positions.map((k) => (k < 0 ? k + size : k));
    const taken = operand.shape.with(axis, indices.length);
    const take = { kind: "take", inputs: [operand.name], attributes: { axis, indices } } as const;
    if (`${taken}` === `${shape}`) return [...operand.parts, { ...take, shape }];
    return [
      ...operand.parts,
      { ...take, part: "rows", shape: taken },
      { kind: "view", inputs: ["./rows"], attributes: { shape }, shape },
    ];
  }
  if (axis !== 0 || view.value(1) === undefined) return null;
  const inputs = [operand.name, view.name(1)];
  return [...operand.parts, { kind: "gather", inputs, attributes: {}, shape }];
}

/** Blocks of channels spread over the map: the offset in front of the channel (DCR) or behind it (CRD). */
function depthToSpace(view: NodeView): readonly NodeOperation[] | null {
  const size = view.int("blocksize", 1);
  const behind = view.text("mode", "DCR") === "CRD";
  return inBlocks(view, (steps, x, [batch, channels, height, width]) => {
    const depth = channels / size ** 2;
    const split = behind
      ? [batch, depth, size, size, height, width]
      : [batch, size, size, depth, height, width];
    const blocks = steps.view("blocks", x, split);
    return steps.transpose("spread", blocks, behind ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]);
  });
}

/** Blocks of the map as channels, the offset in front of the channel. */
function spaceToDepth(view: NodeView): readonly NodeOperation[] | null {
  const size = view.int("blocksize", 1);
  return inBlocks(view, (steps, x, [batch, channels, height, width]) => {
    const split = [batch, channels, height / size, size, width / size, size];
    return steps.transpose("gathered", steps.view("blocks", x, split), [0, 3, 5, 1, 2, 4]);
  });
}

/** A map taken apart, its axes reordered, and put together under the shape of the output. */
function inBlocks(
  view: NodeView,
  reorder: (steps: Steps, x: Step, sizes: readonly [number, number, number, number]) => Step,
): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand?.shape.length !== 4) return null;
  const steps = new Steps();
  const sizes = operand.shape as unknown as readonly [number, number, number, number];
  const reordered = reorder(steps, steps.use(operand), sizes);
  return steps.end(steps.view("joined", reordered, view.output.shape));
}

/** Longest axis that repetition may make: its positions are written out. */
const MAX_TILED = 65_536;

/** Each axis repeated as a whole. */
function tile(view: NodeView): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  const { shape } = view.output;
  if (operand === undefined || shape.some((size) => size > MAX_TILED)) return null;
  const taken = operand.shape.flatMap((size, axis) => {
    const wanted = shape[axis] ?? size;
    const indices = Array.from({ length: wanted }, (_, k) => k % size);
    return wanted === size ? [] : [{ axis, indices }];
  });
  return [...operand.parts, ...takes(operand, taken, shape)];
}

/** A border of one value. */
function pad(view: NodeView): readonly NodeOperation[] | null {
  const rank = view.output.shape.length;
  const pads = view.ints("pads") ?? view.numbers(1);
  const value = view.has(2) ? view.numbers(2)?.[0] : view.float("value", 0);
  const plain = view.text("mode", "constant") === "constant" && !view.has(3);
  if (!plain || pads?.length !== 2 * rank || value === undefined) return null;
  if (pads.some((amount) => amount < 0)) return null;
  return of(view, "pad", { before: pads.slice(0, rank), after: pads.slice(rank), value });
}

/** Starts, ends, axes and steps: attributes before operator set 10, inputs since. */
function slice(view: NodeView): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  const starts = view.ints("starts") ?? view.numbers(1);
  const ends = view.ints("ends") ?? view.numbers(2);
  if (operand === undefined || starts === undefined || ends === undefined) return null;
  const rank = operand.shape.length;
  const axes = view.ints("axes") ?? view.numbers(3) ?? starts.map((_, axis) => axis);
  const steps = view.numbers(4) ?? starts.map(() => 1);
  const taken = axes.map((told, k) => {
    const axis = told < 0 ? told + rank : told;
    const size = operand.shape[axis] ?? 1;
    const range = { start: starts[k] ?? 0, end: ends[k] ?? size, step: steps[k] ?? 1 };
    return { axis, indices: positionsOf(range, size) };
  });
  return [...operand.parts, ...takes(operand, taken, view.output.shape)];
}

/** As Python's `range` after `slice.indices`. */
function positionsOf(
  { start, end, step }: { readonly start: number; readonly end: number; readonly step: number },
  size: number,
): number[] {
  const within = (at: number, low: number, high: number) =>
    Math.min(high, Math.max(low, at < 0 ? at + size : at));
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const last = within(end, low, high);
  const positions: number[] = [];
  for (let at = within(start, low, high); step > 0 ? at < last : at > last; at += step) {
    positions.push(at);
  }
  return positions;
}

function takes(
  operand: Operand,
  taken: readonly { readonly axis: number; readonly indices: readonly number[] }[],
  output: readonly number[],
): NodeOperation[] {
  let shape = operand.shape;
  let from = operand.name;
  const steps = taken.map(({ axis, indices }, k): NodeOperation<"take"> => {
    shape = shape.with(axis, indices.length);
    const step = { kind: "take", inputs: [from], attributes: { axis, indices }, shape } as const;
    from = `./axis_${k}`;
    return k === taken.length - 1 ? step : { ...step, part: `axis_${k}` };
  });
  if (`${shape}` === `${output}` && steps.length > 0) return steps;
  return [{ kind: "identity", inputs: [operand.name], attributes: {}, shape: output }];
}
