import { InputError } from "../../errors.js";
import type { ByteSource } from "../byte-source.js";
import { byteLengthOf, type StoredDType } from "../stored-dtype.js";
import { checkedElements, noStrings, type StoredTensor } from "../tensor-file.js";
import { crc32c, maskedCrc32c } from "./crc32c.js";
import {
  type BundleEntry,
  type BundleHeader,
  bundleEntry,
  bundleHeader,
  dtypeFromTensorflow,
} from "./messages.js";
import { isSliceKey, sliceKey } from "./ordered-code.js";
import { type Box, boxesOf, copyBox } from "./slices.js";
import { stringTensor } from "./string-tensor.js";
import { openTable, printable } from "./table.js";

/** What a checkpoint names but no numbers or text can be read from (state of an input pipeline, say). */
export interface UnreadableTensor {
  readonly name: string;
  /** TensorFlow's number of the type (`DataType` in types.proto). */
  readonly dataType: number;
}

/** The tensors of a checkpoint, and the shards they lie in. */
export interface Bundle {
  readonly tensors: readonly StoredTensor[];
  readonly unreadable: readonly UnreadableTensor[];
  readonly shards: number;
}

/**
 * Reads a checkpoint of TensorFlow's second format (`.index` and `.data-NNNNN-of-NNNNN`). The index is
 * judged as a whole, and each shard's size against it; values are read, and their checksums checked,
 * when asked for.
 *
 * @param index the `.index` file
 * @param openShard opens a data file by its number and their number, both as in the file's name
 * @throws {InputError} `truncated`, `trailing-bytes`, `corrupt`, `shape`, `unsupported`, `name`
 */
export function readBundle(
  index: ByteSource,
  openShard: (shard: number, shards: number) => ByteSource,
): Bundle {
  const { header, entries, slices } = readEntries(index);
  const { shards } = header;
  const sources = new Map<number, ByteSource>();
  const sourceOf = (shard: number): ByteSource => {
    const source = sources.get(shard) ?? openShard(shard, shards);
    sources.set(shard, source);
    return source;
  };
  checkShards([...entries, ...slices], sourceOf);
  const data: DataFiles = { sourceOf, littleEndian: header.endianness === "little" };
  const tensors: StoredTensor[] = [];
  const unreadable: UnreadableTensor[] = [];
  for (const [name, entry] of entries) {
    const dtype = dtypeFromTensorflow(entry.dtype);
    const where = `${index.name}: "${name}"`;
    if (dtype === undefined) unreadable.push({ name, dataType: entry.dtype });
    else if (entry.slices.length > 0) {
      tensors.push(slicedTensor(name, entry, dtype, slices, data, where));
    } else tensors.push(wholeTensor(name, entry, dtype, data, where));
  }
  refuseOrphans(entries, slices, index.name);
  return { tensors, unreadable, shards };
}

/** The data files by shard, and the byte order of the machine that wrote them. */
interface DataFiles {
  readonly sourceOf: (shard: number) => ByteSource;
  readonly littleEndian: boolean;
}

/** Entries by name, and those of slices by their key (one character a byte). */
interface Entries {
  readonly header: BundleHeader;
  readonly entries: ReadonlyMap<string, BundleEntry>;
  readonly slices: ReadonlyMap<string, BundleEntry>;
}

function readEntries(index: ByteSource): Entries {
  let header: BundleHeader | undefined;
  const entries = new Map<string, BundleEntry>();
  const slices = new Map<string, BundleEntry>();
  for (const { key, value } of openTable(index).entries()) {
    if (header === undefined) {
      header = headerFrom(key, value, index.name);
      continue;
    }
    const entry = bundleEntry(value, `${index.name}: entry ${printable(key)}`);
    if (entry.shard >= header.shards) {
      throw new InputError(
        "corrupt",
        `${index.name}: ${printable(key)} lies in shard ${entry.shard}, expected one below ${header.shards}`,
      );
    }
    if (isSliceKey(key)) slices.set(keyText(key), entry);
    else entries.set(nameFromKey(key, index.name), entry);
  }
  if (header === undefined) {
    throw new InputError("corrupt", `${index.name}: has no entries, expected a header`);
  }
  return { header, entries, slices };
}

