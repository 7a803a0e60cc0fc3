import { crc32c, maskedCrc32c } from "../../../src/formats/tf-checkpoint/crc32c.js";

export type KeyValue = readonly [key: Uint8Array, value: Uint8Array];

/** How to write a table; the defaults are TensorFlow's but for the block size. */
export interface TableOptions {
  readonly blockBytes?: number;
  readonly restartInterval?: number;
  /** What to do with a block's bytes, and the number of the method. */
  readonly compress?: { readonly type: number; readonly run: (bytes: Uint8Array) => Uint8Array };
}

/** A table file with these entries, which must be in the order of their keys. */
export function tableBytes(entries: readonly KeyValue[], options: TableOptions = {}): Uint8Array {
  const { blockBytes = 4096, restartInterval = 16, compress } = options;
  const file: Buffer[] = [];
  const index: KeyValue[] = [];
  let pending: KeyValue[] = [];
  let size = 0;
  const flush = () => {
    const [last] = pending.at(-1) ?? [];
    if (last !== undefined) {
      index.push([last, append(file, block(pending, restartInterval), compress)]);
    }
    pending = [];
    size = 0;
  };
  for (const entry of entries) {
    pending.push(entry);
    size += entry[0].length + entry[1].length;
    if (size >= blockBytes) flush();
  }
  flush();
  const metaindex = append(file, block([], 1));
  const footer = Buffer.concat([metaindex, append(file, block(index, 1))]);
  const tail = Buffer.alloc(48);
  footer.copy(tail);
  tail.writeBigUInt64LE(0xdb4775248b80fb57n, 40);
  return Uint8Array.from(Buffer.concat([...file, tail]));
}

/** Adds a block and its trailer; returns its handle. */
function append(
  file: Buffer[],
  contents: Uint8Array,
  compress: TableOptions["compress"] = { type: 0, run: (bytes) => bytes },
): Buffer {
  const offset = file.reduce((sum, part) => sum + part.length, 0);
  const stored = compress.run(contents);
  const typed = Buffer.concat([stored, Buffer.of(compress.type)]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(maskedCrc32c(crc32c(typed)));
  file.push(typed, checksum);
  return Buffer.concat([varint(offset), varint(stored.length)]);
}

function block(entries: readonly KeyValue[], restartInterval: number): Uint8Array {
  const parts: Buffer[] = [];
  const restarts: number[] = [];
  let size = 0;
  entries.forEach(([key, value], k) => {
    const restart = k % restartInterval === 0;
    if (restart) restarts.push(size);
    const shared = restart ? 0 : sharedLength(entries[k - 1]?.[0] ?? key, key);
    const part = Buffer.concat([
      varint(shared),
      varint(key.length - shared),
      varint(value.length),
      key.subarray(shared),
      value,
    ]);
    size += part.length;
    parts.push(part);
  });
  const tail = Uint32Array.from([...restarts, restarts.length]);
  return Buffer.concat([...parts, new Uint8Array(tail.buffer)]);
}

function sharedLength(a: Uint8Array, b: Uint8Array): number {
  let k = 0;
  while (k < Math.min(a.length, b.length) && a[k] === b[k]) k += 1;
  return k;
}

/** LEB128. */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.of(...bytes, rest);
    bytes.push((rest % 128) + 128);
  }
}
