import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { unzipSync, zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import { openZip } from "../../../src/formats/zip/zip-reader.js";
import { writeZip, type ZipContent } from "../../../src/formats/zip/zip-writer.js";

const text = (words: string) => new TextEncoder().encode(words);

const contents: fc.Arbitrary<ZipContent[]> = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-zä-ü0-9_]{1,8}(\/[a-z]{1,3}){0,2}$/),
    bytes: fc.uint8Array({ maxLength: 300 }),
  }),
  { selector: ({ name }) => name, maxLength: 6 },
);

const readAll = (bytes: Uint8Array) => {
  const archive = openZip(bytes, "t.zip");
  return archive.entries.map(({ name }) => ({ name, bytes: Uint8Array.from(archive.read(name)) }));
};

function errorOf(read: () => unknown): InputError {
  try {
    read();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const messageOf = (bytes: Uint8Array) => errorOf(() => readAll(bytes)).message;

/** Where the directory record (`PK 1 2`) of the first entry begins. */
const directoryOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer).getUint32(bytes.length - 22 + 16, true);

/** The archive with one little-endian field overwritten. */
function patched(bytes: Uint8Array, at: number, value: number, size: 2 | 4): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  if (size === 2) view.setUint16(at, value, true);
  else view.setUint32(at, value, true);
  return copy;
}