function headerFrom(key: Uint8Array, value: Uint8Array, name: string): BundleHeader {
  if (key.length > 0) {
    throw new InputError("corrupt", `${name}: first entry is ${printable(key)}, expected a header`);
  }
  const header = bundleHeader(value, `${name}: header`);
  if (header.shards < 1) {
    throw new InputError(
      "corrupt",
      `${name}: header says ${header.shards} shards, expected 1 or more`,
    );
  }
  return header;
}

/** Names are UTF-8; anything else could make two names one. */
function nameFromKey(key: Uint8Array, source: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(key);
  } catch (cause) {
    throw badName(key, source, cause);
  }
}

function badName(key: Uint8Array, source: string, cause: unknown): InputError {
  return new InputError("corrupt", `${source}: name ${printable(key)} is not UTF-8`, { cause });
}

function keyText(key: Uint8Array): string {
  return Buffer.from(key).toString("latin1");
}

/** Ranges may not overlap, and each shard ends where its last tensor does. */
function checkShards(
  entries: readonly (readonly [string, BundleEntry])[],
  sourceOf: (shard: number) => ByteSource,
): void {
  const stored = entries.filter(([, { slices }]) => slices.length === 0);
  const ordered = stored.sort(
    ([, a], [, b]) => a.shard - b.shard || a.offset - b.offset || a.size - b.size,
  );
  ordered.forEach(([name, entry], k) => {
    const source = sourceOf(entry.shard);
    const end = entry.offset + entry.size;
    const next = ordered[k + 1]?.[1];
    if (end > source.byteLength) {
      throw new InputError(
        "truncated",
        `${source.name}: ${printable(Buffer.from(name))} at offset ${entry.offset} needs ${entry.size} bytes, ${Math.max(0, source.byteLength - entry.offset)} left; the file is incomplete`,
      );
    }
    if (next === undefined || next.shard !== entry.shard) refuseTail(source, end);
    else if (next.offset < end) {
      throw new InputError(
        "corrupt",
        `${source.name}: a tensor begins at offset ${next.offset}, within ${printable(Buffer.from(name))}, which ends at ${end}`,
      );
    }
  });
}

function refuseTail(source: ByteSource, end: number): void {
  if (source.byteLength > end) {
    throw new InputError(
      "trailing-bytes",
      `${source.name}: ${source.byteLength - end} bytes left at offset ${end} after the last tensor; the file is not the one that belongs to its index`,
    );
  }
}

function wholeTensor(
  name: string,
  entry: BundleEntry,
  dtype: StoredDType,
  data: DataFiles,
  where: string,
): StoredTensor {
  const { shape, size } = entry;
  const count = checkedElements(shape, where);
  if (dtype === "string") return textTensor(name, entry, count, data, where);
  checkSize(entry, dtype, count, where);
  return {
    name,
    shape,
    dtype,
    byteLength: size,
    bytes: () => checkedBytes(data, entry, dtype, where),
    strings: noStrings(where),
  };
}

function checkSize(entry: BundleEntry, dtype: StoredDType, count: number, where: string): void {
  const need = byteLengthOf(dtype, count);
  if (need !== entry.size) {
    throw new InputError(
      "shape",
      `${where}: ${dtype} [${entry.shape.join(", ")}] takes ${need} bytes, its entry has ${entry.size}`,
    );
  }
}

/** The values little endian; their checksum is that of the bytes as they lie in the file. */
function checkedBytes(
  { sourceOf, littleEndian }: DataFiles,
  entry: BundleEntry,
  dtype: StoredDType,
  where: string,
): Uint8Array {
  const bytes = sourceOf(entry.shard).read(entry.offset, entry.size, where);
  checkCrc(crc32c(bytes), entry, where);
  return littleEndian ? bytes : reversedNumbers(bytes, numberBytes(dtype));
}

/** A complex value is two numbers. */
function numberBytes(dtype: StoredDType): number {
  const bytes = byteLengthOf(dtype, 1) ?? 1;
  return dtype.startsWith("complex") ? bytes / 2 : bytes;
}

