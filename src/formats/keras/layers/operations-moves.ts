/** Operations that move values and change none. */
import { isObject, type Json, type JsonObject, own } from "../config-types.js";
import { range } from "../ops.js";
import type { Value } from "../value.js";
import { axisOf, type Given, type Result } from "./call.js";
import { type Operation, X } from "./operation.js";

export function reshape(o: Operation): Value {
  const x = o.value(...X);
  const given = o.given("newshape", "shape");
  const list = Array.isArray(given) ? given : [given];
  const sizes = list.map((size, axis) => {
    if (typeof size === "number") return size;
    // An open size is kept where it stands.
    if (size === null && axis === 0) return x.size(0);
    throw o.call.layer.refused(
      "unsupported",
      "is reshaped to a size computed in the model; give the sizes as numbers",
    );
  });
  const known = sizes.filter((size) => size !== -1).reduce((product, size) => product * size, 1);
  const total = x.shape.reduce((product, size) => product * size, 1);
  return o.ops.view(
    x,
    sizes.map((size) => (size === -1 ? total / known : size)),
  );
}

export function transpose(o: Operation): Value {
  const x = o.value(...X);
  const axes = o.numbers("axes", "perm") ?? range(0, x.rank).reverse();
  return o.ops.transpose(
    x,
    axes.map((axis) => axisOf(o.call, axis, x.rank)),
  );
}

export function concatenate(o: Operation): Value {
  const values = o.values("xs", "values");
  const axis = axisOf(o.call, o.number(0, "axis"), values[0]?.rank ?? 1);
  return o.ops.concat(values, axis);
}

export function stack(o: Operation): Value {
  const values = o.values("x", "values", "arrays");
  const axis = o.number(0, "axis");
  return o.ops.concat(
    values.map((value) => o.ops.expandDims(value, axis)),
    axis < 0 ? axis + (values[0]?.rank ?? 0) + 1 : axis,
  );
}

export function split(o: Operation): Result {
  const x = o.value(...X);
  const axis = axisOf(o.call, o.number(0, "axis"), x.rank);
  const sections = o.given("indices_or_sections", "num_or_size_splits");
  if (typeof sections === "number") return o.ops.split(x, axis, sections);
  const list = (Array.isArray(sections) ? sections : []).map(Number);
  const sizes = o.call.layer.className === "TFOpLambda";
  const starts = sizes
    ? list.map((_, k) => list.slice(0, k).reduce((a, b) => a + b, 0))
    : [0, ...list];
  return starts.map((start, k) =>
    o.ops.slice(x, axis, start, starts[k + 1] ?? x.size(axis), `part_${k}`),
  );
}

export function squeeze(o: Operation): Value {
  const x = o.value(...X);
  const given = o.numbers("axis", "squeeze_dims");
  const axes =
    given?.map((axis) => axisOf(o.call, axis, x.rank)) ??
    range(0, x.rank).filter((axis) => x.size(axis) === 1);
  return o.ops.view(
    x,
    x.shape.filter((_, axis) => !axes.includes(axis)),
    "squeeze",
  );
}

export function expandDims(o: Operation): Value {
  const x = o.value(...X);
  const axes = o.numbers("axis") ?? [0];
  return axes.reduce((value, axis) => o.ops.expandDims(value, axis), x);
}

export function repeat(o: Operation): Value {
  const x = o.value(...X);
  const times = o.number(1, "repeats", "n");
  const given = o.given("axis");
  const flat =
    given === null || given === undefined ? o.ops.view(x, [x.shape.reduce((a, b) => a * b, 1)]) : x;
  const axis = axisOf(o.call, typeof given === "number" ? given : 0, flat.rank);
  return o.ops.take(
    flat,
    axis,
    range(0, flat.size(axis) * times).map((k) => Math.floor(k / times)),
    "repeat",
  );
}

