import { InputError } from "../../errors.js";
import { ByteCursor } from "../byte-cursor.js";
import type { ByteSource } from "../byte-source.js";
import { crc32c, maskedCrc32c } from "./crc32c.js";
import { snappyDecompress } from "./snappy.js";

/** One entry of a table. Keys are bytes and sorted as such. */
interface TableEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** A sorted table of keys and values on disk ("sstable"): blocks are read when asked for. */
export interface Table {
  /** All entries in the order of their keys. */
  readonly entries: () => Generator<TableEntry>;
  /** The value of a key, undefined when there is none. */
  readonly get: (key: Uint8Array) => Uint8Array | undefined;
}

/** Where a block lies, without its trailer. */
interface BlockHandle {
  readonly offset: number;
  readonly size: number;
}

/** An entry of the index block: `lastKey` is at or above every key of the block. */
interface IndexEntry extends BlockHandle {
  readonly lastKey: Uint8Array;
}

const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
/** After each block: its compression (0 none, 1 snappy) and a masked CRC-32C of block and compression. */
const TRAILER_BYTES = 5;

/**
 * Keys share prefixes, so a small block can stand for very many bytes of keys. A checkpoint of a
 * million tensors with keys of 250 bytes is below this.
 */
const MAX_KEY_BYTES = 2 ** 28;

/**
 * Opens a table: footer and index block are read and judged. The handle of the metaindex is not used
 * (TensorFlow does not read it either).
 *
 * @see https://github.com/google/leveldb/blob/main/doc/table_format.md
 * @throws {InputError} `truncated`, `format`, `corrupt` or `unsupported`
 */
export function openTable(source: ByteSource): Table {
  const { name, byteLength } = source;
  if (byteLength < FOOTER_BYTES) {
    throw new InputError(
      "truncated",
      `${name}: has ${byteLength} bytes, a table needs a footer of ${FOOTER_BYTES}; the file is incomplete or no TensorFlow checkpoint`,
    );
  }
  const end = byteLength - FOOTER_BYTES;
  const handle = indexHandle(source, end);
  const index = readIndex(source, handle, end);
  return {
    entries: function* () {
      let keyBytes = 0;
      let previous: Uint8Array | undefined;
      for (const block of index) {
        for (const entry of blockEntries(source, block)) {
          checkOrder(previous, entry.key, name);
          previous = entry.key;
          keyBytes += entry.key.length;
          if (keyBytes > MAX_KEY_BYTES) throw tooManyKeys(name);
          yield entry;
        }
      }
    },
    get: (key) => lookUp(source, index, key),
  };
}

function indexHandle(source: ByteSource, end: number): BlockHandle {
  const footer = new ByteCursor(source.read(end, FOOTER_BYTES, "footer"), source.name, end);
  const handles = footer.bytes(40, "block handles");
  const magic = footer.u64("magic number");
  if (magic !== MAGIC) {
    throw new InputError(
      "format",
      `${source.name}: magic number at offset ${end + 40} is 0x${magic.toString(16)}, expected 0x${MAGIC.toString(16)}; it is no TensorFlow checkpoint, or incomplete`,
    );
  }
  const cursor = new ByteCursor(handles, source.name, end);
  readHandle(cursor, "metaindex handle");
  return readHandle(cursor, "index handle");
}

function readHandle(cursor: ByteCursor, field: string): BlockHandle {
  const offset = cursor.varint(`${field} offset`);
  return { offset, size: cursor.varint(`${field} size`) };
}

/** Blocks must lie in the order of their keys and apart: a block named twice could be used to fill memory. */
function readIndex(source: ByteSource, handle: BlockHandle, end: number): IndexEntry[] {
  checkHandle(source, handle, end, "index block");
  const index: IndexEntry[] = [];
  let free = 0;
  let keyBytes = 0;
  for (const { key, value } of blockEntries(source, handle)) {
    const cursor = new ByteCursor(value, `${source.name}: index block`);
    const block = readHandle(cursor, "block handle");
    checkHandle(source, block, end, "data block");
    checkOrder(index.at(-1)?.lastKey, key, source.name);
    if (block.offset < free) {
      throw new InputError(
        "corrupt",
        `${source.name}: block at offset ${block.offset} overlaps the one before it, which ends at ${free}`,
      );
    }
    keyBytes += key.length;
    if (keyBytes > MAX_KEY_BYTES) throw tooManyKeys(source.name);
    free = block.offset + block.size + TRAILER_BYTES;
    index.push({ ...block, lastKey: key });
  }
  return index;
}

