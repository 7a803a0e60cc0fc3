import type {
  BinaryFunction,
  ElementwiseFunction,
  ReduceFunction,
} from "../../../architecture/attributes.js";
import { isObject, type Json, type JsonObject, own } from "../config-types.js";
import { range } from "../ops.js";
import { Value, type ValueType } from "../value.js";
import { applyActivation, glu, logSoftmax } from "./activations.js";
import {
  axisOf,
  type Call,
  type Given,
  type LayerDefinition,
  type Result,
  tensorsOf,
} from "./call.js";
import { letters } from "./core.js";
import { moments, unitLength } from "./normalization.js";

/** One of Keras 3's operations or TensorFlow's functions: operands, and options by name wherever they stand. */
class Operation {
  readonly call: Call;
  readonly #positions: readonly string[];

  constructor(call: Call, positions: readonly string[]) {
    this.call = call;
    this.#positions = positions;
  }

  get ops() {
    return this.call.ops;
  }

  /** What was given for a parameter, by any of its names or by its place. */
  given(...names: readonly string[]): Given {
    const { args, kwargs, layer } = this.call;
    for (const name of names) {
      const keyword = kwargs.get(name);
      if (keyword !== undefined) return keyword;
    }
    for (const name of names) {
      const at = this.#positions.indexOf(name);
      if (at >= 0 && args[at] !== undefined) return args[at];
    }
    for (const name of names) {
      const config = layer.raw(name);
      if (config !== undefined) return config as Given;
    }
    return undefined;
  }

  /** An operand; a number becomes a tensor without axes, nested lists of numbers one with some. */
  value(...names: readonly string[]): Value {
    const given = this.given(...names);
    const value = this.#valueOf(given);
    if (value !== undefined) return value;
    throw this.call.layer.refused("format", `is called without ${names[0]}`);
  }

  #valueOf(given: Given): Value | undefined {
    if (given instanceof Value) return given;
    if (typeof given === "number")
      return this.ops.scalar(given, Number.isInteger(given) ? "int" : "float");
    if (typeof given === "boolean") return this.ops.scalar(given ? 1 : 0, "bool");
    if (Array.isArray(given)) {
      const tensors = tensorsOf(given);
      if (tensors.length === 1 && given.length === 1) return tensors[0];
      const flat = given.flat(8) as Given[];
      if (flat.length > 0 && flat.every((item) => typeof item === "number")) {
        const numbers = flat as number[];
        return this.ops.fill(
          shapeOfList(given),
          numbers,
          numbers.every(Number.isInteger) ? "int" : "float",
        );
      }
    }
    return undefined;
  }

  values(...names: readonly string[]): Value[] {
    return tensorsOf(this.given(...names));
  }

  number(otherwise: number, ...names: readonly string[]): number {
    const given = this.given(...names);
    return typeof given === "number" ? given : otherwise;
  }

  flag(...names: readonly string[]): boolean {
    return this.given(...names) === true;
  }

  /** Axes told as a number, a list, or nothing for all. */
  axes(x: Value, ...names: readonly string[]): number[] {
    const given = this.given(...names);
    if (given === null || given === undefined) return range(0, x.rank);
    const list = Array.isArray(given) ? given : [given];
    return list.map((axis) => axisOf(this.call, Number(axis), x.rank));
  }

  numbers(...names: readonly string[]): number[] | undefined {
    const given = this.given(...names);
    if (typeof given === "number") return [given];
    return Array.isArray(given) && given.every((item) => typeof item === "number")
      ? (given as number[])
      : undefined;
  }
}

function shapeOfList(list: Given): number[] {
  return Array.isArray(list) ? [list.length, ...shapeOfList(list[0])] : [];
}

interface Definition {
  /** Names of the positional arguments. */
  readonly positions: readonly string[];
  readonly apply: (operation: Operation) => Result;
}

const X = [
  "x",
  "input",
  "input_tensor",
  "a",
  "tensor",
  "features",
  "logits",
  "value",
  "values",
  "inputs",
];

