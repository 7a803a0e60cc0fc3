import type { Ops } from "../ops.js";
import { range } from "../ops.js";
import type { Value } from "../value.js";
import { axisOf, type Call, inputOf, type LayerDefinition, onlyResult } from "./call.js";

/** Mean and mean squared deviation along axes, kept as axes of size 1. */
export function moments(
  ops: Ops,
  x: Value,
  axes: readonly number[],
): { readonly mean: Value; readonly variance: Value } {
  const mean = ops.reduce("mean", x, axes, true, "mean");
  const squares = ops.unary("power", ops.subtract(x, mean, "centred"), { exponent: 2 }, "squares");
  return { mean, variance: ops.reduce("mean", squares, axes, true, "variance") };
}

function batchNorm(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const axes = layer.numberList("axis", -1).map((axis) => axisOf(call, axis, x.rank));
  const epsilon = layer.number("epsilon", 1e-3);
  layer.ignore(
    "momentum",
    "renorm",
    "renorm_clipping",
    "renorm_momentum",
    "fused",
    "virtual_batch_size",
    "adjustment",
    "synchronized",
    "mode",
  );
  const shape = axes.map((axis) => x.size(axis));
  const scale = layer.flag("scale", true) ? layer.weight("gamma", shape) : null;
  const bias = layer.flag("center", true) ? layer.weight("beta", shape) : null;
  const mean = layer.weight("moving_mean", shape, { trainable: false });
  const variance = layer.weight("moving_variance", shape, { trainable: false });
  const normalized = ops.exactly(() => {
    const [axis = 0] = axes;
    if (axes.length === 1) {
      const weights = { mean, variance, ...(scale && { scale }), ...(bias && { bias }) };
      const attributes = { axis, epsilon, epsilonPlace: "inside" } as const;
      return ops.emit("batch-norm", [x], attributes, x.shape, { part: "norm", weights });
    }
    // Statistics over several axes (Keras 2): the same, written out.
    const along = x.shape.map((size, k) => (axes.includes(k) ? size : 1));
    const read = (weight: typeof mean) => ops.view(ops.weight(weight), along);
    const gain = ops.unary("rsqrt", ops.affine(read(variance), 1, epsilon));
    const value = ops.multiply(
      ops.subtract(x, read(mean)),
      scale ? ops.multiply(gain, read(scale)) : gain,
    );
    return bias ? ops.add(value, read(bias)) : value;
  });
  return ops.rounded(normalized);
}

/** Sorted as Keras sorts them: negative axes before positive ones, as they are written. */
function normAxes(call: Call, x: Value): number[] {
  const raw = call.layer.numberList("axis", -1);
  const given = raw.length > 1 ? raw.toSorted((a, b) => a - b) : raw;
  return given.map((axis) => axisOf(call, axis, x.rank));
}

/** A vector or tensor over some axes in a shape that broadcasts to x. */
function along(call: Call, x: Value, axes: readonly number[], role: string): Value {
  const weight = call.layer.weight(
    role,
    axes.map((axis) => x.size(axis)),
  );
  return call.ops.view(
    call.ops.weight(weight),
    x.shape.map((size, k) => (axes.includes(k) ? size : 1)),
  );
}

/** bias − mean·gain: Keras adds it to x·gain, which for rows far from 0 is not the same as centring them first. */
function offsetOf(ops: Ops, mean: Value, gain: Value, bias: Value | null): Value {
  const product = ops.multiply(mean, gain, "shift");
  return bias === null ? ops.unary("negate", product) : ops.subtract(bias, product, "offset");
}

function layerNorm(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const axes = normAxes(call, x);
  const epsilon = layer.number("epsilon", 1e-3);
  const rms = layer.flag("rms_scaling");
  const scale = layer.flag("scale", true) || rms ? along(call, x, axes, "gamma") : null;
  const center = layer.flag("center", true);
  const bias = center && !rms ? along(call, x, axes, "beta") : null;
  const normalized = ops.exactly(() => {
    const { mean, variance } = moments(ops, x, axes);
    const inverse = ops.unary("rsqrt", ops.affine(variance, 1, epsilon), {}, "inverse");
    const gain = scale ? ops.multiply(inverse, scale, "gain") : inverse;
    const scaled = ops.multiply(x, gain, "scaled");
    // rms_scaling does not centre, though its variance is that of the centred values.
    return rms ? scaled : ops.add(scaled, offsetOf(ops, mean, gain, bias), "normalized");
  });
  return ops.rounded(normalized);
}

function rmsNorm(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const axes = normAxes(call, x);
  const epsilon = layer.number("epsilon", 1e-6);
  const scale = along(call, x, axes, "scale");
  const squares = ops.reduce("mean", ops.unary("power", x, { exponent: 2 }), axes, true);
  const inverse = ops.unary("rsqrt", ops.affine(squares, 1, epsilon));
  return ops.multiply(ops.multiply(x, inverse), scale);
}

