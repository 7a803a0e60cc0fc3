/** Polynomial of CRC-32C (Castagnoli), bits reversed. */
const POLYNOMIAL = 0x82f63b78;

/** Eight tables of 256: table k advances a byte by k more bytes ("slicing by 8"). */
const TABLES: Int32Array = makeTables();

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    tables[byte] = crc;
  }
  for (let k = 256; k < tables.length; k++) {
    const previous = tables[k - 256] as number;
    tables[k] = (previous >>> 8) ^ (tables[previous & 255] as number);
  }
  return tables;
}

/**
 * CRC-32C of bytes, as an unsigned number; `crc` is that of the bytes before them.
 *
 * @see RFC 3720, appendix B.4 (test values)
 */
export function crc32c(bytes: Uint8Array, crc = 0): number {
  const t = TABLES;
  let c = ~crc;
  let at = 0;
  for (const end = bytes.length - 7; at < end; at += 8) {
    c ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    c =
      (t[1792 + (c & 255)] as number) ^
      (t[1536 + ((c >>> 8) & 255)] as number) ^
      (t[1280 + ((c >>> 16) & 255)] as number) ^
      (t[1024 + (c >>> 24)] as number) ^
      (t[768 + (bytes[at + 4] as number)] as number) ^
      (t[512 + (bytes[at + 5] as number)] as number) ^
      (t[256 + (bytes[at + 6] as number)] as number) ^
      (t[bytes[at + 7] as number] as number);
  }
  for (; at < bytes.length; at++) {
    c = (c >>> 8) ^ (t[(c ^ (bytes[at] as number)) & 255] as number);
  }
  return ~c >>> 0;
}

const MASK_DELTA = 0xa282ead8;

/**
 * A checksum as table and bundle files store it: rotated and shifted, because the checksum of bytes
 * that contain their own checksum is weak (LevelDB `util/crc32c.h`).
 */
export function maskedCrc32c(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
