import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sourceFromBytes } from "../../../src/formats/byte-source.js";
import { openTable } from "../../../src/formats/tf-checkpoint/table.js";
import { type KeyValue, type TableOptions, tableBytes, varint } from "./write-table.js";

const open = (bytes: Uint8Array) => openTable(sourceFromBytes(bytes, "t.index"));
const readAll = (bytes: Uint8Array) =>
  [...open(bytes).entries()].map(({ key, value }) => [key, value]);
const entry = (key: string, value = "v"): KeyValue => [Buffer.from(key), Buffer.from(value)];

/** A block as snappy stores what does not compress: length, literals of 60 bytes. */
const snappy: NonNullable<TableOptions["compress"]> = {
  type: 1,
  run: (bytes) => {
    const parts: Uint8Array[] = [varint(bytes.length)];
    for (let at = 0; at < bytes.length; at += 60) {
      const piece = bytes.subarray(at, at + 60);
      parts.push(Buffer.of((piece.length - 1) << 2), piece);
    }
    return Buffer.concat(parts);
  },
};

describe("openTable", () => {
  it("gives back any entries, however blocks and restarts fall, compressed or not", () => {
    const keys = fc.uniqueArray(fc.uint8Array({ maxLength: 12 }), {
      selector: (key) => `${key}`,
      maxLength: 40,
    });
    const options = fc.record({
      blockBytes: fc.integer({ min: 1, max: 200 }),
      restartInterval: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(keys, options, fc.boolean(), (list, layout, compressed) => {
        const entries = list
          .sort((a, b) => Buffer.compare(a, b))
          .map((key, k): KeyValue => [key, Uint8Array.of(k)]);
        const bytes = tableBytes(entries, compressed ? { ...layout, compress: snappy } : layout);
        expect(readAll(bytes)).toEqual(entries);
        const table = open(bytes);
        for (const [key, value] of entries) expect(table.get(key)).toEqual(value);
        expect(table.get(Buffer.from("never a key, it is too long"))).toBeUndefined();
      }),
    );
  });

  it("finds any flipped bit of its blocks but of the metaindex, which is never read", () => {
    const bytes = tableBytes([entry("a"), entry("ab"), entry("b")]);
    let harmless = 0;
    for (let bit = 0; bit < 8 * (bytes.length - 48); bit++) {
      const damaged = Uint8Array.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const found = outcome(() => readAll(damaged));
      if (found === "read") harmless += 1;
      else expect(found).toMatch(/checksum is \d+, expected \d+; the file is damaged/);
    }
    const emptyBlock = 4 + 5;
    expect(harmless).toBe(8 * emptyBlock);
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    ["a short file", () => new Uint8Array(47), /has 47 bytes, a table needs a footer of 48/],
    ["another magic number", () => new Uint8Array(48), /magic number at offset 40 is 0x0/],
    ["keys in a wrong order", () => tableBytes([entry("b"), entry("a")]), /"a" follows "b"/],
    ["a doubled key", () => tableBytes([entry("a"), entry("a")]), /"a" follows "a"/],
    [
      "an unknown compression",
      () => tableBytes([entry("a")], { compress: { type: 4, run: (bytes) => bytes } }),
      /compression is 4, expected 0 \(none\) or 1 \(snappy\)/,
    ],
    [
      "a block without restart points",
      () => tableBytes([entry("a")], { compress: { type: 0, run: () => Buffer.alloc(4, 255) } }),
      /4294967295 restart points need/,
    ],
    [
      "a key that shares more than there is",
      () =>
        tableBytes([entry("a")], {
          compress: { type: 0, run: () => Buffer.from([3, 1, 0, 97, 0, 0, 0, 0]) },
        }),
      /entry shares 3 bytes of a key that has 0/,
    ],
  ])("refuses %s", (_, make, message) => {
    expect(() => readAll(make())).toThrow(message);
    expect(() => readAll(make())).toThrow(expect.objectContaining({ name: "InputError" }));
  });
});

/** What came of it: "read", or the words of its `InputError`. */
function outcome(run: () => unknown): string {
  try {
    run();
    return "read";
  } catch (error) {
    expect(error).toMatchObject({ name: "InputError" });
    return (error as Error).message;
  }
}
