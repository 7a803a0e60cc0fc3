import { crc32, inflateRawSync } from "node:zlib";
import { InputError } from "../../errors.js";
import { findDirectory, readDirectory } from "./zip-directory.js";

/** One file of an archive, as the central directory describes it. */
export interface ZipEntry {
  /** Path inside the archive, `/` between folders; never absolute, never with `..`. */
  readonly name: string;
  readonly method: "stored" | "deflated";
  /** Size in the archive, in bytes. */
  readonly compressedSize: number;
  /** Size of the content, in bytes. */
  readonly size: number;
  /** CRC-32 of the content. */
  readonly crc: number;
  /** Where the entry's local header begins. */
  readonly offset: number;
}

/** An opened archive. The bytes stay where they are until an entry is read. */
export interface ZipArchive {
  /** The files in the order of the directory; folders are left out. */
  readonly entries: readonly ZipEntry[];
  readonly has: (name: string) => boolean;
  /**
   * The content of one file, its checksum verified. A stored entry is a *view* of the archive.
   *
   * @throws {InputError} when there is no such entry or its data are damaged
   */
  readonly read: (name: string) => Uint8Array;
}

/** Options of {@link openZip}. */
export interface ZipOptions {
  /**
   * Most bytes that all contents together may have. Default: 100 times the archive or 256 MiB,
   * whichever is more. Weights and activations compress by less than 20; only bombs exceed it.
   */
  readonly maxBytes?: number;
}

/**
 * Opens a zip archive by its central directory: stored and deflated entries, zip64. Refuses what
 * does not fit together: encrypted or spanned archives, names that leave the folder, duplicates,
 * overlapping entries, sizes beyond the file or the limit.
 *
 * Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 *
 * @param source name of the file for messages
 * @throws {InputError} naming the file and the entry
 */
export function openZip(bytes: Uint8Array, source: string, options: ZipOptions = {}): ZipArchive {
  const entries = readDirectory(bytes, findDirectory(bytes, source), source);
  const limit = options.maxBytes ?? Math.max(100 * bytes.byteLength, 256 * 2 ** 20);
  const total = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (total > limit) {
    throw new InputError(
      "limit",
      `${source}: contents of ${total} bytes in an archive of ${bytes.byteLength}, expected at most ${limit}`,
    );
  }
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  return {
    entries,
    has: (name) => byName.has(name),
    read: (name) => {
      const entry = byName.get(name);
      if (entry === undefined) {
        throw new InputError(
          "name",
          `${source}: no entry '${name}', expected one of ${[...byName.keys()].slice(0, 20).join(", ")}`,
        );
      }
      return contentOf(bytes, entry, source);
    },
  };
}

function contentOf(bytes: Uint8Array, entry: ZipEntry, source: string): Uint8Array {
  const where = `${source}: ${entry.name}`;
  const start = dataOffsetOf(bytes, entry, where);
  const packed = bytes.subarray(start, start + entry.compressedSize);
  const content = entry.method === "stored" ? packed : inflate(packed, entry, where);
  const found = crc32(content);
  if (found !== entry.crc) {
    throw new InputError(
      "corrupt",
      `${where}: checksum ${hex(found)}, expected ${hex(entry.crc)}; the archive is damaged`,
    );
  }
  return content;
}

/** The local header repeats name and sizes; its own name and extra field say where the data begin. */
function dataOffsetOf(bytes: Uint8Array, entry: ZipEntry, where: string): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { offset } = entry;
  // The directory's check already made sure that 30 bytes and the data fit behind `offset`.
  if (view.getUint32(offset, true) !== 0x04034b50) {
    throw new InputError("corrupt", `${where}: no local header at offset ${offset}`);
  }
  const nameLength = view.getUint16(offset + 26, true);
  const start = offset + 30 + nameLength + view.getUint16(offset + 28, true);
  const left = bytes.byteLength - start;
  if (entry.compressedSize > left) {
    throw new InputError(
      "truncated",
      `${where}: data at offset ${start} need ${entry.compressedSize} bytes, ${Math.max(left, 0)} left`,
    );
  }
  const name = new TextDecoder().decode(bytes.subarray(offset + 30, offset + 30 + nameLength));
  const method = view.getUint16(offset + 8, true);
  const sameMethod = method === (entry.method === "stored" ? 0 : 8);
  if (!sameMethod || (/^[\x20-\x7e]*$/.test(entry.name) && name !== entry.name)) {
    throw new InputError(
      "corrupt",
      `${where}: local header at offset ${offset} says '${name}', method ${method}, which the directory contradicts`,
    );
  }
  return start;
}

function inflate(packed: Uint8Array, entry: ZipEntry, where: string): Uint8Array {
  let content: Uint8Array;
  try {
    // One byte more than promised, so that a longer content shows as a wrong size.
    content = inflateRawSync(packed, { maxOutputLength: entry.size + 1 });
  } catch (cause) {
    throw unreadable(where, cause);
  }
  if (content.length !== entry.size) {
    throw new InputError(
      "corrupt",
      `${where}: content of ${content.length} bytes, expected ${entry.size}`,
    );
  }
  return content;
}

function unreadable(where: string, cause: unknown): InputError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new InputError("corrupt", `${where}: compressed data cannot be read (${reason})`, {
    cause,
  });
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
