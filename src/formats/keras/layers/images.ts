import { range } from "../ops.js";
import type { Value } from "../value.js";
import { type Call, inputOf, type LayerDefinition } from "./call.js";
import { repeatAxis } from "./reshaping.js";
import { type Interpolation, resizeMatrix } from "./resize-matrix.js";

const INTERPOLATIONS: readonly Interpolation[] = [
  "nearest",
  "bilinear",
  "bicubic",
  "area",
  "lanczos3",
  "lanczos5",
  "gaussian",
  "mitchellcubic",
];

/** The axes of height and width of an image or a batch of images. */
function mapAxes(call: Call, x: Value): [height: number, width: number] {
  const { layer } = call;
  if (x.rank !== 4 && x.rank !== 3)
    throw layer.refused("shape", `reads [${x.shape}], expected images`);
  return layer.channelsFirst() ? [x.rank - 2, x.rank - 1] : [x.rank - 3, x.rank - 2];
}

function resizeAxes(
  call: Call,
  x: Value,
  axes: readonly number[],
  targets: readonly number[],
  interpolation: Interpolation,
  antialias: boolean,
): Value {
  return axes.reduce((value, axis, k) => {
    const size = value.size(axis);
    const target = targets[k] ?? size;
    const matrix = resizeMatrix(size, target, interpolation, antialias);
    if (interpolation === "nearest") {
      const columns = range(0, target).map(
        (row) => matrix.values.indexOf(1, row * size) - row * size,
      );
      return call.ops.take(value, axis, columns, "resize");
    }
    return call.ops.resample(value, axis, matrix, "resize");
  }, x);
}

/** The largest part of the image, in its middle, that has the target's proportions. */
function cropToAspect(
  call: Call,
  x: Value,
  axes: readonly [number, number],
  [height, width]: readonly [number, number],
): Value {
  const [rows, columns] = [x.size(axes[0]), x.size(axes[1])];
  const cropHeight = Math.max(
    1,
    Math.min(rows, Math.trunc(Math.fround(Math.fround(columns * height) / width))),
  );
  const cropWidth = Math.max(
    1,
    Math.min(columns, Math.trunc(Math.fround(Math.fround(rows * width) / height))),
  );
  const top = Math.trunc((rows - cropHeight) / 2);
  const left = Math.trunc((columns - cropWidth) / 2);
  const cut = call.ops.slice(x, axes[0], top, top + cropHeight, "crop");
  return call.ops.slice(cut, axes[1], left, left + cropWidth, "crop");
}

/** Borders of equal width on both sides; where an odd number is missing Keras adds one less. */
function padToAspect(
  call: Call,
  x: Value,
  axes: readonly [number, number],
  [height, width]: readonly [number, number],
  fill: number,
): Value {
  const [rows, columns] = [x.size(axes[0]), x.size(axes[1])];
  const padHeight = Math.max(rows, Math.trunc(Math.fround(Math.fround(columns * height) / width)));
  const padWidth = Math.max(columns, Math.trunc(Math.fround(Math.fround(rows * width) / height)));
  const amounts = x.shape.map((_, axis) => {
    if (axis === axes[0]) return Math.trunc((padHeight - rows) / 2);
    return axis === axes[1] ? Math.trunc((padWidth - columns) / 2) : 0;
  });
  return call.ops.pad(x, amounts, amounts, fill);
}

function resizing(call: Call): Value {
  const { layer } = call;
  const x = inputOf(call).as("float");
  const axes = mapAxes(call, x);
  const size = [layer.count("height"), layer.count("width")] as const;
  const interpolation = layer.choice("interpolation", INTERPOLATIONS, "bilinear");
  const antialias = layer.flag("antialias");
  const fill = layer.number("fill_value", 0);
  layer.choice("fill_mode", ["constant"], "constant");
  const crop = layer.flag("crop_to_aspect_ratio");
  const pad = layer.flag("pad_to_aspect_ratio");
  const fitted = crop
    ? cropToAspect(call, x, axes, size)
    : pad
      ? padToAspect(call, x, axes, size, fill)
      : x;
  return resizeAxes(call, fitted, axes, size, interpolation, antialias);
}

/** The middle of the image; one that is smaller is cut to the proportions and resized. */
function centerCrop(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const axes = mapAxes(call, x);
  const size = [layer.count("height"), layer.count("width")] as const;
  const [rows, columns] = [x.size(axes[0]), x.size(axes[1])];
  if (rows < size[0] || columns < size[1]) return smartResize(call, x, axes, size);
  const top = Math.floor((rows - size[0]) / 2);
  const left = Math.floor((columns - size[1]) / 2);
  const cut = ops.slice(x, axes[0], top, top + size[0], "crop");
  return ops.slice(cut, axes[1], left, left + size[1], "crop");
}

function smartResize(
  call: Call,
  x: Value,
  axes: readonly [number, number],
  size: readonly [number, number],
): Value {
  return resizeAxes(
    call,
    cropToAspect(call, x.as("float"), axes, size),
    axes,
    size,
    "bilinear",
    false,
  );
}

/** Outside training Keras 2 resizes the middle, Keras 3 changes nothing. */
function randomCrop(call: Call): Value {
  const { layer } = call;
  const x = inputOf(call);
  const axes = mapAxes(call, x);
  const size = [layer.count("height"), layer.count("width")] as const;
  layer.ignore("seed", "rng_type");
  return layer.dialect === 2 ? smartResize(call, x, axes, size) : x;
}

function upsampling2d(call: Call): Value {
  const { layer } = call;
  const x = inputOf(call);
  const axes = mapAxes(call, x);
  const factors = layer.sizes("size", 2, 2);
  const interpolation = layer.choice("interpolation", INTERPOLATIONS, "nearest");
  if (interpolation === "nearest") {
    return axes.reduce((value, axis, k) => repeatAxis(call, value, axis, factors[k] ?? 1), x);
  }
  const size = axes.map((axis, k) => x.size(axis) * (factors[k] ?? 1));
  return resizeAxes(call, x, axes, size, interpolation, false);
}

/** x·scale + offset; both may be lists along the last axis. */
function rescaling(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call).as("float");
  const scale = layer.numberList("scale");
  const offset = layer.numberList("offset", 0);
  if (scale.length === 1 && offset.length === 1)
    return ops.affine(x, scale[0] ?? 1, offset[0] ?? 0, "rescale");
  const scaled = ops.multiply(x, ops.fill([scale.length], scale), "scaled");
  return ops.add(scaled, ops.fill([offset.length], offset), "rescaled");
}

export const imageLayers: Readonly<Record<string, LayerDefinition>> = {
  Resizing: { call: resizing },
  CenterCrop: { call: centerCrop },
  RandomCrop: { call: randomCrop },
  UpSampling2D: { call: upsampling2d },
  Rescaling: { call: rescaling, masks: "keep" },
};
