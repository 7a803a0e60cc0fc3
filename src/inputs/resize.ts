import { type Tensor, tensor } from "../tensor/tensor.js";

const f32 = Math.fround;

/**
 * Darknet's `resize_image` on a planar image [channels, height, width], values unchanged in range:
 * corner-aligned bilinear, first along the rows, then along the columns, in float32 arithmetic.
 *
 * Its rounding is kept, because it is not small: where the last row's position (height − 1)·scale
 * falls just below the image's last row, the last row comes out nearly black (60 of the input heights
 * 100…1100 do so at 416). To a height of 1 it divides 0 by 0: the row is NaN. An image that has the
 * size already is returned as it is.
 *
 * Source: AlexeyAB/darknet `src/image.c: resize_image`.
 *
 * @throws {RangeError} for an image that is not of rank 3, or empty, or a size below 1
 */
export function resizeDarknet(image: Tensor, width: number, height: number): Tensor {
  const [channels, fromHeight, fromWidth] = planarShape(image);
  if (!(width >= 1 && height >= 1))
    throw new RangeError(`size ${width}x${height}, expected from 1`);
  if (fromWidth === width && fromHeight === height) return image;
  const wide = resizeRows(image.data, channels * fromHeight, fromWidth, width);
  const result = new Float32Array(channels * height * width);
  const scale = f32((fromHeight - 1) / (height - 1));
  for (let row = 0; row < height; row++) {
    const y = f32(row * scale);
    const above = Math.trunc(y);
    const part = f32(y - above);
    // The last row gets no partner, whatever its weight is: that is what makes it black.
    const alone = row === height - 1 || fromHeight === 1;
    for (let c = 0; c < channels; c++) {
      const from = (c * fromHeight + above) * width;
      const to = (c * height + row) * width;
      for (let x = 0; x < width; x++) {
        const upper = f32(f32(1 - part) * (wide[from + x] ?? Number.NaN));
        result[to + x] = alone ? upper : upper + f32(part * (wide[from + width + x] as number));
      }
    }
  }
  return tensor([channels, height, width], result);
}

/** Each row stretched or shrunk; the last column is copied, so it is never black. */
function resizeRows(data: Float32Array, rows: number, from: number, to: number): Float32Array {
  const result = new Float32Array(rows * to);
  const scale = f32((from - 1) / (to - 1));
  for (let column = 0; column < to; column++) {
    const x = f32(column * scale);
    const left = Math.trunc(x);
    const part = f32(x - left);
    const last = column === to - 1 || from === 1;
    for (let row = 0; row < rows; row++) {
      const at = row * from;
      result[row * to + column] = last
        ? (data[at + from - 1] as number)
        : f32(f32(1 - part) * (data[at + left] as number)) +
          f32(part * (data[at + left + 1] as number));
    }
  }
  return result;
}

/**
 * Darknet's `letterbox_image`: the image resized with its aspect ratio kept (sizes by integer
 * division), in the middle of a grey (0.5) frame, at (frame − image)/2 rounded down.
 *
 * Source: AlexeyAB/darknet `src/image.c: letterbox_image`; pjreddie's is the same.
 *
 * @returns [channels, height, width]
 * @throws {RangeError} where the image would get a side of 0 pixels, and as {@link resizeDarknet}
 */
export function letterboxDarknet(image: Tensor, width: number, height: number): Tensor {
  const [channels, fromHeight, fromWidth] = planarShape(image);
  const byWidth = f32(width / fromWidth) < f32(height / fromHeight);
  const newWidth = byWidth ? width : Math.trunc((fromWidth * height) / fromHeight);
  const newHeight = byWidth ? Math.trunc((fromHeight * width) / fromWidth) : height;
  const resized = resizeDarknet(image, newWidth, newHeight);
  const result = new Float32Array(channels * height * width).fill(0.5);
  const left = Math.trunc((width - newWidth) / 2);
  const top = Math.trunc((height - newHeight) / 2);
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < newHeight; row++) {
      const from = (c * newHeight + row) * newWidth;
      const to = (c * height + top + row) * width + left;
      result.set(resized.data.subarray(from, from + newWidth), to);
    }
  }
  return tensor([channels, height, width], result);
}

function planarShape({ shape, data }: Tensor): readonly [number, number, number] {
  const [channels, height, width] = shape;
  if (shape.length !== 3 || data.length === 0) {
    throw new RangeError(`image of shape [${shape}], expected [channels, height, width]`);
  }
  return [channels as number, height as number, width as number];
}
