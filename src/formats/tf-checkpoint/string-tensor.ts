import { InputError } from "../../errors.js";
import { ByteCursor } from "../byte-cursor.js";
import { crc32c, maskedCrc32c } from "./crc32c.js";

/** The strings of a tensor and the checksum that its entry must have. */
export interface StringTensor {
  readonly strings: Uint8Array[];
  /** CRC-32C of lengths, their checksum and the text; not masked. */
  readonly crc: number;
}

/**
 * Reads a tensor of strings: the length of each, a checksum of the lengths, then the text.
 *
 * @param littleEndian - of the machine that wrote it: the lengths are varints, their checksum is a number of that machine
 * @see tensorflow/core/util/tensor_bundle/tensor_bundle.cc, `WriteStringTensor`, `ReadStringTensor`
 * @throws {InputError} `truncated`, `trailing-bytes` or `corrupt`
 */
export function stringTensor(
  bytes: Uint8Array,
  count: number,
  where: string,
  littleEndian = true,
): StringTensor {
  // A length takes at least a byte: without this check a small file could ask for any list.
  if (count > bytes.length) {
    throw new InputError(
      "truncated",
      `${where}: ${count} strings do not fit ${bytes.length} bytes`,
    );
  }
  const cursor = new ByteCursor(bytes, where);
  const lengths = Array.from({ length: count }, (_, k) => cursor.varint(`length of string ${k}`));
  const summed = crc32c(wholeNumbers(lengths, littleEndian));
  const lengthsCrc = maskedCrc32c(summed);
  const stored = cursor.bytes(4, "checksum of the lengths");
  const found = new DataView(stored.buffer, stored.byteOffset).getUint32(0, littleEndian);
  if (found !== lengthsCrc) {
    throw new InputError(
      "corrupt",
      `${where}: checksum of the string lengths is ${lengthsCrc}, expected ${found}; the file is damaged`,
    );
  }
  const textStart = bytes.length - cursor.left;
  const strings = lengths.map((length, k) => cursor.bytes(length, `string ${k}`));
  cursor.end("the last string");
  const crc = crc32c(bytes.subarray(textStart - 4), summed);
  return { strings, crc };
}

/** The lengths as the checksum sees them: 4 bytes each, 8 where one needs more. */
function wholeNumbers(lengths: readonly number[], littleEndian: boolean): Uint8Array {
  const words = lengths.flatMap((length) => {
    if (length <= 0xffff_ffff) return [length];
    const [low, high] = [length % 2 ** 32, Math.floor(length / 2 ** 32)];
    return littleEndian ? [low, high] : [high, low];
  });
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, k) => {
    view.setUint32(4 * k, word, littleEndian);
  });
  return bytes;
}
