import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Ancestry } from "../../src/architecture/ancestry.js";
import type { Architecture, ArchitectureInput } from "../../src/architecture/architecture.js";
import { architectureFromOnnx } from "../../src/formats/onnx/architecture.js";
import { type OnnxModel, onnxModelFrom } from "../../src/formats/onnx/model-reader.js";
import { type NodeProto, ONNX_TYPE } from "../../src/formats/onnx/schema.js";
import { weightsFromOnnx } from "../../src/formats/onnx/weights.js";
import { halfFromFloat32 } from "../../src/formats/small-floats.js";
import { readTensor } from "../../src/formats/tensor-file.js";
import { OnnxModelReference } from "../../src/references/onnxruntime/onnx-model-reference.js";
import { OnnxModelRun } from "../../src/references/onnxruntime/onnx-model-run.js";
import { OnnxRuntimeProcess } from "../../src/references/onnxruntime/onnxruntime-process.js";
import { readExactly } from "../../src/runtime/scratch-file.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { syntheticInput } from "../../src/weights/synthetic.js";
import { copiedTensors } from "../../src/weights/tensor-file-weights.js";
import { floats, node, onnxBytes, value, wholes } from "../formats/onnx/write-model.js";
import { recordTaps } from "./record-taps.js";

const inputs: readonly ArchitectureInput[] = [
  { name: "map", shape: [2, 4, 7, 6] },
  { name: "rows", shape: [3, 4] },
  { name: "words", shape: [2, 3, 4] },
  { name: "heads", shape: [2, 2, 3, 4] },
  { name: "positive", shape: [2, 3] },
  { name: "turned_words", shape: [2, 4, 3] },
  { name: "volume", shape: [1, 2, 4, 5, 3] },
  { name: "squares", shape: [1, 2, 4, 6] },
  { name: "map_kernel", shape: [2, 4, 3, 2] },
  { name: "ids", shape: [2, 3], type: "int" },
  { name: "mask", shape: [2, 3], type: "bool" },
];
const initializer = [
  floats("k33", [6, 4, 3, 3], { seed: 1 }),
  floats("k_group", [4, 1, 3, 2], { seed: 2 }),
  floats("k_up", [4, 3, 2, 2], { seed: 3 }),
  floats("b6", [6], { seed: 4 }),
  floats("b3", [3], { seed: 5 }),
  floats("c4", [4], { seed: 6 }),
  floats("d4", [4], { seed: 7, from: 0.1 }),
  floats("oi", [5, 4], { seed: 8 }),
  floats("io", [4, 5], { seed: 9 }),
  floats("b5", [5], { seed: 10 }),
  floats("table", [9, 4], { seed: 11 }),
  floats("half", [], [0.5]),
  floats("two", [], [2]),
  floats("low", [], [-0.25]),
  floats("scales", [4], [1, 1, 2, 2]),
  floats("six", [], [0.6]),
  wholes("shape", [0, -1]),
  wholes("ones", [1]),
  wholes("pads", [0, 0, 1, 0, 0, 1, 0, 2]),
  wholes("starts", [4, -1]),
  wholes("ends", [0, -100]),
  wholes("axes", [2, 3]),
  wholes("steps", [-2, -1]),
  wholes("last", [-1], []),
  wholes("parts", [1, 3]),
  wholes("tall", [2, 4, 9, 11]),
  wholes("wide", [5, 2, 3]),
];