describe("zip", () => {
  it("reads back what it writes, stored and deflated", () => {
    fc.assert(
      fc.property(contents, fc.boolean(), (files, compress) => {
        expect(readAll(writeZip(files, { compress }))).toEqual(files);
      }),
    );
  });

  it("writes what fflate reads, and reads what fflate writes", () => {
    fc.assert(
      fc.property(contents, fc.boolean(), (files, compress) => {
        const object = Object.fromEntries(files.map(({ name, bytes }) => [name, bytes]));
        const other = unzipSync(writeZip(files, { compress }));
        expect(Object.keys(other).sort()).toEqual(Object.keys(object).sort());
        for (const { name, bytes } of files)
          expect(Array.from(other[name] ?? [])).toEqual([...bytes]);
        const read = readAll(zipSync(object, { level: compress ? 6 : 0 }));
        expect(Object.fromEntries(read.map(({ name, bytes }) => [name, bytes]))).toEqual(object);
      }),
    );
  });

  it("gives the same bytes for the same contents and places stored data at multiples of 64", () => {
    const files = [
      { name: "a", bytes: text("one") },
      { name: "folder/b", bytes: text("two") },
    ];
    const bytes = writeZip(files);
    expect(writeZip(files)).toEqual(bytes);
    const archive = openZip(bytes, "t.zip");
    for (const { name } of files) expect(archive.read(name).byteOffset % 64).toBe(0);
    expect(archive.read("a").buffer).toBe(bytes.buffer);
  });

  it("refuses a changed content by its checksum", () => {
    const bytes = writeZip([{ name: "a", bytes: text("hello") }]);
    const at = openZip(bytes, "t.zip").read("a").byteOffset;
    expect(messageOf(bytes.with(at, 0x48))).toMatch(
      /t\.zip: a: checksum [0-9a-f]{8}, expected 3610a686/,
    );
  });

  it.each(["../a", "/a", "a/../../b", "C:\\a", "a\\b", "./a"])("refuses the name %s", (name) => {
    const error = errorOf(() => readAll(zipSync({ [name]: text("x") })));
    expect(error.code).toBe("unsafe");
  });

  it("refuses two entries of one name", () => {
    const bytes = writeZip([
      { name: "a", bytes: text("1") },
      { name: "b", bytes: text("2") },
    ]);
    const second = directoryOf(bytes) + 47;
    expect(
      messageOf(patched(bytes, second + 46, 0x61, 2).with(second + 47, bytes[second + 47] ?? 0)),
    ).toContain("'a' is there twice");
    expect(() =>
      writeZip([
        { name: "a", bytes: text("1") },
        { name: "a", bytes: text("2") },
      ]),
    ).toThrow("2 entries with 1 names");
  });

  it("refuses a cut file wherever it is cut, at the end or at the beginning", () => {
    const bytes = writeZip([
      { name: "a", bytes: text("hello") },
      { name: "b", bytes: text("you") },
    ]);
    for (let cut = 1; cut < bytes.length; cut++) {
      expect(errorOf(() => readAll(bytes.slice(0, cut)))).toBeInstanceOf(InputError);
      expect(errorOf(() => readAll(bytes.slice(cut)))).toBeInstanceOf(InputError);
    }
  });

  it("refuses promises that no deflate stream can keep, before allocating", () => {
    const bytes = writeZip([{ name: "a", bytes: new Uint8Array(5000) }], { compress: true });
    const at = directoryOf(bytes);
    expect(messageOf(patched(bytes, at + 24, 0x7fff_ffff, 4))).toContain(
      "more than deflate can pack",
    );
    expect(messageOf(patched(bytes, at + 24, 4000, 4))).toContain("compressed data cannot be read");
    expect(messageOf(patched(bytes, at + 24, 6000, 4))).toContain("5000 bytes, expected 6000");
  });

  it("refuses a bomb: contents beyond the limit of the archive", () => {
    const zeros = new Uint8Array(2 ** 20);
    const bytes = writeZip([{ name: "a", bytes: zeros }], { compress: true });
    expect(readAll(bytes)[0]?.bytes.length).toBe(2 ** 20);
    const limited = errorOf(() => openZip(bytes, "t.zip", { maxBytes: 2 ** 19 }));
    expect(limited.message).toContain("contents of 1048576 bytes in an archive of");
    expect(limited.code).toBe("limit");
  });

  it("refuses entries that share their bytes", () => {
    const bytes = writeZip([
      { name: "a", bytes: text("12") },
      { name: "b", bytes: text("34") },
    ]);
    const second = directoryOf(bytes) + 47;
    expect(messageOf(patched(bytes, second + 42, 0, 4))).toContain("overlaps what follows it");
  });

  it.each([
    ["encryption", 8, 0x801, "encrypted"],
    ["another method", 10, 93, "compression method 93, expected 0 (stored) or 8 (deflated)"],
  ])("refuses %s by name", (_, offset, value, words) => {
    const bytes = writeZip([{ name: "a", bytes: text("12") }]);
    expect(messageOf(patched(bytes, directoryOf(bytes) + offset, value, 2))).toContain(words);
  });

  it("says of another file that it is no zip archive", () => {
    expect(messageOf(text("<!DOCTYPE html><html>not a zip archive</html>"))).toContain(
      "no zip archive",
    );
    expect(messageOf(new Uint8Array(0))).toContain("no zip archive");
  });

  it("reads zip64 directories", () => {
    expect(readAll(zip64("big", text("hello")))).toEqual([{ name: "big", bytes: text("hello") }]);
  });

  it("gives an input error, never another one, for any changed bytes", () => {
    const bytes = writeZip([{ name: "a", bytes: text("hello ".repeat(20)) }], { compress: true });
    const changes = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(changes, (pairs) => {
        const damaged = pairs.reduce((now, [at, byte]) => now.with(at, byte), bytes);
        try {
          for (const file of readAll(damaged)) expect(file.bytes.length).toBe(120);
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** One deflated entry whose sizes stand in zip64 fields only. */
function zip64(name: string, content: Uint8Array): Uint8Array {
  const packed = deflateRawSync(content);
  const crc = new DataView(writeZip([{ name, bytes: content }]).buffer).getUint32(14, true);
  const words = (...fields: [size: 2 | 4 | 8, value: number][]) => {
    const bytes = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const [size, value] of fields) {
      if (size === 2) view.setUint16(at, value, true);
      else if (size === 4) view.setUint32(at, value, true);
      else view.setBigUint64(at, BigInt(value), true);
      at += size;
    }
    return bytes;
  };
  const extra = words([2, 1], [2, 24], [8, content.length], [8, packed.length], [8, 0]);
  const local = [
    words([4, 0x04034b50], [2, 45], [2, 0], [2, 8], [4, 0], [4, crc], [4, 0xffffffff]),
    words([4, 0xffffffff], [2, name.length], [2, extra.length]),
  ];
  const front = Buffer.concat([...local, text(name), extra, packed]);
  const central = Buffer.concat([
    words([4, 0x02014b50], [2, 45], [2, 45], [2, 0], [2, 8], [4, 0], [4, crc], [4, 0xffffffff]),
    words([4, 0xffffffff], [2, name.length], [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0]),
    words([4, 0xffffffff]),
    text(name),
    extra,
  ]);
  const end64 = words(
    [4, 0x06064b50],
    [8, 44],
    [2, 45],
    [2, 45],
    [4, 0],
    [4, 0],
    [8, 1],
    [8, 1],
    [8, central.length],
    [8, front.length],
  );
  const locator = words([4, 0x07064b50], [4, 0], [8, front.length + central.length], [4, 1]);
  const end = words(
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, 0xffff],
    [2, 0xffff],
    [4, 0xffffffff],
    [4, 0xffffffff],
    [2, 0],
  );
  return Uint8Array.from(Buffer.concat([front, central, end64, locator, end]));
}
