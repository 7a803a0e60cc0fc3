import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeModel } from "../../src/formats/onnx/schema.js";
import { syntheticInput } from "../../src/weights/synthetic.js";
import { writeKeras2 } from "../../test/formats/keras/write-model.js";
import { safetensorsBytes } from "../../test/formats/safetensors/write-safetensors.js";
import { keras2 } from "../../test/models/tfjs/keras-models.js";

/** Layers of a thousand by a thousand weights: 4 MB each. */
const SIDE = 1000;

/** The same weights in each format. */
export interface LargeFiles {
  readonly h5: string;
  readonly safetensors: string;
  /** Its weights lie in a file beside it. */
  readonly onnx: string;
  /** Of the values alone. */
  readonly bytes: number;
}

/** Writes models of `count` dense layers into a folder. */
export async function writeLargeFiles(folder: string, count: number): Promise<LargeFiles> {
  mkdirSync(folder, { recursive: true });
  const shape = [SIDE, SIDE];
  const names = Array.from({ length: count }, (_, k) => `l${k}`);
  const values = names.map((_, k) => syntheticInput(shape, k + 1).data);
  const tensors = names.map((name, k) => {
    const { buffer } = values[k] as Float32Array;
    return {
      name: `${name}/kernel`,
      dtype: "F32",
      shape,
      bytes: new Uint8Array(buffer as ArrayBuffer),
    };
  });
  const path = (name: string) => join(folder, name);
  writeFileSync(path("model.safetensors"), safetensorsBytes(tensors));
  writeFileSync(path("weights.bin"), Buffer.concat(tensors.map(({ bytes }) => bytes)));
  writeFileSync(path("model.onnx"), onnxModel(tensors.map(({ name }) => name)));
  const layers = names.map((name, k) => ({
    name,
    kind: "Dense",
    config: { units: SIDE, use_bias: false },
    calls: [[names[k - 1] ?? "input"]],
  }));
  const written = await writeKeras2(
    keras2([null, SIDE], layers),
    names.map((name, k) => ({
      name,
      weights: [{ name: `${name}/kernel:0`, shape, values: values[k] as unknown as number[] }],
    })),
  );
  renameSync(written, path("model.h5"));
  return {
    h5: path("model.h5"),
    safetensors: path("model.safetensors"),
    onnx: path("model.onnx"),
    bytes: 4 * SIDE * SIDE * count,
  };
}

function onnxModel(names: readonly string[]): Uint8Array {
  const length = 4 * SIDE * SIDE;
  const initializer = names.map((name, k) => ({
    name,
    dims: [SIDE, SIDE],
    data_type: 1,
    data_location: 1,
    external_data: [
      { key: "location", value: "weights.bin" },
      { key: "offset", value: `${k * length}` },
      { key: "length", value: `${length}` },
    ],
  }));
  const io = (name: string) => ({ name, type: { tensor_type: { elem_type: 1 } } });
  const node = names.map((name, k) => ({
    op_type: "MatMul",
    input: [k === 0 ? "x" : `y${k - 1}`, name],
    output: [`y${k}`],
  }));
  const graph = {
    name: "g",
    input: [io("x")],
    output: [io(`y${names.length - 1}`)],
    initializer,
    node,
  };
  return encodeModel({ ir_version: 9, opset_import: [{ domain: "", version: 18 }], graph });
}
