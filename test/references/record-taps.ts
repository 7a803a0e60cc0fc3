import type { EmbeddedReference } from "../../src/references/onnxruntime/embedded-reference.js";
import type { OnnxRuntimeProcess } from "../../src/references/onnxruntime/onnxruntime-process.js";
import type { PreparedTaps } from "../../src/references/onnxruntime/prepare-taps.js";
import { functionErrorOf } from "../../src/runtime/function-errors.js";

/** Records these taps, each from those before it, with the bounds of a port in plain JavaScript. */
export async function recordTaps(
  reference: EmbeddedReference,
  { scratch }: OnnxRuntimeProcess,
  taps: readonly string[],
): Promise<PreparedTaps> {
  const prepared = reference.prepare({
    taps,
    cut: new Set(taps),
    layout: "nchw",
    functionError: reference.functionError(functionErrorOf("plain")),
    scratch,
    negativeSide: () => false,
  });
  await reference.record(prepared, new Map(), () => undefined);
  return prepared;
}