const unary = (
  name: ElementwiseFunction,
  parameters: Readonly<Record<string, number>> = {},
): Definition => ({
  positions: ["x"],
  apply: (o) => o.ops.unary(name, o.value(...X), parameters),
});

const binary = (name: BinaryFunction): Definition => ({
  positions: ["x1", "x2"],
  apply: (o) => o.ops.binary(name, o.value("x1", "x", "a"), o.value("x2", "y", "b")),
});

const activation = (name: string): Definition => ({
  positions: ["x"],
  apply: (o) => applyActivation({ ...o.call }, o.value(...X), name),
});

const reduce = (name: ReduceFunction): Definition => ({
  positions: ["x", "axis", "keepdims"],
  apply: (o) => {
    const x = o.value(...X);
    return o.ops.reduce(name, x, o.axes(x, "axis"), o.flag("keepdims", "keep_dims"));
  },
});

const like = (number: number): Definition => ({
  positions: ["x"],
  apply: (o) => {
    const x = o.value(...X);
    return o.ops.fill(x.shape, [number], typeOfName(o.given("dtype")) ?? x.type);
  },
});

/** What the numbers of a dtype are. */
function typeOfName(dtype: Given): ValueType | undefined {
  if (typeof dtype !== "string") return undefined;
  if (dtype === "bool") return "bool";
  return /int/.test(dtype) ? "int" : "float";
}

function variance(o: Operation): Value {
  const x = o.value(...X);
  const axes = o.axes(x, "axis", "axes");
  const { variance: squared } = moments(o.ops, x, axes);
  if (o.flag("keepdims")) return squared;
  return o.ops.view(
    squared,
    x.shape.filter((_, axis) => !axes.includes(axis)),
  );
}

function cast(o: Operation): Value {
  const x = o.value(...X);
  const dtype = o.given("dtype", "DstT");
  const type = typeOfName(dtype) ?? x.type;
  if (type === "bool") return o.ops.cast(x, "bool", "bool");
  if (type === "int" && x.type === "float") return o.ops.cast(x, "integer", "int");
  const narrow = dtype === "float16" || dtype === "bfloat16" ? dtype : undefined;
  return narrow === undefined ? x.as(type) : o.ops.cast(x, narrow, "float");
}

/** Matrix product over the last two axes, broadcast over those before; vectors as numpy has them. */
function matmul(o: Operation): Value {
  const turn = (x: Value, flag: boolean) =>
    flag ? o.ops.transpose(x, [...range(0, x.rank - 2), x.rank - 1, x.rank - 2]) : x;
  const left = turn(o.value("x1", "a", "x"), o.flag("transpose_a"));
  const right = turn(o.value("x2", "b", "y"), o.flag("transpose_b"));
  const a = left.rank === 1 ? o.ops.expandDims(left, 0) : left;
  const b = right.rank === 1 ? o.ops.expandDims(right, 1) : right;
  const rank = Math.max(a.rank, b.rank);
  const outer = letters(rank - 2);
  const batch = (x: Value) => outer.slice(rank - x.rank);
  const sizes = range(0, rank - 2).map((axis) =>
    Math.max(a.shape[axis - (rank - a.rank)] ?? 1, b.shape[axis - (rank - b.rank)] ?? 1),
  );
  const spread = (x: Value) =>
    o.ops.expand(x, [...sizes.slice(rank - x.rank), ...x.shape.slice(-2)]);
  const product = o.ops.contract(
    `${batch(a)}xy,${batch(b)}yz->${outer}xz`,
    b.rank === 2 ? a : spread(a),
    a.rank === 2 ? b : spread(b),
    "matmul",
  );
  const shape = product.shape.filter(
    (_, axis) =>
      !(left.rank === 1 && axis === product.rank - 2) &&
      !(right.rank === 1 && axis === product.rank - 1),
  );
  return o.ops.view(product, shape);
}