function checkHandle(source: ByteSource, handle: BlockHandle, end: number, what: string): void {
  if (handle.size < 4 || handle.offset + handle.size + TRAILER_BYTES > end) {
    throw new InputError(
      "corrupt",
      `${source.name}: ${what} has ${handle.size} bytes at offset ${handle.offset}, expected at least 4, within the ${end} before the footer`,
    );
  }
}

/** The bytes of a block, checked and decompressed. */
function readBlock(source: ByteSource, { offset, size }: BlockHandle): Uint8Array {
  const where = `${source.name}: block at offset ${offset}`;
  const bytes = source.read(offset, size + TRAILER_BYTES, "block");
  const stored = new ByteCursor(bytes.subarray(size + 1), source.name, offset + size + 1);
  const expected = stored.u32("block checksum");
  const found = maskedCrc32c(crc32c(bytes.subarray(0, size + 1)));
  if (found !== expected) {
    throw new InputError(
      "corrupt",
      `${where}: checksum is ${found}, expected ${expected}; the file is damaged`,
    );
  }
  const compression = bytes[size];
  if (compression === 0) return bytes.subarray(0, size);
  if (compression === 1) return snappyDecompress(bytes.subarray(0, size), where);
  throw new InputError(
    "unsupported",
    `${where}: compression is ${compression}, expected 0 (none) or 1 (snappy)`,
  );
}

function* blockEntries(source: ByteSource, handle: BlockHandle): Generator<TableEntry> {
  const block = readBlock(source, handle);
  const where = `${source.name}: block at offset ${handle.offset}`;
  const cursor = new ByteCursor(entryBytes(block, where), where);
  let key: Uint8Array = new Uint8Array(0);
  while (cursor.left > 0) {
    const shared = cursor.varint("shared key length");
    const ownLength = cursor.varint("key length");
    const valueLength = cursor.varint("value length");
    if (shared > key.length) {
      throw new InputError(
        "corrupt",
        `${where}: entry shares ${shared} bytes of a key that has ${key.length}`,
      );
    }
    const own = cursor.bytes(ownLength, "key");
    const next = new Uint8Array(shared + ownLength);
    next.set(key.subarray(0, shared));
    next.set(own, shared);
    key = next;
    yield { key, value: cursor.bytes(valueLength, "value") };
  }
}

/** The part of a block before its restart points (offsets of entries with a whole key) and their number. */
function entryBytes(block: Uint8Array, where: string): Uint8Array {
  const { buffer, byteOffset, length } = block;
  const count = length < 4 ? 0 : new DataView(buffer, byteOffset + length - 4).getUint32(0, true);
  const size = length - 4 - 4 * count;
  if (size < 0) {
    throw new InputError(
      "corrupt",
      `${where}: ${count} restart points need ${4 * count + 4} bytes, it has ${length}`,
    );
  }
  return block.subarray(0, size);
}

function lookUp(
  source: ByteSource,
  index: readonly IndexEntry[],
  key: Uint8Array,
): Uint8Array | undefined {
  const block = index.find(({ lastKey }) => Buffer.compare(key, lastKey) <= 0);
  if (block === undefined) return undefined;
  for (const entry of blockEntries(source, block)) {
    if (Buffer.compare(entry.key, key) === 0) return entry.value;
  }
  return undefined;
}

function checkOrder(previous: Uint8Array | undefined, key: Uint8Array, name: string): void {
  if (previous !== undefined && Buffer.compare(previous, key) >= 0) {
    throw new InputError(
      "corrupt",
      `${name}: key ${printable(key)} follows ${printable(previous)}, expected ascending keys`,
    );
  }
}

function tooManyKeys(name: string): InputError {
  return new InputError("limit", `${name}: keys take more than ${MAX_KEY_BYTES} bytes`);
}

/** A key for a message. */
export function printable(key: Uint8Array): string {
  return JSON.stringify(Buffer.from(key.subarray(0, 200)).toString("utf8"));
}
