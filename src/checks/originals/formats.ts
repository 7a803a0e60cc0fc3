import { InputError } from "../../errors.js";
import { openSource, refuseForeignContent } from "../../formats/byte-source.js";
import { isDarknetConfig, isHdf5, isKerasArchive, isModelJson, isOnnxModel } from "./file-kinds.js";
import type { OpenRequest, Original, OriginalFormat } from "./original.js";
import { weightsOnly } from "./weights-only.js";

/** Every kind of file that `--original` takes. Exactly one may claim a file; the readers of the others are never loaded. */
export const ORIGINAL_FORMATS: readonly OriginalFormat[] = [
  {
    id: "Darknet configuration (.cfg)",
    claims: isDarknetConfig,
    open: async (request) => (await import("./darknet-original.js")).openDarknet(request),
  },
  {
    id: "Keras model (.keras, .h5, or model.to_json() as .json)",
    claims: (path, head) => isHdf5(head) || isKerasArchive(path, head) || isModelJson(head),
    open: async (request) => (await import("./keras-original.js")).openKeras(request),
  },
  {
    id: "ONNX model (.onnx)",
    claims: isOnnxModel,
    open: async (request) => (await import("./onnx-original.js")).openOnnx(request),
  },
];

/** First bytes that are enough for any format to know its own. */
const HEAD_BYTES = 4096;

/**
 * Opens an original of any known format.
 *
 * @throws {InputError} when there is no such file, nobody or more than one knows it, or it is damaged
 */
export async function openOriginalFile(request: OpenRequest): Promise<Original> {
  const { path } = request;
  const source = openSource(path);
  let format: OriginalFormat;
  try {
    const head = source.read(0, Math.min(HEAD_BYTES, source.byteLength), "first bytes");
    const claiming = ORIGINAL_FORMATS.filter(({ claims }) => claims(path, head));
    const known = ORIGINAL_FORMATS.map(({ id }) => id).join(", ");
    if (claiming.length === 0) {
      const alone = weightsOnly(path, head);
      if (alone !== null) {
        throw new InputError(
          "format",
          `--original ${path}: is ${alone}, which holds weights and no architecture; give it as --weights, and as --original what describes the model`,
        );
      }
      refuseForeignContent(source, `one of ${known}`);
    }
    const [only] = claiming;
    if (only === undefined || claiming.length > 1) {
      const found = claiming.map(({ id }) => id).join(", ") || "none of the known kinds";
      throw new InputError("format", `${path}: looks like ${found}, expected one of ${known}`);
    }
    format = only;
  } finally {
    source.close();
  }
  return await format.open(request);
}
