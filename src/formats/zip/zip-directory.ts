import { InputError } from "../../errors.js";
import type { ZipEntry } from "./zip-reader.js";

/** Where the central directory lies. */
export interface DirectoryPlace {
  readonly offset: number;
  readonly length: number;
  readonly count: number;
}

/**
 * Most entries of an archive. The largest trace recorded has about 2,000; the limit only stops a
 * broken count from costing time.
 */
const MAX_ENTRIES = 1_000_000;

const END = 0x06054b50;
const END_64_LOCATOR = 0x07064b50;
const END_64 = 0x06064b50;
const CENTRAL = 0x02014b50;

/**
 * Finds the central directory through the record at the end of the file. The directory must end
 * exactly where that record begins: a file cut at its start, or with something put in front, fails.
 *
 * @throws {InputError} when the file is no zip archive, cut, or spread over several disks
 */
export function findDirectory(bytes: Uint8Array, source: string): DirectoryPlace {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view, source);
  const place = view.getUint32(end + 16, true);
  const count = view.getUint16(end + 10, true);
  const length = view.getUint32(end + 12, true);
  const locator = end - 20;
  const wide = locator >= 0 && view.getUint32(locator, true) === END_64_LOCATOR;
  if (!wide) {
    const disks = view.getUint16(end + 4, true) + view.getUint16(end + 6, true);
    return checkedPlace({ offset: place, length, count }, disks, end, source);
  }
  const end64 = safe(view.getBigUint64(locator + 8, true), "zip64 record", source);
  if (end64 + 56 > locator || view.getUint32(end64, true) !== END_64) {
    throw new InputError("corrupt", `${source}: no zip64 end record at offset ${end64}`);
  }
  const disks = view.getUint32(end64 + 16, true) + view.getUint32(end64 + 20, true);
  const directory = {
    offset: safe(view.getBigUint64(end64 + 48, true), "directory offset", source),
    length: safe(view.getBigUint64(end64 + 40, true), "directory length", source),
    count: safe(view.getBigUint64(end64 + 32, true), "entry count", source),
  };
  return checkedPlace(directory, disks, end64, source);
}

/** The end record is the last thing in the file; only its comment (at most 65,535 bytes) follows. */
function findEnd(view: DataView, source: string): number {
  const last = view.byteLength - 22;
  for (let at = last; at >= Math.max(0, last - 0xffff); at--) {
    if (view.getUint32(at, true) === END && view.getUint16(at + 20, true) === last - at) return at;
  }
  const isZip = view.byteLength >= 4 && view.getUint32(0, true) === 0x04034b50;
  throw isZip
    ? new InputError("truncated", `${source}: zip archive without its end record; the file is cut`)
    : new InputError(
        "format",
        `${source}: no zip archive (no end record in ${view.byteLength} bytes)`,
      );
}

function checkedPlace(place: DirectoryPlace, disks: number, end: number, source: string) {
  if (disks !== 0) throw new InputError("unsupported", `${source}: zip archive in several parts`);
  if (place.offset + place.length !== end) {
    throw new InputError(
      "corrupt",
      `${source}: directory at offset ${place.offset}, ${place.length} bytes, should end at ${end}; the file is cut or something was put in front`,
    );
  }
  if (place.count > MAX_ENTRIES || place.count * 46 > place.length) {
    throw new InputError(
      "corrupt",
      `${source}: ${place.count} entries in a directory of ${place.length} bytes`,
    );
  }
  return place;
}

/**
 * Reads and checks the central directory; folders are left out.
 *
 * @throws {InputError} naming the entry that is damaged, unsafe or not supported
 */
export function readDirectory(
  bytes: Uint8Array,
  place: DirectoryPlace,
  source: string,
): ZipEntry[] {
  const directory = bytes.subarray(place.offset, place.offset + place.length);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let k = 0; k < place.count; k++) {
    const { entry, next } = readEntry(directory, at, `${source}: directory entry ${k}`);
    at = next;
    checkEntry(entry, place.offset, source);
    if (!entry.name.endsWith("/")) entries.push(entry);
  }
  if (at !== place.length) {
    throw new InputError("corrupt", `${source}: ${place.length - at} bytes left in the directory`);
  }
  checkNames(entries, source);
  checkOverlap(entries, place.offset, source);
  return entries;
}

