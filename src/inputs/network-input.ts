import type { RgbImage } from "../port/port.js";
import { type Tensor, tensor } from "../tensor/tensor.js";
import { letterboxDarknet, resizeDarknet } from "./resize.js";

/** How an image becomes a network's input. */
export interface NetworkInputOptions {
  /** Size of the network's input, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Keep the aspect ratio, on grey, instead of stretching the image. */
  readonly letterbox: boolean;
}

/** An image as Darknet's `load_image` gives it: planar [3, height, width], RGB, 0…1 (level ÷ 255 in float32). */
export function planarFromRgb({ data, width, height }: RgbImage): Tensor {
  const plane = width * height;
  const planar = new Float32Array(3 * plane);
  for (let pixel = 0; pixel < plane; pixel++) {
    for (let c = 0; c < 3; c++) planar[c * plane + pixel] = (data[3 * pixel + c] as number) / 255;
  }
  return tensor([3, height, width], planar);
}

/**
 * An image as a Darknet network gets it: [1, 3, height, width], RGB, 0…1, resized or letterboxed
 * with Darknet's own arithmetic.
 *
 * @throws {RangeError} where a side of the image in the frame would have no pixel
 */
export function networkInput(image: RgbImage, options: NetworkInputOptions): Tensor {
  const { width, height, letterbox } = options;
  const place = letterbox ? letterboxDarknet : resizeDarknet;
  return tensor([1, 3, height, width], place(planarFromRgb(image), width, height).data);
}
