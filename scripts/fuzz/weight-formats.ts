import { fileURLToPath } from "node:url";
import { sourceFromBytes } from "../../src/formats/byte-source.js";
import { exposeOutputs } from "../../src/formats/onnx/expose-outputs.js";
import { onnxModelFrom } from "../../src/formats/onnx/model-reader.js";
import { encodeModel } from "../../src/formats/onnx/schema.js";
import { safetensorsFrom } from "../../src/formats/safetensors/reader.js";
import { readTensor, type StoredTensor } from "../../src/formats/tensor-file.js";
import { type Bundle, readBundle } from "../../src/formats/tf-checkpoint/bundle.js";
import { checkpoint } from "../../src/formats/tf-checkpoint/reader.js";
import { readV1 } from "../../src/formats/tf-checkpoint/v1.js";
import { safetensorsBytes } from "../../test/formats/safetensors/write-safetensors.js";
import {
  bundleEntries,
  objectGraphBytes,
  stringBytes,
  v1Entries,
} from "../../test/formats/tf-checkpoint/write-checkpoint.js";
import { type KeyValue, tableBytes } from "../../test/formats/tf-checkpoint/write-table.js";
import { damaged } from "./damage.js";
import type { FuzzFormat } from "./format.js";
import type { Random } from "./random.js";

const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

/** Reads what can be read; the error of each tensor counts, so all are asked for and the first is thrown. */
function readAll(tensors: readonly StoredTensor[]): void {
  let first: unknown;
  for (const tensor of tensors) {
    try {
      if (tensor.dtype === "string") tensor.strings();
      else readTensor(tensor, "fuzz");
    } catch (error) {
      first ??= error;
      if ((error as Error).name !== "InputError") throw error;
    }
  }
  if (first !== undefined) throw first;
}

const SAFETENSORS = safetensorsBytes(
  [
    { name: "conv.weight", dtype: "F32", shape: [2, 1, 2, 2], bytes: f32(1, 2, 3, 4, 5, 6, 7, 8) },
    { name: "half", dtype: "F16", shape: [3], bytes: Uint8Array.of(0, 60, 1, 0, 0, 252) },
    { name: "scalar", dtype: "I64", shape: [], bytes: new Uint8Array(8) },
    { name: "empty", dtype: "BOOL", shape: [0, 2], bytes: new Uint8Array(0) },
  ],
  { format: "pt" },
);

const safetensors: FuzzFormat = {
  id: "safetensors",
  read: (random) => {
    const bytes = damaged(SAFETENSORS, random);
    readAll(safetensorsFrom(sourceFromBytes(bytes, "fuzz.safetensors")).tensors);
  },
};

const KEY = "model/kernel/.ATTRIBUTES/VARIABLE_VALUE";
const slice = (start: number, length: number) => [
  { start: 0, length: null },
  { start, length },
];
const BUNDLE = bundleEntries(
  [
    {
      name: "_CHECKPOINTABLE_OBJECT_GRAPH",
      dataType: 7,
      shape: [],
      ...stringBytes([
        objectGraphBytes([
          { children: { model: 1, optimizer: 2 } },
          { children: { kernel: 3 } },
          { children: { iter: 4, learning_rate: 5 }, slots: [{ original: 3, slot: "m", node: 6 }] },
          { variable: { fullName: "kernel", key: KEY } },
          {},
          {},
          {},
        ]),
      ]),
    },
    { name: KEY, dataType: 1, shape: [2, 2], bytes: f32(1, 2, 3, 4) },
    { name: "names", dataType: 7, shape: [2], ...stringBytes(["a", "bc"]) },
    {
      name: "split",
      dataType: 1,
      shape: [2, 3],
      bytes: f32(),
      slices: [
        { slice: slice(0, 1), bytes: f32(1, 4) },
        { slice: slice(1, 2), bytes: f32(2, 3, 5, 6) },
      ],
    },
    { name: "step", dataType: 9, shape: [], bytes: new Uint8Array(8) },
  ],
  1,
);

function readWhole(bundle: Bundle): void {
  const file = checkpoint("fuzz", "v2", bundle, () => undefined);
  file.roles();
  readAll(file.tensors);
}

function readBundleBytes(index: Uint8Array, data: Uint8Array): void {
  readWhole(
    readBundle(sourceFromBytes(index, "fuzz.index"), () => sourceFromBytes(data, "fuzz.data")),
  );
}

/** The files as they are on disk: most damage is found by a checksum. */
const tfCheckpoint: FuzzFormat = {
  id: "tf-checkpoint",
  read: (random) => {
    const index = tableBytes(BUNDLE.entries, { blockBytes: 100, restartInterval: 2 });
    const data = BUNDLE.data[0] ?? new Uint8Array(0);
    if (random.below(4) === 0) readBundleBytes(index, damaged(data, random));
    else readBundleBytes(damaged(index, random), data);
  },
};

