import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { InputError } from "../errors.js";
import { foreignContent } from "./foreign-content.js";

/** Bytes that are read where they are asked for: a file of any size, or memory. */
export interface ByteSource {
  /** What messages call it: the path, or a name given by the caller. */
  readonly name: string;
  readonly byteLength: number;
  /**
   * A fresh copy of `[offset, offset + length)`, in a buffer of its own that begins at its byte 0
   * (so any typed array can view it).
   *
   * @throws {InputError} `truncated` when the range is not in the source
   */
  readonly read: (offset: number, length: number, field: string) => Uint8Array;
  /**
   * The same into memory that is there already: large tensors need no second copy.
   *
   * @throws {InputError} `truncated` when the range is not in the source
   */
  readonly readInto: (target: Uint8Array, offset: number, field: string) => void;
  readonly close: () => void;
}

/** `read` calls of Node take at most 2^31 - 1 bytes. */
const MAX_READ = 2 ** 30;

/**
 * Opens a file for reading in parts.
 *
 * @throws {InputError} `not-found` when there is no such file, `format` when it is a folder or a device
 */
export function openSource(path: string): ByteSource {
  // Looked at before it is opened: opening a pipe would wait for its writer.
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new InputError("not-found", `${path}: no such file`);
  if (!stat.isFile()) {
    const found = stat.isDirectory() ? "a folder" : "a device, pipe or socket";
    throw new InputError("format", `${path}: is ${found}, expected a file`);
  }
  let fd: number | undefined = openSync(path, "r");
  const byteLength = fstatSync(fd).size;
  const readInto: ByteSource["readInto"] = (target, offset, field) => {
    if (fd === undefined) throw new Error(`${path} was closed before ${field} was read`);
    checkRange(path, byteLength, offset, target.byteLength, field);
    readRange(fd, path, offset, target, field);
  };
  return {
    name: path,
    byteLength,
    read: (offset, length, field) => {
      checkRange(path, byteLength, offset, length, field);
      const bytes = new Uint8Array(length);
      readInto(bytes, offset, field);
      return bytes;
    },
    readInto,
    close: () => {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

/** Bytes in memory as a {@link ByteSource}; `name` is what messages call them. */
export function sourceFromBytes(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    byteLength: bytes.byteLength,
    read: (offset, length, field) => {
      checkRange(name, bytes.byteLength, offset, length, field);
      return Uint8Array.from(bytes.subarray(offset, offset + length));
    },
    readInto: (target, offset, field) => {
      checkRange(name, bytes.byteLength, offset, target.byteLength, field);
      target.set(bytes.subarray(offset, offset + target.byteLength));
    },
    close: () => undefined,
  };
}

/**
 * Refuses a source that begins like an HTML page, an error message, a Git-LFS pointer or an archive.
 *
 * @throws {InputError} `format`, with what it is and what to do
 */
export function refuseForeignContent(source: ByteSource, expected: string): void {
  const head = source.read(0, Math.min(512, source.byteLength), "first bytes");
  const foreign = foreignContent(head);
  if (foreign === null) return;
  throw new InputError(
    "format",
    `${source.name}: is ${foreign.what}, expected ${expected}; ${foreign.next}`,
  );
}

function checkRange(
  name: string,
  byteLength: number,
  offset: number,
  length: number,
  field: string,
): void {
  const left = Math.max(0, byteLength - offset);
  if (!(offset >= 0 && length >= 0 && length <= left)) {
    throw new InputError(
      "truncated",
      `${name}: ${field} at offset ${offset} needs ${length} bytes, ${left} left of ${byteLength}`,
    );
  }
}

function readRange(
  fd: number,
  path: string,
  offset: number,
  bytes: Uint8Array,
  field: string,
): void {
  const { length } = bytes;
  let done = 0;
  while (done < length) {
    const count = readSync(fd, bytes, done, Math.min(MAX_READ, length - done), offset + done);
    if (count === 0) {
      throw new InputError(
        "truncated",
        `${path}: ${field} needs ${length} bytes, the file ended after ${done}; it changed while it was read`,
      );
    }
    done += count;
  }
}
