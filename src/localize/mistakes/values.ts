import { transpose } from "../../tensor/layout.js";
import { type Tensor, tensor } from "../../tensor/tensor.js";

/** Whether a value is the other up to rounding; `at` is its place. */
type Close = (a: number, e: number, at: number) => boolean;

/** Smallest difference of a factor from 1 that is named: below, it is better told as what it is, a wrong constant. */
const SMALLEST_SCALE = 0.01;

/** Channels looked at when two values are matched. */
const MAX_CHANNELS = 4096;

/**
 * What is wrong with values as a whole, whatever made them: channels exchanged, axes exchanged,
 * mirrored, shifted. Tried on the values themselves.
 *
 * @returns the cause, or `undefined` when none makes both equal
 */
export function rearranged(
  actual: Float32Array,
  expected: Tensor,
  close: Close,
): string | undefined {
  const moved =
    expected.shape.length === 4
      ? (exchangedChannels(actual, expected, close) ??
        exchangedAxes(actual, expected, close) ??
        otherOrder(actual, expected, close))
      : undefined;
  return moved ?? scaled(actual, expected, close);
}

/** The memory of one order of axes under the shape of the other. */
function otherOrder(actual: Float32Array, expected: Tensor, close: Close): string | undefined {
  const [batch = 1, channels = 1, height = 1, width = 1] = expected.shape;
  if (channels === 1 || height * width === 1) return undefined;
  const asNhwc = tensor([batch, height, width, channels], expected.data);
  const orders: (readonly [string, Tensor])[] = [
    ["memory in NCHW order under an NHWC shape", transpose(asNhwc, [0, 3, 1, 2])],
    ["memory in NHWC order under an NCHW shape", transpose(expected, [0, 2, 3, 1])],
  ];
  return orders.find(([, { data }]) =>
    data.every((e, at) => close(actual[at] as number, e, at)),
  )?.[0];
}

/** Every value times one factor: its own in the largest element, then held against all. */
function scaled(actual: Float32Array, { data }: Tensor, close: Close): string | undefined {
  let largest = 0;
  for (let at = 0; at < data.length; at++)
    if (Math.abs(data[at] as number) > Math.abs(data[largest] as number)) largest = at;
  const factor = (actual[largest] as number) / (data[largest] as number);
  if (!Number.isFinite(factor) || factor === 0 || Math.abs(factor - 1) < SMALLEST_SCALE)
    return undefined;
  const fits = data.every((e, at) => close((actual[at] as number) / factor, e, at));
  return fits
    ? `every value is ${Number(factor.toPrecision(4))} times the expected one`
    : undefined;
}

function exchangedChannels(
  actual: Float32Array,
  { data, shape }: Tensor,
  close: Close,
): string | undefined {
  const [batch = 1, channels = 1, height = 1, width = 1] = shape;
  const plane = height * width;
  if (channels > MAX_CHANNELS || channels < 2) return undefined;
  const same = (from: number, to: number): boolean => {
    for (let b = 0; b < batch; b++) {
      for (let i = 0; i < plane; i++) {
        const at = (b * channels + to) * plane + i;
        if (!close(actual[at] as number, data[(b * channels + from) * plane + i] as number, at))
          return false;
      }
    }
    return true;
  };
  const moved = Array.from({ length: channels }, (_, c) => c).filter((c) => !same(c, c));
  if (moved.length < 2) return undefined;
  const source = moved.map((to) => moved.find((from) => same(from, to)));
  if (source.some((from) => from === undefined)) return undefined;
  if (moved.length === 2) return `output channels ${moved[0]} and ${moved[1]} are exchanged`;
  const reversed = source.every((from, k) => from === moved[moved.length - 1 - k]);
  return reversed
    ? "output channels are in reversed order"
    : `${moved.length} output channels are permuted: ${moved
        .slice(0, 4)
        .map((to, k) => `${to} holds ${source[k]}`)
        .join(", ")} …`;
}

function exchangedAxes(
  actual: Float32Array,
  { data, shape }: Tensor,
  close: Close,
): string | undefined {
  const [batch = 1, channels = 1, height = 1, width = 1] = shape;
  type Map = readonly [
    cause: string,
    y: (y: number, x: number) => number,
    x: (y: number, x: number) => number,
  ];
  const maps: Map[] = [
    ["mirrored from left to right", (y) => y, (_, x) => width - 1 - x],
    ["upside down", (y) => height - 1 - y, (_, x) => x],
    ["moved by one pixel to the left", (y) => y, (_, x) => x + 1],
    ["moved by one pixel to the right", (y) => y, (_, x) => x - 1],
    ["moved by one pixel up", (y) => y + 1, (_, x) => x],
    ["moved by one pixel down", (y) => y - 1, (_, x) => x],
  ];
  if (height === width) maps.push(["height and width are exchanged", (_, x) => x, (y) => y]);
  const fits = ([, rowOf, columnOf]: Map): boolean => {
    let compared = 0;
    for (let plane = 0; plane < batch * channels; plane++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const [row, column] = [rowOf(y, x), columnOf(y, x)];
          if (row < 0 || column < 0 || row >= height || column >= width) continue;
          const at = (plane * height + y) * width + x;
          if (
            !close(
              actual[at] as number,
              data[(plane * height + row) * width + column] as number,
              at,
            )
          )
            return false;
          compared += 1;
        }
      }
    }
    return compared > batch * channels;
  };
  return maps.find(fits)?.[0];
}