/** One entry damaged and the checksums of the table right again: what a hostile writer would do. */
function hostileTable(entries: readonly KeyValue[], random: Random): Uint8Array {
  const at = random.below(entries.length);
  const changed = entries.map(([key, value], k): KeyValue => {
    if (k !== at) return [key, value];
    return random.below(4) === 0 ? [damaged(key, random), value] : [key, damaged(value, random)];
  });
  const compress = (bytes: Uint8Array) =>
    random.below(8) === 0 ? damaged(bytes, random) : Uint8Array.from(bytes);
  const type = random.below(3) === 0 ? 1 : 0;
  return tableBytes(changed, {
    blockBytes: 1 + random.below(200),
    restartInterval: 1 + random.below(4),
    ...(random.below(6) === 0 && { compress: { type, run: compress } }),
  });
}

const tfCheckpointHostile: FuzzFormat = {
  id: "tf-checkpoint-hostile",
  read: (random) => readBundleBytes(hostileTable(BUNDLE.entries, random), BUNDLE.data[0] ?? f32()),
};

const PROTO = Uint8Array.of(0x2a, 8, ...f32(1.5, -2));
const V1 = v1Entries([
  { name: "a/kernel", dataType: 1, shape: [2], values: [{ proto: PROTO }] },
  {
    name: "split",
    dataType: 1,
    shape: [2, 2],
    values: [
      { slice: slice(0, 1), proto: PROTO },
      { slice: slice(1, 1), proto: PROTO },
    ],
  },
  { name: "n", dataType: 9, shape: [], values: [{ proto: Uint8Array.of(0x52, 1, 7) }] },
]);

const tfCheckpointV1: FuzzFormat = {
  id: "tf-checkpoint-v1",
  read: (random) => {
    const whole = random.below(2) === 0;
    const bytes = whole ? damaged(tableBytes(V1), random) : hostileTable(V1, random);
    readWhole(readV1([sourceFromBytes(bytes, "fuzz.ckpt")]));
  },
};

const io = (name: string) => ({
  name,
  type: {
    tensor_type: {
      elem_type: 1,
      shape: { dim: [{ dim_value: 2 }, { dim_param: "n" }] },
    },
  },
});
const EXTERNAL = {
  name: "e",
  dims: [2],
  data_type: 1,
  data_location: 1,
  external_data: [{ key: "location", value: "weights.bin" }],
};

/** A model; its last weight lies in another file or not. */
const onnxBytes = (external: boolean) =>
  encodeModel({
    ir_version: 9,
    producer_name: "fuzz",
    opset_import: [{ domain: "", version: 18 }],
    graph: {
      name: "g",
      input: [io("x")],
      output: [io("y")],
      value_info: [io("h")],
      initializer: [
        { name: "w", dims: [2, 2], data_type: 1, raw_data: f32(1, 2, 3, 4) },
        { name: "f", dims: [2], data_type: 1, float_data: [1, 2] },
        { name: "b", dims: [2], data_type: 16, int32_data: [0x3f80, 0] },
        { name: "i", dims: [1], data_type: 7, int64_data: [-1] },
        { name: "s", dims: [1], data_type: 8, string_data: [Buffer.from("a")] },
        ...(external ? [EXTERNAL] : []),
      ],
      node: [
        { op_type: "MatMul", input: ["x", "w"], output: ["h"], name: "mm" },
        {
          op_type: "If",
          input: ["c"],
          output: ["z"],
          attribute: [{ name: "then_branch", type: 5, g: { node: [{ op_type: "Relu" }] } }],
        },
        {
          op_type: "Cast",
          input: ["b"],
          output: ["y"],
          attribute: [{ name: "to", type: 2, i: 1 }],
        },
      ],
    },
    functions: [{ name: "F", domain: "d", node: [{ op_type: "Neg" }] }],
  });

const ONNX = onnxBytes(false);
const ONNX_EXTERNAL = onnxBytes(true);

const onnx: FuzzFormat = {
  id: "onnx",
  read: (random) => {
    // A folder without such files: what external data asks for is refused or not found.
    const folder = fileURLToPath(new URL(".", import.meta.url));
    const model = onnxModelFrom(
      damaged(random.below(4) === 0 ? ONNX_EXTERNAL : ONNX, random),
      "fuzz.onnx",
      folder,
    );
    exposeOutputs(
      model,
      model.taps.map(({ name }) => name),
    );
    readAll(model.weights.tensors);
  },
};

/** Formats of weights that have no model beside them, and ONNX. */
export const WEIGHT_FORMATS: readonly FuzzFormat[] = [
  safetensors,
  tfCheckpoint,
  tfCheckpointHostile,
  tfCheckpointV1,
  onnx,
];
