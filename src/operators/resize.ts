import type { OperationOf } from "../architecture/architecture.js";
import type { ResizeAttributes } from "../architecture/attributes.js";
import { absolute, roundingFactor } from "./bound-nodes.js";
import type { BoundContext, OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { scaled, sum as sumAll } from "./rounding.js";
import { onlyMap } from "./shape-rules.js";

/**
 * Resize to a size. A place of the output lies at `half-pixel` (i + ½)·in/out − ½, `align-corners`
 * i·(in − 1)/(out − 1), `asymmetric` i·in/out, limited to the map; `nearest` takes the pixel that
 * `nearestRounding` says (halves down or up, or always down), `bilinear` mixes the two beside it.
 * Both are separable. Places are computed in float64: ONNX's Resize, which has them in float32, is
 * off by up to 400·u of the difference of two pixels.
 */
export const resizeFamily: OperatorFamily<"resize"> = {
  kind: "resize",
  shape: ({ height, width }, inputs) => {
    const [batch, channels, rows, columns] = onlyMap("resize", inputs);
    if (Math.min(rows, columns, height, width) < 1)
      throw new RangeError(`resize: ${rows}×${columns} to ${height}×${width}`);
    return [batch, channels, height, width];
  },
  lower: (operation, { graph, inputs: [input = ""], inputShapes, output }) => {
    const [rows, columns] = axesOf(operation, inputShapes);
    mix(graph, mix(graph, input, columns), rows, output);
  },
  bound: (operation, context) => {
    const {
      graph,
      inputs: [input = ""],
      inputShapes,
      bounds: [bound = null],
    } = context;
    const [rows, columns] = axesOf(operation, inputShapes);
    if (operation.attributes.mode === "nearest")
      return bound && mix(graph, mix(graph, bound, columns), rows);
    const middle = mixBound(context, input, bound, columns);
    return mixBound(context, mix(graph, input, columns), middle, rows);
  },
  element: (operation, [b = 0, c = 0, y = 0, x = 0], { inputShapes, read }) => {
    const [rows, columns] = axesOf(operation, inputShapes);
    const row = (place: number) => {
      const [first, second, share] = beside(columns, x);
      return (1 - share) * read(0, [b, c, place, first]) + share * read(0, [b, c, place, second]);
    };
    const [first, second, share] = beside(rows, y);
    return (1 - share) * row(first) + share * row(second);
  },
  cost: () => 8,
};

/** How one axis is resized: for each place of the output the two pixels it mixes and the share of the second. */
interface ResizedAxis {
  readonly axis: number;
  readonly first: readonly number[];
  readonly second: readonly number[];
  readonly share: readonly number[];
  /** Where the places lie in the input, for the rounding of a port that computes them in float32. */
  readonly places: readonly number[];
}

function axesOf(
  { attributes }: OperationOf<"resize">,
  inputShapes: readonly (readonly number[])[],
): [rows: ResizedAxis, columns: ResizedAxis] {
  const [, , height, width] = onlyMap("resize", inputShapes);
  const [high, wide] = attributes.scales ?? [attributes.height / height, attributes.width / width];
  return [
    resizedAxis(2, { size: height, wanted: attributes.height, scale: high }, attributes),
    resizedAxis(3, { size: width, wanted: attributes.width, scale: wide }, attributes),
  ];
}

/** Sizes of an axis before and after, and the second ÷ the first as the places are computed with it. */
interface AxisSizes {
  readonly size: number;
  readonly wanted: number;
  readonly scale: number;
}

function resizedAxis(
  axis: number,
  sizes: AxisSizes,
  { mode, coordinates, nearestRounding }: ResizeAttributes,
): ResizedAxis {
  const { size, wanted } = sizes;
  const places = Array.from({ length: wanted }, (_, i) => {
    const place = PLACE[coordinates](i, sizes);
    return Math.min(Math.max(place, 0), size - 1);
  });
  const nearest = places.map((place) => Math.min(ROUND[nearestRounding](place), size - 1));
  const first = mode === "nearest" ? nearest : places.map(Math.floor);
  const second = first.map((k) => (mode === "nearest" ? k : Math.min(k + 1, size - 1)));
  const share = places.map((place, i) => (mode === "nearest" ? 0 : place - (first[i] ?? 0)));
  return { axis, first, second, share, places };
}

const PLACE: Readonly<
  Record<ResizeAttributes["coordinates"], (i: number, sizes: AxisSizes) => number>
> = {
  "half-pixel": (i, { scale }) => (i + 0.5) / scale - 0.5,
  "align-corners": (i, { size, wanted }) => (wanted === 1 ? 0 : (i * (size - 1)) / (wanted - 1)),
  asymmetric: (i, { scale }) => i / scale,
  "half-pixel-of-many": (i, { wanted, scale }) => (wanted === 1 ? 0 : (i + 0.5) / scale - 0.5),
  "half-pixel-unshifted": (i, { scale }) => (i + 0.5) / scale,
  "half-pixel-symmetric": (i, { size, wanted, scale }) =>
    (size / 2) * (1 - wanted / (scale * size)) + (i + 0.5) / scale - 0.5,
};

const ROUND: Readonly<Record<ResizeAttributes["nearestRounding"], (place: number) => number>> = {
  floor: Math.floor,
  ceil: Math.ceil,
  "round-prefer-floor": (place) => Math.ceil(place - 0.5),
  "round-prefer-ceil": (place) => Math.floor(place + 0.5),
};

function beside({ first, second, share }: ResizedAxis, at: number): [number, number, number] {
  return [first[at] ?? 0, second[at] ?? 0, share[at] ?? 0];
}

/** A vector that is repeated over the other axes. */
function along(graph: GraphBuilder, axis: number, values: readonly number[]): string {
  return graph.float(values, axis === 2 ? [values.length, 1] : [values.length]);
}

function gather(
  graph: GraphBuilder,
  value: string,
  axis: number,
  places: readonly number[],
  output?: string,
): string {
  return graph.node("Gather", [value, graph.ints(places)], { axis: { int: axis } }, output);
}

/** (1 − share)·first + share·second along one axis. */
function mix(graph: GraphBuilder, value: string, resized: ResizedAxis, output?: string): string {
  const { axis, first, second, share } = resized;
  if (share.every((part) => part === 0)) return gather(graph, value, axis, first, output);
  const rest = along(
    graph,
    axis,
    share.map((part) => 1 - part),
  );
  const left = graph.node("Mul", [gather(graph, value, axis, first), rest]);
  const right = gather(graph, value, axis, second);
  const other = graph.node("Mul", [right, along(graph, axis, share)]);
  return graph.node("Add", [left, other], {}, output);
}

/** Bound of {@link mix}: its products and sum, and the places of a port that has them in float32. */
function mixBound(
  { graph, mode }: BoundContext,
  value: string,
  bound: string | null,
  resized: ResizedAxis,
): string {
  const { axis, first, second, places } = resized;
  const [left, right] = [gather(graph, value, axis, first), gather(graph, value, axis, second)];
  const sizes = mix(graph, absolute(graph, value), resized);
  const difference = absolute(graph, graph.node("Sub", [left, right]));
  // Scale, product and shift round the place, at most three units of it (or of 1).
  const doubt = places.map((place) => roundingFactor(mode, 3) * (place + 1));
  return sumAll(
    graph,
    scaled(graph, sizes, roundingFactor(mode, 4)),
    graph.node("Mul", [difference, along(graph, axis, doubt)]),
    graph.float(2 ** -124),
    bound && mix(graph, bound, resized),
  );
}
