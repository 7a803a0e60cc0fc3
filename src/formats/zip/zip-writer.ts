import { crc32 } from "node:zlib";
import { deflateSync } from "fflate";
import { InputError } from "../../errors.js";

/** One file to write. */
export interface ZipContent {
  /** Path inside the archive, `/` between folders. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Options of {@link writeZip}. */
export interface ZipWriteOptions {
  /** Deflate the contents (default: store them). */
  readonly compress?: boolean;
}

interface Placed extends ZipContent {
  readonly nameBytes: Uint8Array;
  readonly packed: Uint8Array;
  readonly crc: number;
  readonly extra: number;
  readonly offset: number;
}

/** 1980-01-01 00:00, the earliest time a zip archive can tell: the same contents give the same bytes. */
const FIXED_DATE = 0x0021;
/** Stored data begin at a multiple of this, so that a reader can use them in place. */
const ALIGNMENT = 64;

/**
 * A zip archive whose bytes depend on names and contents alone. Compression is by fflate, which
 * gives the same bytes on every machine; Node's zlib differs between versions.
 *
 * @throws {InputError} (`limit`) from 4 GiB or 65,535 entries on, (`name`) for a name twice
 */
export function writeZip(
  contents: readonly ZipContent[],
  { compress = false }: ZipWriteOptions = {},
): Uint8Array {
  const names = new Set(contents.map(({ name }) => name));
  if (names.size !== contents.length) {
    throw new InputError(
      "name",
      `zip archive: ${contents.length} entries with ${names.size} names`,
    );
  }
  const placed = place(contents, compress);
  const last = placed.at(-1);
  const directoryOffset = last === undefined ? 0 : endOf(last);
  const directoryLength = placed.reduce((sum, { nameBytes }) => sum + 46 + nameBytes.length, 0);
  const length = directoryOffset + directoryLength + 22;
  if (length >= 2 ** 32 || placed.length >= 0xffff) {
    throw new InputError(
      "limit",
      `zip archive: ${length} bytes in ${placed.length} entries, expected less than 4 GiB and 65535; record fewer taps`,
    );
  }
  const file = new Uint8Array(length);
  const view = new DataView(file.buffer);
  for (const entry of placed) writeLocal(file, view, entry, compress);
  let at = directoryOffset;
  for (const entry of placed) at = writeCentral(file, view, at, entry, compress);
  view.setUint32(at, 0x06054b50, true);
  view.setUint16(at + 8, placed.length, true);
  view.setUint16(at + 10, placed.length, true);
  view.setUint32(at + 12, directoryLength, true);
  view.setUint32(at + 16, directoryOffset, true);
  return file;
}

function place(contents: readonly ZipContent[], compress: boolean): Placed[] {
  let offset = 0;
  return contents.map(({ name, bytes }) => {
    const nameBytes = new TextEncoder().encode(name);
    const packed = compress ? deflateSync(bytes, { level: 6 }) : bytes;
    // An extra field needs 4 bytes for itself, so padding is 4 … 67 bytes.
    const gap = (ALIGNMENT - ((offset + 30 + nameBytes.length + 4) % ALIGNMENT)) % ALIGNMENT;
    const entry = { name, bytes, nameBytes, packed, crc: crc32(bytes), extra: 4 + gap, offset };
    offset = endOf(entry);
    return entry;
  });
}

function endOf(entry: Placed): number {
  return entry.offset + 30 + entry.nameBytes.length + entry.extra + entry.packed.length;
}

/** The 26 bytes that local header and directory share, from `version needed` to `name length`. */
function writeCommon(view: DataView, at: number, entry: Placed, compress: boolean): void {
  view.setUint16(at, 20, true);
  view.setUint16(at + 2, 0x800, true); // names are UTF-8
  view.setUint16(at + 4, compress ? 8 : 0, true);
  view.setUint16(at + 8, FIXED_DATE, true);
  view.setUint32(at + 10, entry.crc, true);
  view.setUint32(at + 14, entry.packed.length, true);
  view.setUint32(at + 18, entry.bytes.length, true);
  view.setUint16(at + 22, entry.nameBytes.length, true);
}

function writeLocal(file: Uint8Array, view: DataView, entry: Placed, compress: boolean): void {
  const { offset, nameBytes, extra } = entry;
  view.setUint32(offset, 0x04034b50, true);
  writeCommon(view, offset + 4, entry, compress);
  view.setUint16(offset + 28, extra, true);
  file.set(nameBytes, offset + 30);
  const extraAt = offset + 30 + nameBytes.length;
  view.setUint16(extraAt, 0xd935, true); // the padding field that zipalign uses
  view.setUint16(extraAt + 2, extra - 4, true);
  file.set(entry.packed, extraAt + extra);
}

function writeCentral(
  file: Uint8Array,
  view: DataView,
  at: number,
  entry: Placed,
  compress: boolean,
): number {
  view.setUint32(at, 0x02014b50, true);
  view.setUint16(at + 4, 20, true);
  writeCommon(view, at + 6, entry, compress);
  view.setUint32(at + 42, entry.offset, true);
  file.set(entry.nameBytes, at + 46);
  return at + 46 + entry.nameBytes.length;
}