export function tile(o: Operation): Value {
  const x = o.value(...X);
  const times = o.numbers("repeats", "multiples", "n") ?? [1];
  const missing = Math.max(0, times.length - x.rank);
  const wide = o.ops.view(x, [...new Array<number>(missing).fill(1), ...x.shape]);
  const padded = [...new Array<number>(wide.rank - times.length).fill(1), ...times];
  return padded.reduce((value, count, axis) => {
    const size = value.size(axis);
    return o.ops.take(
      value,
      axis,
      range(0, size * count).map((k) => k % size),
      "tile",
    );
  }, wide);
}

export function pad(o: Operation): Value {
  const x = o.value(...X);
  const mode = o.given("mode") ?? "constant";
  const given = o.given("pad_width", "paddings");
  if (typeof mode !== "string" || mode.toLowerCase() !== "constant") {
    throw o.call.layer.refused(
      "unsupported",
      `pads by ${JSON.stringify(mode)}; only constant borders are read`,
    );
  }
  const pairs = Array.isArray(given) ? given : [given];
  const all = pairs.length === 1 && x.rank > 1 ? new Array(x.rank).fill(pairs[0]) : pairs;
  const amounts = all.map((pair: Given) =>
    Array.isArray(pair) ? pair.map(Number) : [Number(pair), Number(pair)],
  );
  return o.ops.pad(
    x,
    amounts.map(([before = 0]) => before),
    amounts.map(([, after = 0]) => after),
    o.number(0, "constant_values"),
  );
}

export function flip(o: Operation): Value {
  const x = o.value(...X);
  return o.axes(x, "axis").reduce((value, axis) => o.ops.reverse(value, axis), x);
}

/** `x[a:b, 1, ..., None]` with fixed numbers. */
export function getItem(o: Operation): Value {
  const x = o.value("x", "tensor", "input");
  const given = o.given("key", "slice_spec") ?? o.call.args[1];
  const keys = (Array.isArray(given) ? given : [given]) as Given[];
  const consumed = keys.filter((key) => key !== null && !isEllipsis(key)).length;
  let value = x;
  let axis = 0;
  const expanded = keys.some(isEllipsis) ? keys : [...keys, ELLIPSIS];
  for (const key of expanded) {
    if (isEllipsis(key)) {
      axis += x.rank - consumed;
    } else if (key === null) {
      value = o.ops.expandDims(value, axis);
      axis += 1;
    } else if (typeof key === "number") {
      const at = key < 0 ? key + value.size(axis) : key;
      value = o.ops.squeeze(o.ops.slice(value, axis, at, at + 1), axis);
    } else {
      value = sliceAxis(o, value, axis, key);
      axis += 1;
    }
  }
  return value;
}

const ELLIPSIS: Given = { class_name: "__ellipsis__" };

function isEllipsis(key: Given): boolean {
  return (
    isObject(key as Json) &&
    ["__ellipsis__", "Ellipsis"].includes(String(own(key as JsonObject, "class_name") ?? ""))
  );
}

function sliceAxis(o: Operation, value: Value, axis: number, key: Given): Value {
  const object = isObject(key as Json) ? (key as JsonObject) : undefined;
  const config = object === undefined ? undefined : own(object, "config");
  const bounds = isObject(config) ? config : object;
  if (bounds === undefined || value.rank <= axis) {
    throw o.call.layer.refused(
      "unsupported",
      "takes elements by something other than fixed numbers; use slices",
    );
  }
  const size = value.size(axis);
  const number = (name: string): number | null => {
    const found = own(bounds, name);
    return typeof found === "number" ? found : null;
  };
  const step = number("step") ?? 1;
  const clamp = (at: number | null, otherwise: number, low: number, high: number) => {
    if (at === null) return otherwise;
    return Math.min(high, Math.max(low, at < 0 ? at + size : at));
  };
  const indices: number[] = [];
  if (step > 0) {
    const end = clamp(number("stop"), size, 0, size);
    for (let k = clamp(number("start"), 0, 0, size); k < end; k += step) indices.push(k);
  } else {
    const end = clamp(number("stop"), -1, -1, size - 1);
    for (let k = clamp(number("start"), size - 1, -1, size - 1); k > end; k += step)
      indices.push(k);
  }
  return o.ops.take(value, axis, indices, "slice");
}
