import type {
  BinaryFunction,
  ElementwiseFunction,
  ReduceFunction,
} from "../../../architecture/attributes.js";
import { range } from "../ops.js";
import type { Value } from "../value.js";
import { applyActivation, glu, logSoftmax } from "./activations.js";
import { axisOf, type Call, type LayerDefinition, type Result, tensorsOf } from "./call.js";
import { letters } from "./core.js";
import { moments, unitLength } from "./normalization.js";
import { type Definition, Operation, typeOfName, X } from "./operation.js";
import {
  concatenate,
  expandDims,
  flip,
  getItem,
  pad,
  repeat,
  reshape,
  split,
  squeeze,
  stack,
  tile,
  transpose,
} from "./operations-moves.js";
import { TENSORFLOW } from "./tensorflow-functions.js";

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
