import { InputError } from "../../errors.js";
import { openSource, refuseForeignContent } from "../../formats/byte-source.js";
import type { Inspection } from "../../report/inspection.js";
import { darknetConfigInspector } from "./darknet-config.js";
import { darknetWeightsInspector } from "./darknet-weights.js";
import type { Inspector, InspectRequest } from "./inspector.js";
import { kerasInspector } from "./keras.js";
import { checkpointInspector, safetensorsInspector } from "./named-tensors.js";
import { npyInspector, npzInspector } from "./npy.js";
import { onnxInspector } from "./onnx.js";

/** Every kind of file that can be inspected. Exactly one may claim a file. */
const INSPECTORS: readonly Inspector[] = [
  darknetConfigInspector,
  darknetWeightsInspector,
  npyInspector,
  npzInspector,
  kerasInspector,
  onnxInspector,
  safetensorsInspector,
  checkpointInspector,
];

/** First bytes that are enough for any inspector to know its own. */
const HEAD_BYTES = 512;

/**
 * Looks into a file of any known kind.
 *
 * @throws {InputError} when there is no such file, when nobody knows it, or when it is damaged
 */
export async function inspectFile(request: InspectRequest): Promise<Inspection> {
  const { path } = request;
  // Checkpoints and SavedModels are several files: a folder or a common beginning of names stands for them.
  if (checkpointInspector.claims(path, new Uint8Array(0))) {
    return await checkpointInspector.inspect(request);
  }
  const source = openSource(path);
  try {
    const head = source.read(0, Math.min(HEAD_BYTES, source.byteLength), "first bytes");
    const claiming = INSPECTORS.filter(({ claims }) => claims(path, head));
    const known = INSPECTORS.map(({ id }) => id).join(", ");
    if (claiming.length === 0) refuseForeignContent(source, `one of ${known}`);
    const [only] = claiming;
    if (only === undefined || claiming.length > 1) {
      const found = claiming.map(({ id }) => id).join(", ") || "none of the known kinds";
      throw new InputError("format", `${path}: looks like ${found}, expected one of ${known}`);
    }
    return await only.inspect(request);
  } finally {
    source.close();
  }
}
