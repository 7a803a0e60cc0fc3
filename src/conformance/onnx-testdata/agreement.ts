import { existsSync } from "node:fs";
import { join } from "node:path";
import type ort from "onnxruntime-node";
import { float32FromHalf } from "../../formats/small-floats.js";
import { readTensor, type StoredTensor } from "../../formats/tensor-file.js";
import { recordedTensor } from "./recorded-tensor.js";

/** Tolerance of the ONNX project's own runner: |a − e| ≤ atol + rtol·|e| (onnx/backend/test/loader). */
const RTOL = 1e-3;
const ATOL = 1e-7;

/** Whether a run gave the recorded outputs of a case (`output_0.pb`, …); those that are no tensors count as right. */
export function agrees(outputs: readonly (ort.Tensor | undefined)[], folder: string): boolean {
  return outputs.every((output, k) => {
    const path = join(folder, "test_data_set_0", `output_${k}.pb`);
    const expected = existsSync(path) ? recordedTensor(path) : undefined;
    return output === undefined || expected === undefined || outputAgrees(output, expected);
  });
}

function outputAgrees(output: ort.Tensor, expected: StoredTensor): boolean {
  if (`${output.dims}` !== `${expected.shape}`) return false;
  if (expected.dtype === "string") {
    const texts = expected.strings().map((text) => Buffer.from(text).toString());
    return JSON.stringify(output.data) === JSON.stringify(texts);
  }
  const { data } = readTensor(expected, expected.name);
  const actual =
    output.type === "float16" ? float32FromHalf(output.data as Uint16Array) : output.data;
  return Array.prototype.every.call(data, (e: number | bigint, k: number) =>
    close(Number(actual[k]), Number(e)),
  );
}

function close(actual: number, expected: number): boolean {
  if (Object.is(actual, expected) || actual === expected) return true;
  return Math.abs(actual - expected) <= ATOL + RTOL * Math.abs(expected);
}