function einsum(o: Operation): Value {
  const equation = o.given("subscripts", "equation") ?? o.call.args[0];
  const operands = o.call.args.flatMap(tensorsOf);
  const [a, b] = operands;
  if (
    typeof equation !== "string" ||
    equation.includes(".") ||
    a === undefined ||
    operands.length > 2
  ) {
    throw o.call.layer.refused(
      "unsupported",
      "is an einsum of more than two operands or with an ellipsis; write its products out",
    );
  }
  const explicit = equation.replaceAll(" ", "");
  if (b === undefined) return o.ops.contract(`,${explicit}`, o.ops.scalar(1), a);
  return o.ops.contract(explicit, a, b);
}

function reshape(o: Operation): Value {
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

function transpose(o: Operation): Value {
  const x = o.value(...X);
  const axes = o.numbers("axes", "perm") ?? range(0, x.rank).reverse();
  return o.ops.transpose(
    x,
    axes.map((axis) => axisOf(o.call, axis, x.rank)),
  );
}

function concatenate(o: Operation): Value {
  const values = o.values("xs", "values");
  const axis = axisOf(o.call, o.number(0, "axis"), values[0]?.rank ?? 1);
  return o.ops.concat(values, axis);
}

function stack(o: Operation): Value {
  const values = o.values("x", "values", "arrays");
  const axis = o.number(0, "axis");
  return o.ops.concat(
    values.map((value) => o.ops.expandDims(value, axis)),
    axis < 0 ? axis + (values[0]?.rank ?? 0) + 1 : axis,
  );
}

function split(o: Operation): Result {
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

function squeeze(o: Operation): Value {
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

function expandDims(o: Operation): Value {
  const x = o.value(...X);
  const axes = o.numbers("axis") ?? [0];
  return axes.reduce((value, axis) => o.ops.expandDims(value, axis), x);
}

function clip(o: Operation): Value {
  const x = o.value(...X);
  const low = o.given("x_min", "clip_value_min", "min_value");
  const high = o.given("x_max", "clip_value_max", "max_value");
  const raised =
    low === null || low === undefined
      ? x
      : o.ops.binary("maximum", x, o.value("x_min", "clip_value_min", "min_value"));
  return high === null || high === undefined
    ? raised
    : o.ops.binary("minimum", raised, o.value("x_max", "clip_value_max", "max_value"));
}

function repeat(o: Operation): Value {
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

function tile(o: Operation): Value {
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

function pad(o: Operation): Value {
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

function flip(o: Operation): Value {
  const x = o.value(...X);
  return o.axes(x, "axis").reduce((value, axis) => o.ops.reverse(value, axis), x);
}

/** `x[a:b, 1, ..., None]` with fixed numbers. */
function getItem(o: Operation): Value {
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

const softmax: Definition = {
  positions: ["x", "axis"],
  apply: (o) => {
    const x = o.value(...X);
    return o.ops.softmax(
      x,
      o.axes(x, "axis").length === x.rank && o.given("axis") === undefined
        ? [x.rank - 1]
        : o.axes(x, "axis"),
    );
  },
};

/** Operations by Keras 3's class names. */
const OPERATIONS: Readonly<Record<string, Definition>> = {
  Add: binary("add"),
  Subtract: binary("subtract"),
  Multiply: binary("multiply"),
  Divide: binary("divide"),
  TrueDivide: binary("divide"),
  FloorDivide: binary("floor-divide"),
  Mod: binary("modulo"),
  Power: binary("power"),
  Maximum: binary("maximum"),
  Minimum: binary("minimum"),
  Equal: binary("equal"),
  NotEqual: binary("not-equal"),
  Less: binary("less"),
  LessEqual: binary("less-equal"),
  Greater: binary("greater"),
  GreaterEqual: binary("greater-equal"),
  LogicalAnd: binary("and"),
  LogicalOr: binary("or"),
  LogicalXor: binary("xor"),
  LogicalNot: unary("not"),
  Isnan: unary("is-nan"),
  Abs: unary("abs"),
  Absolute: unary("abs"),
  Negative: unary("negate"),
  Exp: { positions: ["x"], apply: (o) => o.ops.activation("exp", o.value(...X)) },
  Expm1: unary("expm1"),
  Log: unary("log"),
  Log1p: unary("log1p"),
  Sqrt: unary("sqrt"),
  Rsqrt: unary("rsqrt"),
  Reciprocal: unary("reciprocal"),
  Square: unary("power", { exponent: 2 }),
  Sign: unary("sign"),
  Floor: unary("floor"),
  Ceil: unary("ceil"),
  Round: unary("round"),
  Sin: unary("sin"),
  Cos: unary("cos"),
  Erf: unary("erf"),
  Tanh: activation("tanh"),
  Relu: activation("relu"),
  Relu6: activation("relu6"),
  Sigmoid: activation("sigmoid"),
  Softplus: activation("softplus"),
  Softsign: activation("softsign"),
  Silu: activation("silu"),
  HardSigmoid: activation("hard_sigmoid"),
  HardSilu: activation("hard_silu"),
  HardTanh: activation("hard_tanh"),
  TanhShrink: activation("tanh_shrink"),
  SparsePlus: activation("sparse_plus"),
  SparseSigmoid: activation("sparse_sigmoid"),
  LogSigmoid: activation("log_sigmoid"),
  Selu: activation("selu"),
  Sparsemax: activation("sparsemax"),
  Elu: {
    positions: ["x", "alpha"],
    apply: (o) => o.ops.activation("elu", o.value(...X), { alpha: o.number(1, "alpha"), gain: 1 }),
  },
  Celu: {
    positions: ["x", "alpha"],
    apply: (o) => o.ops.unary("celu", o.value(...X), { alpha: o.number(1, "alpha") }),
  },
  LeakyRelu: {
    positions: ["x", "negative_slope"],
    apply: (o) =>
      o.ops.activation("leaky", o.value(...X), { slope: o.number(0.2, "negative_slope", "alpha") }),
  },
  Gelu: {
    positions: ["x", "approximate"],
    apply: (o) =>
      o.given("approximate") === false
        ? o.ops.activation("gelu-erf", o.value(...X))
        : o.ops.activation("gelu-tanh", o.value(...X), GELU),
  },
  SoftShrink: {
    positions: ["x", "threshold"],
    apply: (o) =>
      o.ops.unary("soft-shrink", o.value(...X), { threshold: o.number(0.5, "threshold") }),
  },
  HardShrink: {
    positions: ["x", "threshold"],
    apply: (o) =>
      o.ops.unary("hard-shrink", o.value(...X), { threshold: o.number(0.5, "threshold") }),
  },
  Squareplus: {
    positions: ["x", "b"],
    apply: (o) => o.ops.unary("squareplus", o.value(...X), { b: o.number(4, "b") }),
  },
  Glu: { positions: ["x", "axis"], apply: (o) => glu(o.ops, o.value(...X)) },
  Softmax: softmax,
  LogSoftmax: {
    positions: ["x", "axis"],
    apply: (o) => {
      const x = o.value(...X);
      return logSoftmax(o.ops, x, axisOf(o.call, o.number(-1, "axis"), x.rank));
    },
  },
  Normalize: {
    positions: ["x", "axis"],
    apply: (o) => {
      const x = o.value(...X);
      return unitLength(o.ops, x, o.axes(x, "axis"), o.number(1e-7, "epsilon") ** 2);
    },
  },
  Mean: reduce("mean"),
  Sum: reduce("sum"),
  Max: reduce("maximum"),
  Amax: reduce("maximum"),
  Min: reduce("minimum"),
  Amin: reduce("minimum"),
  Prod: reduce("product"),
  Any: reduce("any"),
  All: reduce("all"),
  Var: { positions: ["x", "axis", "keepdims"], apply: variance },
  Std: { positions: ["x", "axis", "keepdims"], apply: (o) => o.ops.unary("sqrt", variance(o)) },
  Logsumexp: {
    positions: ["x", "axis", "keepdims"],
    apply: (o) => {
      const x = o.value(...X);
      const axes = o.axes(x, "axis");
      const largest = o.ops.reduce("maximum", x, axes, true);
      const sum = o.ops.reduce(
        "sum",
        o.ops.activation("exp", o.ops.subtract(x, largest)),
        axes,
        true,
      );
      const value = o.ops.add(o.ops.unary("log", sum), largest);
      return o.flag("keepdims")
        ? value
        : o.ops.view(
            value,
            x.shape.filter((_, axis) => !axes.includes(axis)),
          );
    },
  },
  Matmul: { positions: ["x1", "x2"], apply: matmul },
  Dot: { positions: ["x1", "x2"], apply: matmul },
  Einsum: { positions: [], apply: einsum },
  Reshape: { positions: ["x", "newshape"], apply: reshape },
  Ravel: {
    positions: ["x"],
    apply: (o) => o.ops.view(o.value(...X), [o.value(...X).shape.reduce((a, b) => a * b, 1)]),
  },
  Transpose: { positions: ["x", "axes"], apply: transpose },
  Swapaxes: {
    positions: ["x", "axis1", "axis2"],
    apply: (o) => {
      const x = o.value(...X);
      const a = axisOf(o.call, o.number(0, "axis1"), x.rank);
      const b = axisOf(o.call, o.number(1, "axis2"), x.rank);
      return o.ops.transpose(
        x,
        range(0, x.rank).map((axis) => (axis === a ? b : axis === b ? a : axis)),
      );
    },
  },
  Concatenate: { positions: ["xs", "axis"], apply: concatenate },
  Stack: { positions: ["x", "axis"], apply: stack },
  Split: { positions: ["x", "indices_or_sections", "axis"], apply: split },
  Squeeze: { positions: ["x", "axis"], apply: squeeze },
  ExpandDims: { positions: ["x", "axis"], apply: expandDims },
  BroadcastTo: {
    positions: ["x", "shape"],
    apply: (o) => {
      const x = o.value(...X);
      const shape = o.given("shape");
      const sizes = (Array.isArray(shape) ? shape : []).map((size, axis) =>
        typeof size === "number" ? size : x.size(axis),
      );
      return o.ops.expand(x, sizes);
    },
  },
  ZerosLike: like(0),
  OnesLike: like(1),
  Clip: { positions: ["x", "x_min", "x_max"], apply: clip },
  Where: {
    positions: ["condition", "x1", "x2"],
    apply: (o) => o.ops.where(o.value("condition"), o.value("x1", "x"), o.value("x2", "y")),
  },
  Repeat: { positions: ["x", "repeats", "axis"], apply: repeat },
  Tile: { positions: ["x", "repeats"], apply: tile },
  Pad: { positions: ["x", "pad_width", "mode", "constant_values"], apply: pad },
  Flip: { positions: ["x", "axis"], apply: flip },
  GetItem: { positions: ["x", "key"], apply: getItem },
  Cast: { positions: ["x", "dtype"], apply: cast },
  StopGradient: { positions: ["variable"], apply: (o) => o.value("variable", ...X) },
  Copy: { positions: ["x"], apply: (o) => o.value(...X) },
};

const GELU = { linear: Math.sqrt(2 / Math.PI), cubic: Math.sqrt(2 / Math.PI) * 0.044715 };

/** TensorFlow's functions under the names of Keras 3's operations. */
const TENSORFLOW: Readonly<Record<string, string>> = {
  "math.add": "Add",
  "__operators__.add": "Add",
  "math.subtract": "Subtract",
  "math.multiply": "Multiply",
  "math.divide": "Divide",
  "math.truediv": "Divide",
  "math.floordiv": "FloorDivide",
  "math.floormod": "Mod",
  "math.pow": "Power",
  "math.maximum": "Maximum",
  "math.minimum": "Minimum",
  "math.equal": "Equal",
  "math.not_equal": "NotEqual",
  "math.less": "Less",
  "math.less_equal": "LessEqual",
  "math.greater": "Greater",
  "math.greater_equal": "GreaterEqual",
  "math.logical_and": "LogicalAnd",
  "math.logical_or": "LogicalOr",
  "math.logical_not": "LogicalNot",
  "math.abs": "Abs",
  "math.negative": "Negative",
  "math.exp": "Exp",
  "math.log": "Log",
  "math.log1p": "Log1p",
  "math.sqrt": "Sqrt",
  "math.rsqrt": "Rsqrt",
  "math.square": "Square",
  "math.sign": "Sign",
  "math.floor": "Floor",
  "math.ceil": "Ceil",
  "math.sin": "Sin",
  "math.cos": "Cos",
  "math.erf": "Erf",
  "math.tanh": "Tanh",
  "math.sigmoid": "Sigmoid",
  "math.softplus": "Softplus",
  "math.reduce_mean": "Mean",
  "math.reduce_sum": "Sum",
  "math.reduce_max": "Max",
  "math.reduce_min": "Min",
  "math.reduce_prod": "Prod",
  "math.reduce_any": "Any",
  "math.reduce_all": "All",
  "math.reduce_std": "Std",
  "math.reduce_variance": "Var",
  "math.l2_normalize": "Normalize",
  "linalg.matmul": "Matmul",
  "linalg.l2_normalize": "Normalize",
  "nn.relu": "Relu",
  "nn.relu6": "Relu6",
  "nn.leaky_relu": "LeakyRelu",
  "nn.elu": "Elu",
  "nn.selu": "Selu",
  "nn.silu": "Silu",
  "nn.softmax": "Softmax",
  "nn.log_softmax": "LogSoftmax",
  "nn.sigmoid": "Sigmoid",
  "nn.tanh": "Tanh",
  "nn.softplus": "Softplus",
  "nn.softsign": "Softsign",
  "nn.l2_normalize": "Normalize",
  "compat.v1.transpose": "Transpose",
  transpose: "Transpose",
  reshape: "Reshape",
  concat: "Concatenate",
  stack: "Stack",
  split: "Split",
  squeeze: "Squeeze",
  "compat.v1.squeeze": "Squeeze",
  expand_dims: "ExpandDims",
  cast: "Cast",
  clip_by_value: "Clip",
  where: "Where",
  tile: "Tile",
  repeat: "Repeat",
  reverse: "Flip",
  "compat.v1.pad": "Pad",
  pad: "Pad",
  zeros_like: "ZerosLike",
  ones_like: "OnesLike",
  "compat.v1.zeros_like": "ZerosLike",
  "compat.v1.ones_like": "OnesLike",
  stop_gradient: "StopGradient",
  identity: "Copy",
  "__operators__.getitem": "GetItem",
};

/** Keras 3's operation of a class name, or undefined. */
export function operationDefinition(className: string): LayerDefinition | undefined {
  const definition = Object.hasOwn(OPERATIONS, className) ? OPERATIONS[className] : undefined;
  return definition === undefined
    ? undefined
    : {
        call: (call) => {
          call.layer.ignore(...Object.keys(call.layer.configuration()));
          return definition.apply(new Operation(call, definition.positions));
        },
      };
}

function tensorflowFunction(call: Call): Result {
  const { layer } = call;
  const name = layer.string("function");
  const known = Object.hasOwn(TENSORFLOW, name) ? TENSORFLOW[name] : undefined;
  const definition = known === undefined ? undefined : OPERATIONS[known];
  if (definition === undefined) {
    throw layer.refused(
      "unsupported",
      `calls TensorFlow's ${JSON.stringify(name)}, which is not read; use a layer of Keras instead, or export the model as ONNX`,
    );
  }
  return definition.apply(new Operation(call, definition.positions));
}

export const functionLayers: Readonly<Record<string, LayerDefinition>> = {
  TFOpLambda: { call: tensorflowFunction },
  SlicingOpLambda: { call: tensorflowFunction },
  TensorFlowOpLayer: {
    call: ({ layer }) => {
      throw layer.refused(
        "unsupported",
        "holds a node of TensorFlow's graph, which is not read; export the model as ONNX",
      );
    },
  },
};