function groupNorm(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const axis = axisOf(call, layer.number("axis", -1), x.rank);
  const size = x.size(axis);
  const given = layer.number("groups", 32);
  const groups = given === -1 ? size : given;
  if (!Number.isInteger(size / groups) || groups < 1) {
    throw layer.refused("shape", `has ${groups} groups of ${size} channels`);
  }
  const epsilon = layer.number("epsilon", 1e-3);
  const shape = [...x.shape.slice(0, axis), groups, size / groups, ...x.shape.slice(axis + 1)];
  const broadcast = shape.map((length, k) => (k === axis || k === axis + 1 ? length : 1));
  const read = (role: string) => ops.view(ops.weight(layer.weight(role, [size])), broadcast);
  const scale = layer.flag("scale", true) ? read("gamma") : null;
  const bias = layer.flag("center", true) ? read("beta") : null;
  const grouped = ops.view(x, shape);
  const axes = range(1, shape.length).filter((k) => k !== axis);
  const { mean, variance } = moments(ops, grouped, axes);
  const inverse = ops.unary("rsqrt", ops.affine(variance, 1, epsilon), {}, "inverse");
  const gain = scale ? ops.multiply(inverse, scale, "gain") : inverse;
  const offset = offsetOf(ops, mean, gain, bias);
  return ops.view(ops.add(ops.multiply(grouped, gain, "scaled"), offset), x.shape);
}

/** Divided by the length along axes. Keras 2 takes a length of at least 1e-6 (of √1e-12), Keras 3 of 1e-12. */
function unitNorm(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const axes = layer.numberList("axis", -1).map((axis) => axisOf(call, axis, x.rank));
  return unitLength(ops, x, axes, layer.dialect === 2 ? 1e-12 : 1e-24);
}

/** x ÷ √max(Σx², floor). */
export function unitLength(ops: Ops, x: Value, axes: readonly number[], floor: number): Value {
  const squares = ops.reduce("sum", ops.unary("power", x, { exponent: 2 }), axes, true);
  const bounded = ops.binary("maximum", squares, ops.scalar(floor), "bounded");
  return ops.multiply(x, ops.unary("rsqrt", bounded), "normalized");
}

/** Only its inner layer at inference; the vector of the power iteration is a weight. */
function spectralNorm(call: Call): Value {
  const { layer } = call;
  layer.ignore("power_iterations");
  const inner = layer.childFrom("layer", layer.raw("layer"));
  const value = onlyResult(call, call.run(inner, call.args));
  const kernel = inner.variables.find(({ role }) => /kernel|embeddings/.test(role));
  const units = kernel?.shape.at(-1);
  if (kernel === undefined || units === undefined) {
    throw layer.refused("format", "contains a layer without a kernel");
  }
  // Keras stores the kernel a second time, as the wrapper's own.
  layer.weight("kernel", kernel.shape);
  layer.weight("vector_u", [1, units], { trainable: false });
  return value;
}

/** (x − mean)/max(√variance, 1e-7), or back; statistics from the configuration or, after `adapt`, from the weights. */
function normalizationLayer(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const axis = layer.raw("axis");
  const axes = (axis === null ? [] : layer.numberList("axis", -1))
    .map((k) => axisOf(call, k, x.rank))
    .toSorted((a, b) => a - b);
  const invert = layer.flag("invert");
  const shape = axes.map((k) => x.size(k));
  const broadcast = x.shape.map((size, k) => (axes.includes(k) ? size : 1));
  const given = layer.raw("mean");
  let mean: Value;
  let variance: Value;
  if (given === null || given === undefined) {
    layer.ignore("variance");
    mean = ops.view(ops.weight(layer.weight("mean", shape, { trainable: false })), broadcast);
    variance = ops.view(
      ops.weight(layer.weight("variance", shape, { trainable: false })),
      broadcast,
    );
    layer.weight("count", [], { trainable: false });
  } else {
    const constant = (key: string) => {
      const values = layer.raw(key);
      const flat = (Array.isArray(values) ? values : [values]).flat(8) as number[];
      if (flat.length === 1)
        return ops.fill(
          broadcast.map(() => 1),
          flat,
        );
      // Fewer numbers than kept axes belong to the last of them.
      const last = broadcast.map((size, k) =>
        flat.length === size && k === axes.at(-1) ? size : 1,
      );
      const fits = flat.length === shape.reduce((product, size) => product * size, 1);
      return ops.fill(fits ? broadcast : last, flat);
    };
    mean = constant("mean");
    variance = constant("variance");
  }
  const deviation = ops.binary(
    "maximum",
    ops.unary("sqrt", variance),
    ops.scalar(1e-7),
    "deviation",
  );
  return invert
    ? ops.add(mean, ops.multiply(x.as("float"), deviation))
    : ops.divide(ops.subtract(x.as("float"), mean), deviation);
}

/** A gain a channel: the layer of its own that keras.applications' ConvNeXt brings. */
function layerScale(call: Call): Value {
  const { layer, ops } = call;
  layer.ignore("init_values");
  return ops.multiply(
    inputOf(call),
    ops.weight(layer.weight("gamma", [layer.count("projection_dim")])),
  );
}

export const normalizationLayers: Readonly<Record<string, LayerDefinition>> = {
  BatchNormalization: { call: batchNorm, masks: "keep" },
  BatchNormalizationV1: { call: batchNorm, masks: "keep" },
  SyncBatchNormalization: { call: batchNorm, masks: "keep" },
  LayerNormalization: { call: layerNorm, masks: "keep" },
  RMSNormalization: { call: rmsNorm },
  GroupNormalization: { call: groupNorm, masks: "keep" },
  LayerScale: { call: layerScale },
  UnitNormalization: { call: unitNorm, masks: "keep" },
  SpectralNormalization: { call: spectralNorm },
  Normalization: { call: normalizationLayer, masks: "keep" },
};
