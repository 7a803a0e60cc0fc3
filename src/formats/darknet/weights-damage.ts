import { InputError } from "../../errors.js";
import { type ByteSource, refuseForeignContent } from "../byte-source.js";

/** So much of the beginning is looked at: text-mode damage is everywhere in a file. */
const LOOK_AT = 1 << 20;

/**
 * Refuses what is no binary file of floats: an HTML page, a Git-LFS pointer, a file that went
 * through a program that took it for text.
 *
 * @throws {InputError} `format` or `corrupt`, saying what it is and what to do
 */
export function refuseNoWeights(source: ByteSource): void {
  refuseForeignContent(source, "a Darknet weights file");
  const damage = textDamage(source.read(0, Math.min(LOOK_AT, source.byteLength), "beginning"));
  if (damage) {
    throw new InputError(
      "corrupt",
      `${source.name}: ${damage}; the file was copied as text, copy or download it again as binary`,
    );
  }
}

/**
 * Traces of a copy in text mode, or `null`: bytes that are no UTF-8 replaced by EF BF BD (about one
 * byte in six of a damaged file, one in 16 million of a sound one), or every line feed with a
 * carriage return before it (chance: 1/256 each).
 */
export function textDamage(bytes: Uint8Array): string | null {
  let replaced = 0;
  let feeds = 0;
  let returns = 0;
  for (let k = 2; k < bytes.length; k++) {
    const byte = bytes[k];
    if (byte === 0xbd && bytes[k - 1] === 0xbf && bytes[k - 2] === 0xef) replaced += 1;
    if (byte !== 0x0a) continue;
    feeds += 1;
    if (bytes[k - 1] === 0x0d) returns += 1;
  }
  if (replaced >= 2 && replaced > bytes.length / 1000) {
    return `contains ${replaced} times the bytes EF BF BD in its first ${bytes.length}`;
  }
  if (feeds >= 4 && returns === feeds) {
    return `each of the ${feeds} bytes 0A in its first ${bytes.length} has a 0D before it`;
  }
  return null;
}