/** Each node and the kind that its value must be read as; the name says what is special. */
const cases: readonly (readonly [kind: string, node: NodeProto])[] = [
  ["conv", node("Conv", ["map", "k33", "b6"], "conv", { pads: [1, 0, 2, 1], strides: [2, 1] })],
  ["conv", node("Conv", ["map", "k33"], "conv_upper", { auto_pad: "SAME_UPPER", strides: [2, 2] })],
  ["conv", node("Conv", ["map", "k33"], "conv_lower", { auto_pad: "SAME_LOWER", strides: [2, 2] })],
  ["conv", node("Conv", ["map", "k_group"], "conv_depth", { group: 4, dilations: [2, 1] })],
  [
    "conv-transpose",
    node("ConvTranspose", ["map", "k_up", "b3"], "conv_up", {
      strides: [2, 2],
      output_padding: [1, 0],
      pads: [0, 1, 0, 0],
    }),
  ],
  ["dense", node("Gemm", ["rows", "oi", "b5"], "gemm_oi", { transB: 1 })],
  ["binary", node("Gemm", ["rows", "io", "b5"], "gemm_io")],
  ["contract", node("MatMul", ["words", "io"], "matmul_weight")],
  ["transpose", node("Transpose", ["heads"], "turned", { perm: [0, 1, 3, 2] })],
  ["contract", node("MatMul", ["heads", "turned"], "matmul_heads")],
  ["batch-norm", node("BatchNormalization", ["map", "c4", "d4", "c4", "d4"], "batch_norm")],
  ["binary", node("LayerNormalization", ["words", "d4", "c4"], "layer_norm")],
  [
    "binary",
    node("LayerNormalization", ["words", "d4"], "layer_norm_plain", { epsilon: { float: 1e-3 } }),
  ],
  ["binary", node("InstanceNormalization", ["map", "d4", "c4"], "instance_norm")],
  ["activation", node("Relu", ["map"], "relu")],
  ["activation", node("LeakyRelu", ["map"], "leaky")],
  ["activation", node("Sigmoid", ["map"], "sigmoid")],
  ["activation", node("Tanh", ["map"], "tanh")],
  ["activation", node("Elu", ["map"], "elu", { alpha: { float: 0.7 } })],
  ["activation", node("Selu", ["map"], "selu")],
  ["activation", node("Exp", ["map"], "exp")],
  ["activation", node("Softplus", ["map"], "softplus")],
  ["activation", node("Softsign", ["map"], "softsign")],
  ["activation", node("Mish", ["map"], "mish")],
  ["activation", node("HardSigmoid", ["map"], "hard_sigmoid")],
  ["binary", node("HardSwish", ["map"], "hard_swish")],
  ["activation", node("Clip", ["map", "low", "half"], "clip")],
  ["elementwise", node("Erf", ["map"], "erf")],
  ["elementwise", node("Sqrt", ["positive"], "sqrt")],
  ["elementwise", node("Log", ["positive"], "log")],
  ["elementwise", node("Reciprocal", ["positive"], "reciprocal")],
  ["elementwise", node("Floor", ["map"], "floor")],
  ["elementwise", node("Round", ["map"], "round")],
  ["elementwise", node("Neg", ["map"], "neg")],
  ["elementwise", node("Not", ["mask"], "not")],
  ["activation", node("Pow", ["map", "two"], "squared")],
  ["elementwise", node("Pow", ["positive", "half"], "root")],
  ["binary", node("Pow", ["positive", "six"], "power")],
  ["binary", node("Add", ["words", "c4"], "add_weight")],
  ["binary", node("Mul", ["half", "words"], "scaled")],
  ["binary", node("Sub", ["words", "rows"], "sub_rows")],
  ["binary", node("Div", ["words", "d4"], "divided")],
  ["binary", node("Max", ["words", "rows"], "larger")],
  ["binary", node("Less", ["words", "rows"], "less")],
  ["where", node("Where", ["less", "words", "rows"], "chosen")],
  [
    "pool",
    node("MaxPool", ["map"], "max_pool", {
      kernel_shape: [3, 2],
      strides: [2, 2],
      pads: [1, 0, 1, 1],
    }),
  ],
  [
    "pool",
    node("MaxPool", ["map"], "max_ceil", { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
  ],
  ["pool", node("AveragePool", ["map"], "mean_pool", { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })],
  [
    "pool",
    node("AveragePool", ["map"], "mean_counted", {
      kernel_shape: [3, 3],
      pads: [1, 1, 1, 1],
      count_include_pad: 1,
    }),
  ],
  [
    "pool",
    node("AveragePool", ["map"], "mean_ceil", {
      kernel_shape: [2, 2],
      strides: [2, 2],
      ceil_mode: 1,
    }),
  ],
  ["global-pool", node("GlobalAveragePool", ["map"], "global_mean")],
  ["global-pool", node("GlobalMaxPool", ["map"], "global_max")],
  ["reduce", node("ReduceMean", ["map", "axes"], "mean_axes", { keepdims: 0 })],
  ["reduce", node("ReduceSum", ["map"], "sum_all")],
  ["reduce", node("ReduceMax", ["map", "last_axis"], "max_last")],
  ["softmax", node("Softmax", ["heads"], "softmax", { axis: 2 })],
  ["view", node("Reshape", ["map", "shape"], "reshaped")],
  ["view", node("Flatten", ["map"], "flattened", { axis: 2 })],
  ["view", node("Unsqueeze", ["rows", "ones"], "unsqueezed")],
  ["view", node("Squeeze", ["unsqueezed", "ones"], "squeezed")],
  ["concat", node("Concat", ["rows", "rows", "table"], "concat", { axis: 0 })],
  ["slice", node("Split", ["map", "parts"], ["split_0", "split_1"], { axis: 1 })],
  ["take", node("Slice", ["map", "starts", "ends", "axes", "steps"], "sliced")],
  ["gather", node("Gather", ["table", "ids"], "embedded")],
  ["view", node("Gather", ["words", "last"], "last_word", { axis: 1 })],
  ["pad", node("Pad", ["map", "pads", "half"], "padded")],
  ["expand", node("Expand", ["positive", "wide"], "expanded")],
  ["identity", node("Dropout", ["map"], "dropped")],
  ["identity", node("Cast", ["ids"], "as_float", { to: ONNX_TYPE.float })],
  ["identity", node("Cast", ["half_kernel"], "widened", { to: ONNX_TYPE.float })],
  ["contract", node("MatMul", ["words", "widened"], "matmul_widened")],
  [
    "resize",
    node("Resize", ["map", "", "scales"], "nearest", {
      mode: "nearest",
      coordinate_transformation_mode: "asymmetric",
      nearest_mode: "floor",
    }),
  ],
  ["resize", node("Resize", ["map", "", "", "tall"], "linear", { mode: "linear" })],
  [
    "resize",
    node("Resize", ["map", "", "", "tall"], "corners", {
      mode: "linear",
      coordinate_transformation_mode: "align_corners",
    }),
  ],
  ...(["half_pixel_symmetric", "pytorch_half_pixel", "asymmetric"] as const).map(
    (rule) =>
      [
        "resize",
        node("Resize", ["map", "", "odd_scales"], `linear_${rule}`, {
          mode: "linear",
          coordinate_transformation_mode: rule,
        }),
      ] as const,
  ),
  [
    "resize",
    node("Resize", ["map", "", "odd_scales"], "nearest_ceil", {
      mode: "nearest",
      nearest_mode: "ceil",
    }),
  ],
  ["view", node("Resize", ["words", "", "row_scales"], "linear_row", { mode: "linear" })],
  ["conv-nd", node("Conv", ["words", "k_row"], "conv_row", { pads: [1, 0], group: 3 })],
  ["conv-nd", node("Conv", ["map", "map_kernel"], "conv_computed")],
  ["binary", node("Conv", ["volume", "k_volume", "b2"], "conv_volume", { strides: [1, 2, 1] })],
  [
    "conv-transpose-nd",
    node("ConvTranspose", ["words", "k_row_up"], "up_row", { strides: [2], pads: [1, 0] }),
  ],
  [
    "conv-transpose-nd",
    node("ConvTranspose", ["map", "k_up"], "up_same", { strides: [2, 2], auto_pad: "SAME_LOWER" }),
  ],
  ["pool-nd", node("AveragePool", ["words"], "mean_row", { kernel_shape: [3], pads: [1, 1] })],
  ["pool-nd", node("MaxPool", ["volume"], "max_volume", { kernel_shape: [2, 1, 2] })],
  ["reduce", node("GlobalAveragePool", ["volume"], "global_volume")],
  [
    "binary",
    node("Gemm", ["rows", "io", "b5"], "gemm_gains", { alpha: { float: 0.7 }, beta: { float: 3 } }),
  ],
  ["contract", node("Gemm", ["rows", "rows"], "gemm_turned", { transA: 1 })],
  ["contract", node("MatMul", ["heads", "stack"], "matmul_stack")],
  ["contract", node("MatMul", ["words", "d4"], "matmul_vector")],
  ["contract", node("MatMul", ["turned_words", "words"], "matmul_pairs")],
  ["contract", node("Einsum", ["heads", "heads"], "scores", { equation: "bhid,bhjd->bhij" })],
  ["contract", node("Einsum", ["rows", "io"], "implicit", { equation: "ij, jk" })],
  [
    "view",
    node("GroupNormalization", ["map", "two_up", "two_down"], "group_norm", { num_groups: 2 }),
  ],
  ["binary", node("LpNormalization", ["words"], "unit")],
  ["binary", node("LpNormalization", ["words"], "unit_sum", { p: 1, axis: 1 })],
  ["lrn", node("LRN", ["map"], "lrn", { size: 3, alpha: { float: 0.2 } })],
  ["elementwise", node("ReduceL2", ["map", "axes"], "l2")],
  ["reduce", node("ReduceL1", ["map", "axes"], "l1")],
  ["elementwise", node("ReduceLogSum", ["positive"], "log_sum")],
  ["binary", node("ReduceLogSumExp", ["map", "axes"], "log_sum_exp")],
  ["reduce", node("ReduceSumSquare", ["map", "axes"], "sum_square")],
  ["binary", node("LogSoftmax", ["heads"], "log_softmax", { axis: 1 })],
  ["resample", node("CumSum", ["words", "one_axis"], "cumulated", { exclusive: 1, reverse: 1 })],
  ["binary", node("PRelu", ["map", "slope"], "prelu")],
  ["elementwise", node("ThresholdedRelu", ["map"], "thresholded", { alpha: { float: 0.3 } })],
  ["elementwise", node("Celu", ["map"], "celu", { alpha: { float: 0.8 } })],
  ["elementwise", node("Shrink", ["map"], "hard_shrink")],
  [
    "elementwise",
    node("Shrink", ["map"], "soft_shrink", { lambd: { float: 0.4 }, bias: { float: 0.4 } }),
  ],
  ["merge", node("Sum", ["words", "rows", "c4"], "sum_three")],
  ["merge", node("Mean", ["words", "rows", "c4"], "mean_three")],
  ["binary", node("Max", ["words", "rows", "c4"], "max_three")],
  ["view", node("DepthToSpace", ["map"], "spread", { blocksize: 2 })],
  ["view", node("DepthToSpace", ["map"], "spread_crd", { blocksize: 2, mode: "CRD" })],
  ["view", node("SpaceToDepth", ["squares"], "gathered", { blocksize: 2 })],
  ["take", node("Tile", ["rows", "repeats"], "tiled")],
  [
    "concat",
    node("RNN", ["words", "rnn_w", "rnn_r"], "rnn", { hidden_size: 2, direction: "reverse" }),
  ],
  [
    "concat",
    node("GRU", ["words", "gru_w", "gru_r", "gru_b"], ["gru", "gru_last"], {
      hidden_size: 2,
      linear_before_reset: 1,
    }),
  ],
  [
    "concat",
    node("GRU", ["words", "gru_w", "gru_r", "gru_b", "", "h0"], "gru_before", { hidden_size: 2 }),
  ],
  [
    "concat",
    node(
      "LSTM",
      ["words", "lstm_w", "lstm_r", "lstm_b", "lengths", "h0_both", "c0_both", "lstm_p"],
      ["lstm", "lstm_last", "lstm_carry"],
      { hidden_size: 2, direction: "bidirectional" },
    ),
  ],
];

/** Nodes that are left to the runtime, and whether they round. */
const opaque: readonly (readonly [exact: boolean, node: NodeProto])[] = [
  [true, node("ArgMax", ["words"], "largest", { axis: -1 })],
  [true, node("Trilu", ["heads"], "triangle")],
  [false, node("Sinh", ["map"], "hyperbolic")],
  [false, node("Resize", ["map", "", "", "tall"], "cubic", { mode: "cubic" })],
  [
    false,
    node("RNN", ["words", "rnn_w", "rnn_r"], "clipped", { hidden_size: 2, clip: { float: 0.5 } }),
  ],
];

let process: OnnxRuntimeProcess;
let run: OnnxModelRun;
let architecture: Architecture;
let reference: OnnxModelReference;
let bounds: ReadonlyMap<string, Float32Array | null>;

const graph = {
  input: [
    ...inputs.map(({ name, shape, type = "float" }) =>
      value(
        name,
        shape,
        { float: ONNX_TYPE.float, int: ONNX_TYPE.int64, bool: ONNX_TYPE.bool }[type],
      ),
    ),
  ],
  output: [...cases, ...opaque].flatMap(([, { output = [] }]) => output.map((name) => ({ name }))),
  initializer: [
    ...initializer,
    wholes("last_axis", [-1]),
    wholes("repeats", [2, 1]),
    wholes("one_axis", [1], []),
    floats("slope", [4, 1, 1], { seed: 12 }),
    {
      name: "half_kernel",
      data_type: ONNX_TYPE.float16,
      dims: [4, 3],
      raw_data: new Uint8Array(
        halfFromFloat32(Float32Array.from({ length: 12 }, (_, k) => k / 7 - 1)).buffer,
      ),
    },
    floats("odd_scales", [4], [1, 1, 0.7, 1.6]),
    floats("row_scales", [3], [1, 1, 2]),
    floats("k_row", [6, 1, 2], { seed: 13 }),
    floats("k_volume", [2, 2, 2, 2, 2], { seed: 14 }),
    floats("b2", [2], { seed: 15 }),
    floats("k_row_up", [3, 2, 3], { seed: 16 }),
    floats("stack", [1, 2, 4, 5], { seed: 17 }),
    floats("two_up", [2], { seed: 18, from: 0.5 }),
    floats("two_down", [2], { seed: 19 }),
    floats("rnn_w", [1, 2, 4], { seed: 30 }),
    floats("rnn_r", [1, 2, 2], { seed: 31 }),
    floats("gru_w", [1, 6, 4], { seed: 32 }),
    floats("gru_r", [1, 6, 2], { seed: 33 }),
    floats("gru_b", [1, 12], { seed: 34 }),
    floats("h0", [1, 3, 2], { seed: 35 }),
    floats("lstm_w", [2, 8, 4], { seed: 36 }),
    floats("lstm_r", [2, 8, 2], { seed: 37 }),
    floats("lstm_b", [2, 16], { seed: 38 }),
    floats("lstm_p", [2, 6], { seed: 39 }),
    floats("h0_both", [2, 3, 2], { seed: 40 }),
    floats("c0_both", [2, 3, 2], { seed: 41 }),
    {
      ...wholes("lengths", [2, 2, 2]),
      data_type: ONNX_TYPE.int32,
      raw_data: new Uint8Array(Int32Array.of(2, 2, 2).buffer),
    },
  ],
  node: [...cases, ...opaque].map(([, one]) => one),
};

function fed(): Map<string, Tensor> {
  return new Map(
    inputs.map(({ name, shape, type = "float" }, k) => {
      const { data } = syntheticInput(shape, 20 + k);
      const from = {
        float: name === "positive" ? (u: number) => u + 0.1 : (u: number) => 4 * u - 2,
        int: (u: number) => Math.floor(9 * u),
        bool: Math.round,
      }[type];
      return [name, tensor(shape, data.map(from))];
    }),
  );
}

function numbersIn(model: OnnxModel, recorded: OnnxModelRun, name: string): number[] | undefined {
  const found = recorded.values.has(name) ? recorded.read(name)?.data : undefined;
  if (found !== undefined) return [...found];
  const stored = model.weights.tensors.find((one) => one.name === name);
  return stored && Array.from(readTensor(stored, "model").data as Float32Array, Number);
}

beforeAll(async () => {
  const model = onnxModelFrom(onnxBytes(graph), "all.onnx", null);
  const weights = weightsFromOnnx(model).map((spec) => ({
    spec,
    tensor: model.weights.get(spec.name),
  }));
  process = await OnnxRuntimeProcess.start(copiedTensors(weights, "all.onnx"));
  run = await OnnxModelRun.record(process, model, fed());
  const numbers = (name: string) => numbersIn(model, run, name);
  architecture = architectureFromOnnx(model, inputs, { values: run.values, numbers });
  reference = new OnnxModelReference(process, run, architecture);
  const taps = architecture.layers.map(({ id }) => id);
  const prepared = await recordTaps(reference, process, taps);
  bounds = new Map(
    prepared.plan.taps.map(({ id, shape, boundOffset }) => {
      if (boundOffset === undefined) return [id, null];
      const bound = new Float32Array(sizeOf(shape));
      readExactly(process.scratch.fd, bound, boundOffset);
      return [id, bound];
    }),
  );
}, 60_000);
afterAll(() => process?.close());

/** What our own lowering makes of a node, from the runtime's values before it. */
async function lowered(id: string): Promise<Tensor> {
  const tapped = new Set(architecture.layers.map((layer) => layer.id));
  tapped.delete(id);
  const { between, frontier } = new Ancestry(architecture).back(id, tapped);
  const known = new Map(
    [...frontier, ...inputs.map(({ name }) => name)].map((name) => [
      name,
      run.read(name) as Tensor,
    ]),
  );
  const { values } = await reference.compute(
    { operations: between, outputs: [{ tap: id, name: "value" }] },
    known,
  );
  return values.get("value") as Tensor;
}

describe("the reading of a node", () => {
  it.each(cases.map(([kind, one]) => [one.output?.at(-1) ?? "", kind] as const))(
    "%s is of kind %s and computes what ONNX Runtime does, within its bound",
    async (id, kind) => {
      const operation = architecture.operations.find((one) => one.id === id);
      expect(operation?.kind).toBe(kind);
      expect(operation?.shape).toEqual(run.values.get(id)?.shape);
      const [own, expected] = [await lowered(id), run.read(id) as Tensor];
      expect(own.shape).toEqual(expected.shape);
      const bound = bounds.get(id) ?? null;
      const over = own.data.findIndex(
        (v, k) => !(Math.abs(v - (expected.data[k] ?? 0)) <= (bound?.[k] ?? 0)),
      );
      expect([over, own.data[over], expected.data[over], bound?.[over]]).toEqual([
        -1,
        undefined,
        undefined,
        undefined,
      ]);
    },
  );
});

describe("a part of a node", () => {
  it("is a tap as any other, and what follows is bounded from there", async () => {
    const taps = ["layer_norm/normed", "layer_norm"];
    const parts = new OnnxModelReference(process, run, architecture);
    const prepared = await recordTaps(parts, process, taps);
    expect(prepared.plan.taps.map(({ frontier }) => frontier)).toEqual([
      ["words"],
      ["layer_norm/normed"],
    ]);
    const [normed] = prepared.plan.taps;
    const values = new Float32Array(24);
    readExactly(process.scratch.fd, values, normed?.offset ?? 0);
    for (let row = 0; row < 24; row += 4) {
      const sum = values.subarray(row, row + 4).reduce((a, b) => a + b, 0);
      expect(Math.abs(sum)).toBeLessThan(1e-5);
    }
    expect(parts.isDoubtful("layer_norm")).toBe(false);
  });
});

describe("a step that is not what we take it for", () => {
  it("is found out by the runtime's own values, and its noise is measured instead", async () => {
    const steeper = {
      ...architecture,
      operations: architecture.operations.map((one) =>
        one.id === "leaky" && one.kind === "activation"
          ? { ...one, attributes: { ...one.attributes, parameters: { slope: 0.02 } } }
          : one,
      ),
    };
    const doubting = new OnnxModelReference(process, run, steeper);
    await recordTaps(doubting, process, ["leaky", "tanh"]);
    expect([doubting.isDoubtful("leaky"), doubting.isDoubtful("tanh")]).toEqual([true, false]);
  });
});

describe("a node whose arithmetic is not known", () => {
  it.each(opaque.map(([exact, one]) => [one.output?.[0] ?? "", exact] as const))(
    "%s is left to the runtime (exact: %s)",
    (id, exact) => {
      const operation = architecture.operations.find((one) => one.id === id);
      expect(operation?.kind).toBe("opaque");
      expect(operation?.attributes).toMatchObject({ exact });
      const bound = bounds.get(id) ?? null;
      expect(bound === null).toBe(exact);
      const expected = run.read(id) as Tensor;
      // A measured floor sees a mistake of a thousandth, and lets rounding pass.
      for (const [k, limit] of bound?.entries() ?? []) {
        const size = Math.abs(expected.data[k] ?? 0);
        expect(limit).toBeGreaterThanOrEqual(size * 2 ** -22);
        expect(limit).toBeLessThan(1e-4);
      }
    },
  );
});