function readEntry(directory: Uint8Array, at: number, where: string) {
  const view = new DataView(directory.buffer, directory.byteOffset, directory.byteLength);
  if (at + 46 > directory.length || view.getUint32(at, true) !== CENTRAL) {
    throw new InputError("corrupt", `${where}: no directory record at its place`);
  }
  const flags = view.getUint16(at + 8, true);
  const method = view.getUint16(at + 10, true);
  const nameEnd = at + 46 + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const next = extraEnd + view.getUint16(at + 32, true);
  if (next > directory.length) {
    throw new InputError(
      "truncated",
      `${where}: needs ${next - at} bytes, ${directory.length - at} left`,
    );
  }
  const utf8 = (flags & 0x800) !== 0;
  const name = new TextDecoder(utf8 ? "utf-8" : "latin1").decode(
    directory.subarray(at + 46, nameEnd),
  );
  // High byte of "version made by" 3 is Unix, whose file mode lies in the upper half of the attributes.
  const link = directory[at + 5] === 3 && (view.getUint16(at + 40, true) & 0xf000) === 0xa000;
  if (link) throw new InputError("unsafe", `${where} '${name}': a symbolic link, expected a file`);
  if (flags & 0x41) throw new InputError("unsupported", `${where} '${name}': encrypted`);
  if (method !== 0 && method !== 8) {
    throw new InputError(
      "unsupported",
      `${where} '${name}': compression method ${method}, expected 0 (stored) or 8 (deflated)`,
    );
  }
  const [size, compressedSize, offset] = wideFields(
    [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)],
    directory.subarray(nameEnd, extraEnd),
    `${where} '${name}'`,
  );
  const entry: ZipEntry = {
    name,
    method: method === 0 ? "stored" : "deflated",
    compressedSize,
    size,
    crc: view.getUint32(at + 16, true),
    offset,
  };
  return { entry, next };
}

type Sizes = [size: number, compressedSize: number, offset: number];

/** Fields of 0xffffffff stand, in this order, in the zip64 extra field. */
function wideFields(fields: Sizes, extra: Uint8Array, where: string): Sizes {
  if (!fields.includes(0xffff_ffff)) return fields;
  const view = new DataView(extra.buffer, extra.byteOffset, extra.byteLength);
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === 1 && at + 4 + length <= extra.length) {
      let next = at + 4;
      return fields.map((field) => {
        if (field !== 0xffff_ffff) return field;
        next += 8;
        if (next > at + 4 + length) {
          throw new InputError("corrupt", `${where}: zip64 field of ${length} bytes is too short`);
        }
        return safe(view.getBigUint64(next - 8, true), "zip64 field", where);
      }) as Sizes;
    }
    at += 4 + length;
  }
  throw new InputError("corrupt", `${where}: zip64 field is missing`);
}

function checkEntry(entry: ZipEntry, directoryOffset: number, source: string): void {
  const where = `${source}: '${entry.name}'`;
  const left = directoryOffset - entry.offset - 30;
  if (left < entry.compressedSize) {
    throw new InputError(
      "truncated",
      `${where}: entry at offset ${entry.offset} needs ${entry.compressedSize} bytes, ${Math.max(left, 0)} left`,
    );
  }
  if (entry.method === "stored" && entry.size !== entry.compressedSize) {
    throw new InputError(
      "corrupt",
      `${where}: stored with ${entry.compressedSize} bytes, content of ${entry.size}`,
    );
  }
  // Deflate cannot pack more than 1032 bytes into one: a larger promise is a lie, told to make us allocate.
  if (entry.size > 1032 * entry.compressedSize + 1032) {
    throw new InputError(
      "corrupt",
      `${where}: content of ${entry.size} bytes in ${entry.compressedSize}, more than deflate can pack`,
    );
  }
}

function checkNames(entries: readonly ZipEntry[], source: string): void {
  const seen = new Set<string>();
  for (const { name } of entries) {
    const unsafe =
      name === "" ||
      /^[/\\]|^[a-zA-Z]:|\\|\0/.test(name) ||
      name.split("/").some((part) => part === ".." || part === ".");
    if (unsafe) {
      throw new InputError(
        "unsafe",
        `${source}: entry ${JSON.stringify(name)}, expected a plain path inside the archive`,
      );
    }
    if (seen.has(name)) {
      throw new InputError("corrupt", `${source}: entry '${name}' is there twice, expected once`);
    }
    seen.add(name);
  }
}

/** Entries that share bytes are how a small archive pretends to be a huge one. */
function checkOverlap(entries: readonly ZipEntry[], end: number, source: string): void {
  const sorted = entries.toSorted((a, b) => a.offset - b.offset);
  for (const [k, entry] of sorted.entries()) {
    const limit = sorted[k + 1]?.offset ?? end;
    if (entry.offset + 30 + entry.compressedSize > limit) {
      throw new InputError("corrupt", `${source}: entry '${entry.name}' overlaps what follows it`);
    }
  }
}

function safe(value: bigint, field: string, where: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InputError("corrupt", `${where}: ${field} ${value}, expected at most 2^53`);
  }
  return Number(value);
}
