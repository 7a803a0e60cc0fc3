import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type ByteSource, sourceFromBytes } from "../../../src/formats/byte-source.js";
import { openSafetensors, safetensorsFrom } from "../../../src/formats/safetensors/reader.js";
import { readTensor } from "../../../src/formats/tensor-file.js";
import { safetensorsBytes, withHeader } from "./write-safetensors.js";

const folder = mkdtempSync(join(tmpdir(), "safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const read = (bytes: Uint8Array) => safetensorsFrom(sourceFromBytes(bytes, "x.safetensors"));

/** The values of one tensor written with this dtype. */
function values(dtype: string, bytes: ArrayBufferView, count: number) {
  const raw = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const file = read(safetensorsBytes([{ name: "t", dtype, shape: [count], bytes: raw }]));
  const { data, dtype: widened } = readTensor(file.get("t"), file.name);
  return [widened, ...data];
}

describe("safetensors", () => {
  it("reads names, shapes, metadata and values from a file", () => {
    const path = join(folder, "a.safetensors");
    const bytes = safetensorsBytes(
      [
        { name: "w", dtype: "F32", shape: [2, 2], bytes: f32(1, 2, 3, 4) },
        { name: "empty", dtype: "F32", shape: [0, 3], bytes: f32() },
        { name: "__proto__", dtype: "F32", shape: [], bytes: f32(5) },
      ],
      { format: "pt" },
    );
    writeFileSync(path, bytes);
    const file = openSafetensors(path);
    expect(file.tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ["w", [2, 2]],
      ["empty", [0, 3]],
      ["__proto__", []],
    ]);
    expect(file.metadata).toEqual(new Map([["format", "pt"]]));
    const tensor = readTensor(file.get("w"), path);
    expect(tensor).toEqual({ dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
    expect(tensor.data.byteOffset).toBe(0);
    expect(readTensor(file.get("__proto__"), path).data).toEqual(Float32Array.of(5));
    expect(() => file.get("v/w")).toThrow(/no tensor "v\/w" among its 3; it has w/);
    file.close();
    expect(() => file.get("w").bytes()).toThrow(/closed/);
  });

  it("widens every dtype without changing a value", () => {
    expect(values("F64", Float64Array.of(0.1), 1)).toEqual(["float64", 0.1]);
    expect(values("F16", Uint16Array.of(0x3c00, 1, 0xfc00, 0x8000), 4)).toEqual([
      "float32",
      1,
      2 ** -24,
      Number.NEGATIVE_INFINITY,
      -0,
    ]);
    expect(values("BF16", Uint16Array.of(0x3f80, 0x0001, 0x7f80), 3)).toEqual([
      "float32",
      1,
      2 ** -133,
      Number.POSITIVE_INFINITY,
    ]);
    expect(values("F8_E4M3", Uint8Array.of(0x38, 0x7e, 0x01, 0xff), 4)).toEqual([
      "float32",
      1,
      448,
      2 ** -9,
      Number.NaN,
    ]);
    expect(values("F8_E5M2", Uint8Array.of(0x3c, 0x7b, 0x7c), 3)).toEqual([
      "float32",
      1,
      57_344,
      Number.POSITIVE_INFINITY,
    ]);
    // The formats without −0: its bits are NaN, and every exponent is one lower.
    expect(values("F8_E4M3FNUZ", Uint8Array.of(0x38, 0x7f, 0x01, 0x80, 0xff), 5)).toEqual([
      "float32",
      0.5,
      240,
      2 ** -10,
      Number.NaN,
      -240,
    ]);
    expect(values("F8_E5M2FNUZ", Uint8Array.of(0x3c, 0x7f, 0x01, 0x80), 4)).toEqual([
      "float32",
      0.5,
      57_344,
      2 ** -17,
      Number.NaN,
    ]);
    expect(values("I64", BigInt64Array.of(-(2n ** 63n)), 1)).toEqual(["int64", -(2n ** 63n)]);
    expect(values("U64", BigUint64Array.of(2n ** 53n + 1n), 1)).toEqual(["int64", 2n ** 53n + 1n]);
    expect(values("U32", Uint32Array.of(2 ** 32 - 1), 1)).toEqual(["int64", 2n ** 32n - 1n]);
    expect(values("I32", Int32Array.of(-7), 1)).toEqual(["int32", -7]);
    expect(values("I16", Int16Array.of(-7), 1)).toEqual(["int32", -7]);
    expect(values("U16", Uint16Array.of(65_535), 1)).toEqual(["int32", 65_535]);
    expect(values("I8", Int8Array.of(-7), 1)).toEqual(["int32", -7]);
    expect(values("U8", Uint8Array.of(200), 1)).toEqual(["uint8", 200]);
    expect(values("BOOL", Uint8Array.of(1, 0), 2)).toEqual(["bool", 1, 0]);
  });

  it("lists what it cannot widen and refuses its values by name", () => {
    const nibbles = { name: "n", dtype: "F4", shape: [4], bytes: Uint8Array.of(1, 2) };
    const file = read(safetensorsBytes([nibbles]));
    expect(file.get("n").dtype).toBe("float4e2m1");
    expect(() => readTensor(file.get("n"), file.name)).toThrow(
      /x\.safetensors: n: values of type float4e2m1 cannot be compared/,
    );
    expect(() => values("U64", BigUint64Array.of(2n ** 63n), 1)).toThrow(/beyond int64/);
  });

  it("reads into memory that is there already, the same bytes and no others", () => {
    const path = join(folder, "into.safetensors");
    const stored = { name: "w", dtype: "F32", shape: [3], bytes: f32(1, 2, 3) };
    writeFileSync(path, safetensorsBytes([{ ...stored, name: "v" }, stored]));
    const file = openSafetensors(path);
    const target = new Uint8Array(new SharedArrayBuffer(20)).fill(9);
    file.get("w").readInto?.(target.subarray(4, 16));
    expect([...target.slice(4, 16)]).toEqual([...file.get("w").bytes()]);
    expect([...target.slice(0, 4), ...target.slice(16)]).toEqual(Array(8).fill(9));
    expect(() => file.get("w").readInto?.(new Uint8Array(13))).toThrow(/needs 13 bytes, 12 left/);
    file.close();
  });

  it("reads a tensor that is not aligned", () => {
    const file = read(
      safetensorsBytes([
        { name: "b", dtype: "U8", shape: [1], bytes: Uint8Array.of(9) },
        { name: "a", dtype: "F32", shape: [2], bytes: f32(1, 2) },
      ]),
    );
    expect(readTensor(file.get("a"), file.name).data).toEqual(Float32Array.of(1, 2));
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(0), /header length at offset 0 needs 8 bytes, 0 left/],
    [
      "a length beyond the file",
      withHeader("{}", f32()).slice(0, 12),
      /header length is 8, 4 bytes left/,
    ],
    [
      "an HTML page",
      Buffer.from("<!DOCTYPE html>"),
      /is an HTML page, expected a safetensors file; download/,
    ],
    [
      "other bytes",
      Buffer.from("not a model"),
      /header length is \d+, expected at most 100000000; is/,
    ],
    ["an open string", withHeader('{"a', f32()), /string at 1 has no end/],
    ["a bad escape", withHeader('{"\\x":{}}', f32()), /string at 1 holds a character or an escape/],
    ["a list", withHeader("[]", f32()), /header is a list, expected an object/],
    ["bytes that are not UTF-8", withHeader(Uint8Array.of(0x7b, 0x22, 0xff), f32()), /not UTF-8/],
    ["NUL padding", withHeader("{}\0\0\0\0\0\0", f32()), /JSON: .* at 2, expected the end/],
    [
      "no dtype",
      withHeader('{"a":{"shape":[],"data_offsets":[0,4]}}', f32(1)),
      /"a": has no "dtype"/,
    ],
    ["an unknown dtype", entry({ dtype: "F128" }), /dtype is "F128", expected one of BOOL/],
    ["a fraction", entry({ shape: "[8.0]" }), /shape holds 8\.0, expected whole numbers/],
    ["an exponent", entry({ offsets: "[0,32e0]" }), /data_offsets holds 32e0/],
    ["a negative size", entry({ shape: "[-8]" }), /shape holds -8/],
    ["2^64", entry({ offsets: "[0,18446744073709551616]" }), /holds 18446744073709551616/],
    ["three offsets", entry({ offsets: "[0,32,32]" }), /data_offsets has 3 numbers/],
    [
      "an overflowing shape",
      entry({ shape: "[4294967296,4294967296]" }),
      /not a list of sizes whose/,
    ],
    [
      "a wrong size",
      entry({ shape: "[7]" }),
      /float32 \[7\] takes 28 bytes, its range \[0, 32\) has 32/,
    ],
    ["a reversed range", entry({ offsets: "[32,0]" }), /range \[32, 0\) has -32/],
    ["metadata of a number", withHeader('{"__metadata__":{"x":1}}', f32()), /"x" is a number/],
    ["a doubled key", withHeader('{"a":{},"a":{}}', f32()), /key "a" at 8 is there twice/],
    ["half a surrogate pair", withHeader('{"\\ud800":{}}', f32()), /half a surrogate/],
    ["a number beyond float64", withHeader(`{"a":{"x":1e999}}`, f32()), /beyond any float64/],
    ["deep nesting", withHeader(`{"a":${"[".repeat(9000)}`, f32()), /nests deeper than 127/],
    ["trailing bytes", withHeader("{}", f32(1)), /cover 0 of 4 bytes/],
    [
      "a hole",
      two([0, 4], [8, 12], 12),
      /"b" has bytes \[8, 12\) of the data, expected to begin at 4/,
    ],
    ["an overlap", two([0, 4], [2, 6], 6), /expected to begin at 4/],
    ["one range for two", two([0, 4], [0, 4], 4), /expected to begin at 4/],
    ["missing data", two([0, 4], [4, 8], 6), /need 8 bytes of data, the file has 6/],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(message);
    expect(() => read(bytes)).toThrow(expect.objectContaining({ name: "InputError" }));
  });

  it("reads the header at opening, and of the values exactly those that are asked for", () => {
    const big = { dtype: "F32", shape: [1000], bytes: new Uint8Array(4000) };
    const bytes = safetensorsBytes([
      { name: "a", ...big },
      { name: "b", ...big },
    ]);
    const { source, ranges } = watched(sourceFromBytes(bytes, "x"));
    const file = safetensorsFrom(source);
    // The first bytes tell an HTML page from a model, whatever the length of the header.
    expect(Math.max(...ranges.map(([, end]) => end))).toBe(512);
    ranges.length = 0;
    readTensor(file.get("b"), "x");
    expect(ranges).toEqual([[bytes.length - 4000, bytes.length]]);
  });

  it("refuses a folder and a missing file", () => {
    expect(() => openSafetensors(folder)).toThrow(/is a folder, expected a file/);
    expect(() => openSafetensors(join(folder, "none"))).toThrow(/no such file/);
  });

  it("gives back any tensors that were written", () => {
    const tensors = fc.uniqueArray(
      fc.record({
        name: fc.string({ unit: "grapheme" }).filter((name) => name !== "__metadata__"),
        dtype: fc.constant("U8"),
        bytes: fc.uint8Array({ maxLength: 20 }),
      }),
      { selector: ({ name }) => name },
    );
    fc.assert(
      fc.property(tensors, (written) => {
        const named = written.map((tensor) => ({ ...tensor, shape: [tensor.bytes.length] }));
        const file = read(safetensorsBytes(named));
        expect(new Set(file.tensors.map(({ name }) => name))).toEqual(
          new Set(written.map(({ name }) => name)),
        );
        for (const { name, bytes } of written) expect(file.get(name).bytes()).toEqual(bytes);
      }),
    );
  });
});

/** A source and the ranges `[begin, end)` that were read from it. */
function watched(inner: ByteSource): { source: ByteSource; ranges: [number, number][] } {
  const ranges: [number, number][] = [];
  const read: ByteSource["read"] = (offset, length, field) => {
    ranges.push([offset, offset + length]);
    return inner.read(offset, length, field);
  };
  return { source: { ...inner, read }, ranges };
}

/** A file of one F32 tensor of 32 bytes, with one field of its header replaced. */
function entry({ dtype = "F32", shape = "[8]", offsets = "[0,32]" }): Uint8Array {
  const header = `{"a":{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}}`;
  return withHeader(header, new Uint8Array(32));
}

/** Two F32 scalars at these ranges. */
function two(a: number[], b: number[], dataBytes: number): Uint8Array {
  const tensor = (offsets: number[]) => ({ dtype: "F32", shape: [], data_offsets: offsets });
  return withHeader(JSON.stringify({ a: tensor(a), b: tensor(b) }), new Uint8Array(dataBytes));
}
