import { dirname } from "node:path";
import type { WeightSpec } from "../architecture/architecture.js";
import { externalRange } from "../formats/onnx/external-data.js";
import type { OnnxModel } from "../formats/onnx/model-reader.js";
import { ONNX_EXTERNAL, ONNX_TYPE, type TensorProto } from "../formats/onnx/schema.js";
import { sizeOf } from "../tensor/tensor.js";
import { copiedTensors } from "./tensor-file-weights.js";
import type { WeightEntry, WeightStoreDescription } from "./weight-store.js";

/**
 * An ONNX model's weights as a store. Where all of them lie as float32 in one file (the model's own, or one of
 * external data) they are read from there and nothing is copied; else they are widened into memory.
 *
 * @throws {InputError} when external data is missing, too short, or outside the model's folder
 */
export function onnxWeights(
  model: OnnxModel,
  path: string,
  specs: readonly WeightSpec[],
): WeightStoreDescription {
  const protos = new Map(
    (model.proto.graph?.initializer ?? []).map((proto) => [proto.name ?? "", proto]),
  );
  const places = specs.map((spec) => placeOf(protos.get(spec.name), spec, model, path));
  const [first] = places;
  if (first !== undefined && first !== null && places.every((one) => one?.path === first.path)) {
    const entries = specs.map((spec, k): WeightEntry => {
      const offset = places[k]?.offset ?? 0;
      return { ...spec, offset, storage: "plain" };
    });
    return { source: { kind: "file", path: first.path }, entries };
  }
  const pairs = specs.map((spec) => ({ spec, tensor: model.weights.get(spec.name) }));
  return copiedTensors(pairs, path);
}

/** Where a tensor's values lie, in bytes from the start of a file; `null` where they must be converted. */
function placeOf(
  proto: TensorProto | undefined,
  { name, shape }: WeightSpec,
  { bytes }: OnnxModel,
  path: string,
): { readonly path: string; readonly offset: number } | null {
  if (proto === undefined || proto.data_type !== ONNX_TYPE.float) return null;
  if (proto.data_location === ONNX_EXTERNAL) {
    const where = `${path}: initializer "${name}"`;
    return externalRange(proto, 4 * sizeOf(shape), dirname(path), where);
  }
  const raw = proto.raw_data;
  if (raw === undefined || raw.buffer !== bytes.buffer) return null;
  return { path, offset: raw.byteOffset - bytes.byteOffset };
}
