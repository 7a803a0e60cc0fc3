import type { ArchitectureInput } from "../../architecture/architecture.js";
import { InputError } from "../../errors.js";
import { imageValues, PREPROCESS_MODES, type PreprocessMode } from "../../inputs/preprocess.js";
import type { ImageReader } from "../../inputs/read-inputs.js";
import type { Layout } from "../../tensor/layout.js";

/** Size of an input in pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/** What an input's shape is as an image; `null` where it can be none (1 or 3 channels, floats). */
export function imageSizeOf(
  { shape, type = "float" }: ArchitectureInput,
  layout: Layout,
): ImageSize | null {
  if (shape.length !== 4 || type !== "float") return null;
  const [, a = 1, b = 1, c = 1] = shape;
  const size =
    layout === "nhwc" ? { height: a, width: b, channels: c } : { channels: a, height: b, width: c };
  return size.channels === 1 || size.channels === 3 ? size : null;
}

/** How images become values of an input of a Keras or ONNX original; `null` where it is no image. */
export function imageReader(
  input: ArchitectureInput,
  layout: Layout,
  mode: PreprocessMode | null,
): ImageReader | null {
  const size = imageSizeOf(input, layout);
  if (size === null) return null;
  return (path, image) => {
    if (mode !== null) return imageValues(image, size, mode, layout);
    throw new InputError(
      "option",
      `${path}: nothing says how this model wants its pixels; give --preprocess with one of ${PREPROCESS_MODES.join(", ")} (as its keras.applications preprocess_input does), or a .npy of shape [${input.shape}]`,
    );
  };
}
