import { InputError } from "../../errors.js";
import { ByteCursor } from "../byte-cursor.js";

/**
 * A copy element of 3 bytes makes at most 64, so nothing grows more than this; a greater claim is
 * refused before its memory is taken.
 */
const MAX_GROWTH = 22;

/**
 * Decompresses one snappy block.
 *
 * @see https://github.com/google/snappy/blob/main/format_description.txt
 * @throws {InputError} `corrupt` or `truncated`
 */
export function snappyDecompress(block: Uint8Array, where: string): Uint8Array {
  const cursor = new ByteCursor(block, where);
  const length = cursor.varint("uncompressed length");
  if (length > MAX_GROWTH * block.length) {
    throw new InputError(
      "corrupt",
      `${where}: ${block.length} compressed bytes claim to hold ${length}, expected at most ${MAX_GROWTH} times as many`,
    );
  }
  const output = new Uint8Array(length);
  let at = 0;
  while (cursor.left > 0) {
    const element = nextElement(cursor);
    const count = element.kind === "literal" ? element.bytes.length : element.length;
    if (count > length - at) {
      throw new InputError(
        "corrupt",
        `${where}: decompresses to more than the ${length} bytes it claims`,
      );
    }
    if (element.kind === "literal") output.set(element.bytes, at);
    else copyBack(output, at, element.offset, count, where);
    at += count;
  }
  if (at < length) {
    throw new InputError("truncated", `${where}: decompresses to ${at} bytes, expected ${length}`);
  }
  return output;
}

type Element =
  | { readonly kind: "literal"; readonly bytes: Uint8Array }
  | { readonly kind: "copy"; readonly offset: number; readonly length: number };

/** The two low bits of the tag are the kind of element, the rest (part of) a length. */
function nextElement(cursor: ByteCursor): Element {
  const tag = cursor.u8("tag");
  const upper = tag >> 2;
  switch (tag & 3) {
    case 0: {
      const length = upper < 60 ? upper : littleEndian(cursor, upper - 59, "literal length");
      return { kind: "literal", bytes: cursor.bytes(length + 1, "literal") };
    }
    case 1: {
      const offset = ((upper >> 3) << 8) | cursor.u8("copy offset");
      return { kind: "copy", offset, length: (upper & 7) + 4 };
    }
    case 2:
      return { kind: "copy", offset: littleEndian(cursor, 2, "copy offset"), length: upper + 1 };
    default:
      return { kind: "copy", offset: littleEndian(cursor, 4, "copy offset"), length: upper + 1 };
  }
}

function littleEndian(cursor: ByteCursor, size: number, field: string): number {
  return cursor.bytes(size, field).reduceRight((value, byte) => value * 256 + byte, 0);
}

/** Source and target may overlap: then the bytes repeat, which is how runs are stored. */
function copyBack(
  output: Uint8Array,
  at: number,
  offset: number,
  length: number,
  where: string,
): void {
  if (offset === 0 || offset > at) {
    throw new InputError("corrupt", `${where}: copies from ${offset} bytes back at byte ${at}`);
  }
  for (let k = at; k < at + length; k++) output[k] = output[k - offset] as number;
}
