import type { TensorSlice } from "./messages.js";

/**
 * The key under which one slice of a tensor lies: number 0, name, number of axes, then start and
 * length of each (-1 for a whole axis), in an encoding that sorts as the values do.
 *
 * @see tensorflow/core/util/saved_tensor_slice_util.cc, `EncodeTensorNameSlice`
 */
export function sliceKey(name: string, slice: TensorSlice): Uint8Array {
  const extents = slice.flatMap(({ start, length }) => [
    ...signedNumber(start),
    ...signedNumber(length ?? -1),
  ]);
  return Uint8Array.from([...number(0), ...text(name), ...number(slice.length), ...extents]);
}

/** Whether a key is that of a slice: names of tensors do not begin with a zero byte. */
export function isSliceKey(key: Uint8Array): boolean {
  return key[0] === 0;
}

/** Length in bytes, then the bytes, largest first. */
function number(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [bytes.length, ...bytes];
}

/** Zero and 255 are escaped, 0 1 ends the text. */
function text(value: string): number[] {
  const escaped = [...Buffer.from(value)].flatMap((byte) =>
    byte === 0 ? [0, 255] : byte === 255 ? [255, 0] : [byte],
  );
  return [...escaped, 0, 1];
}

/** What begins a number of 1 to 10 bytes: as many ones as it has bytes, then a zero. */
const LENGTH_BITS = [
  [0x80, 0],
  [0xc0, 0],
  [0xe0, 0],
  [0xf0, 0],
  [0xf8, 0],
  [0xfc, 0],
  [0xfe, 0],
  [0xff, 0],
  [0xff, 0x80],
  [0xff, 0xc0],
] as const;

/** Two's complement, largest byte first, its first bits exchanged for those that tell the length. */
function signedNumber(value: number): number[] {
  const wide = BigInt(value);
  const magnitude = wide < 0n ? ~wide : wide;
  const bits = magnitude === 0n ? 0 : magnitude.toString(2).length;
  const length = Math.floor(bits / 7) + 1;
  const bytes = Array.from({ length }, (_, k) =>
    Number((wide >> BigInt(8 * (length - 1 - k))) & 255n),
  );
  const [first, second] = LENGTH_BITS[length - 1] ?? [0, 0];
  return bytes.map((byte, k) => byte ^ (k === 0 ? first : k === 1 ? second : 0));
}
