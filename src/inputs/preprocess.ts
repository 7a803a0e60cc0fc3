import { InputError } from "../errors.js";
import type { RgbImage } from "../port/port.js";
import type { Layout } from "../tensor/layout.js";

/**
 * How pixels become numbers: the modes of `keras.applications.imagenet_utils.preprocess_input`, and
 * two that many models have instead.
 *
 * - `tf`: x ÷ 127.5 − 1, RGB (MobileNet, Inception, Xception, NASNet, ResNetV2);
 * - `caffe`: BGR, the mean of ImageNet subtracted, not scaled (VGG, ResNet);
 * - `torch`: x ÷ 255, then (x − mean) ÷ standard deviation of ImageNet, RGB (DenseNet, torchvision);
 * - `unit`: x ÷ 255, RGB;
 * - `raw`: 0…255, RGB (EfficientNet, MobileNetV3, ConvNeXt: the model scales itself).
 */
export const PREPROCESS_MODES = ["tf", "caffe", "torch", "unit", "raw"] as const;

export type PreprocessMode = (typeof PREPROCESS_MODES)[number];

/** ImageNet's mean and deviation, red first, of values 0…1 (torch) and, blue first, 0…255 (caffe). */
const TORCH_MEAN = [0.485, 0.456, 0.406] as const;
const TORCH_STD = [0.229, 0.224, 0.225] as const;
const CAFFE_MEAN = [103.939, 116.779, 123.68] as const;

/** One level (0…255) of channel `c` of the result. Every step is rounded to float32, as numpy does. */
function valueAt(mode: PreprocessMode, level: number, c: number): number {
  const f = Math.fround;
  switch (mode) {
    case "tf":
      return f(f(level / 127.5) - 1);
    case "caffe":
      return f(level - f(CAFFE_MEAN[c] ?? 0));
    case "torch":
      return f(f(f(level / 255) - f(TORCH_MEAN[c] ?? 0)) / f(TORCH_STD[c] ?? 1));
    case "unit":
      return f(level / 255);
    case "raw":
      return level;
  }
}

/**
 * An image as a network of Keras or PyTorch gets it: resized to the nearest pixel (what
 * `keras.utils.load_img(target_size=…)` does by default), then its levels in the mode given.
 *
 * @param size - of the network's input, in pixels; `channels` 3, or 1 for the luma of the image
 * @returns one image, row-major in the layout asked for
 * @throws {InputError} `option` for a mode of colours where the network has one channel
 */
export function imageValues(
  image: RgbImage,
  size: { readonly width: number; readonly height: number; readonly channels: number },
  mode: PreprocessMode,
  layout: Layout,
): Float32Array {
  const { width, height, channels } = size;
  if (channels === 1 && (mode === "caffe" || mode === "torch")) {
    throw new InputError(
      "option",
      `--preprocess ${mode}: is for colours, the network's input has one channel; expected tf, unit or raw`,
    );
  }
  const values = new Float32Array(width * height * channels);
  const plane = width * height;
  for (let y = 0; y < height; y++) {
    const row = sourceOf(y, height, image.height) * image.width;
    for (let x = 0; x < width; x++) {
      const pixel = 3 * (row + sourceOf(x, width, image.width));
      for (let c = 0; c < channels; c++) {
        const level =
          channels === 1 ? luma(image.data, pixel) : levelAt(image.data, pixel, c, mode);
        const at = layout === "nhwc" ? (y * width + x) * channels + c : c * plane + y * width + x;
        values[at] = valueAt(mode, level, c);
      }
    }
  }
  return values;
}

/** PIL's nearest neighbour: the pixel under the centre. */
function sourceOf(position: number, size: number, from: number): number {
  return Math.min(from - 1, Math.floor((position + 0.5) * (from / size)));
}

function levelAt(data: Uint8Array, pixel: number, c: number, mode: PreprocessMode): number {
  return data[pixel + (mode === "caffe" ? 2 - c : c)] as number;
}

/** PIL's `convert("L")`: ITU-R 601-2 luma in 16-bit fixed point. */
function luma(data: Uint8Array, pixel: number): number {
  const [r, g, b] = [data[pixel] ?? 0, data[pixel + 1] ?? 0, data[pixel + 2] ?? 0];
  return (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
}