function reversedNumbers(bytes: Uint8Array, width: number): Uint8Array {
  const reversed = Uint8Array.from(bytes);
  for (let at = 0; at < reversed.length; at += width) reversed.subarray(at, at + width).reverse();
  return reversed;
}

function checkCrc(crc: number, entry: BundleEntry, where: string): void {
  const found = maskedCrc32c(crc);
  if (found !== entry.crc32c) {
    throw new InputError(
      "corrupt",
      `${where}: checksum of its values is ${found}, expected ${entry.crc32c}; the file is damaged`,
    );
  }
}

function textTensor(
  name: string,
  entry: BundleEntry,
  count: number,
  { sourceOf, littleEndian }: DataFiles,
  where: string,
): StoredTensor {
  return {
    name,
    shape: entry.shape,
    dtype: "string",
    byteLength: entry.size,
    bytes: () => {
      throw new InputError("unsupported", `${where}: holds strings, expected numbers`);
    },
    strings: () => {
      const { strings, crc } = stringTensor(
        sourceOf(entry.shard).read(entry.offset, entry.size, where),
        count,
        where,
        littleEndian,
      );
      checkCrc(crc, entry, where);
      return strings;
    },
  };
}

function slicedTensor(
  name: string,
  entry: BundleEntry,
  dtype: StoredDType,
  slices: ReadonlyMap<string, BundleEntry>,
  data: DataFiles,
  where: string,
): StoredTensor {
  const { shape } = entry;
  const elementBytes = byteLengthOf(dtype, 1);
  if (dtype === "string" || elementBytes === undefined) {
    throw new InputError("unsupported", `${where}: is a partitioned tensor of type ${dtype}`);
  }
  // Parts before boxes: that each slice is in the index, once, bounds the work on boxes by the file's size.
  const parts = partsOf(name, entry, slices, where);
  const boxes = boxesOf(shape, entry.slices, where);
  parts.forEach((part, k) => {
    checkPart(part, entry, dtype, boxes[k] as Box, `${where}: slice ${k}`);
  });
  const byteLength = parts.reduce((sum, { size }) => sum + size, 0);
  return {
    name,
    shape,
    dtype,
    byteLength,
    bytes: () => {
      const whole = new Uint8Array(byteLength);
      parts.forEach((part, k) => {
        const values = checkedBytes(data, part, dtype, `${where}: slice ${k}`);
        copyBox(whole, shape, values, boxes[k] as Box, elementBytes);
      });
      return whole;
    },
    strings: noStrings(where),
  };
}

function partsOf(
  name: string,
  { slices }: BundleEntry,
  stored: ReadonlyMap<string, BundleEntry>,
  where: string,
): BundleEntry[] {
  const keys = new Set(slices.map((slice) => keyText(sliceKey(name, slice))));
  const parts = [...keys].map((key) => stored.get(key));
  const found = parts.filter((part) => part !== undefined);
  if (found.length !== slices.length) {
    throw new InputError(
      "corrupt",
      `${where}: names ${slices.length} slices, the index has ${found.length} of them`,
    );
  }
  return found;
}

function checkPart(
  part: BundleEntry,
  whole: BundleEntry,
  dtype: StoredDType,
  box: Box,
  where: string,
): void {
  if (part.dtype !== whole.dtype || part.slices.length > 0) {
    throw new InputError("corrupt", `${where}: is not a plain tensor of type ${dtype}`);
  }
  if (`${part.shape}` !== `${box.lengths}`) {
    throw new InputError(
      "shape",
      `${where}: has shape [${part.shape.join(", ")}], expected [${box.lengths.join(", ")}]`,
    );
  }
  checkSize(part, dtype, box.elements, where);
}

/** Every value of the files belongs to a tensor: a slice that none names would be left out unseen. */
function refuseOrphans(
  entries: ReadonlyMap<string, BundleEntry>,
  slices: ReadonlyMap<string, BundleEntry>,
  source: string,
): void {
  const named = [...entries.values()].reduce((sum, entry) => sum + entry.slices.length, 0);
  if (named !== slices.size) {
    throw new InputError(
      "corrupt",
      `${source}: holds ${slices.size} slices, its tensors are made of ${named}`,
    );
  }
}
