import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parse } from "npyjs";
import { describe, expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import { readNpy } from "../../../src/formats/npy/npy-reader.js";
import { writeNpy } from "../../../src/formats/npy/npy-writer.js";
import { type AnyTensor, sizeOf, tensor } from "../../../src/tensor/tensor.js";

const shapes = fc.array(fc.nat(4), { maxLength: 4 });

/** A tensor of every dtype, with every bit pattern that is legal in it. */
const tensors: fc.Arbitrary<AnyTensor> = shapes.chain((shape) => {
  const bytes = (size: number) =>
    fc.uint8Array({ minLength: sizeOf(shape) * size, maxLength: sizeOf(shape) * size });
  return fc.oneof(
    bytes(4).map((b): AnyTensor => ({ shape, dtype: "float32", data: new Float32Array(b.buffer) })),
    bytes(8).map((b): AnyTensor => ({ shape, dtype: "float64", data: new Float64Array(b.buffer) })),
    bytes(4).map((b): AnyTensor => ({ shape, dtype: "int32", data: new Int32Array(b.buffer) })),
    bytes(8).map((b): AnyTensor => ({ shape, dtype: "int64", data: new BigInt64Array(b.buffer) })),
    bytes(1).map((b): AnyTensor => ({ shape, dtype: "uint8", data: b })),
    bytes(1).map((b): AnyTensor => ({ shape, dtype: "bool", data: b.map((byte) => byte & 1) })),
  );
});

const bytesOf = ({ data }: AnyTensor) =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();

/** A file with any header text, version 1.0. */
function file(header: string, data: Uint8Array = new Uint8Array(0), version = [1, 0]): Uint8Array {
  const text = new TextEncoder().encode(header);
  const length = version[0] === 1 ? [text.length & 255, text.length >> 8] : [text.length, 0, 0, 0];
  return Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, ...version, ...length, ...text, ...data);
}

const dict = (descr: string, shape: string, fortran = "False") =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;

function errorOf(read: () => unknown): InputError {
  try {
    read();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("npy", () => {
  it("reads back every tensor that it writes, bit for bit", () => {
    fc.assert(
      fc.property(tensors, (value) => {
        const read = readNpy(writeNpy(value), "t.npy");
        expect(read.shape).toEqual(value.shape);
        expect(read.dtype).toBe(value.dtype);
        expect(bytesOf(read)).toEqual(bytesOf(value));
      }),
    );
  });

  it("writes what npyjs reads, data at a multiple of 64 bytes", () => {
    fc.assert(
      fc.property(tensors, (value) => {
        const bytes = writeNpy(value);
        const other = parse(bytes.slice().buffer);
        expect(other.shape).toEqual(value.shape);
        expect(other.fortranOrder).toBe(false);
        expect(Array.from(other.data as never, Number)).toEqual(Array.from(value.data, Number));
        expect((bytes.length - value.data.byteLength) % 64).toBe(0);
      }),
    );
  });

  it("refuses to write data that do not fill the shape", () => {
    const short = { shape: [2, 2], dtype: "float32", data: new Float32Array(3) } as const;
    expect(() => writeNpy(short)).toThrow("shape [2,2] needs 4 values, got 3");
    const wide = {
      shape: [3],
      dtype: "float32",
      data: new Float64Array(3),
    } as unknown as AnyTensor;
    expect(() => writeNpy(wide)).toThrow("float32 data in 8 bytes an element");
  });

  it("reads big-endian elements of every size", () => {
    const read = (descr: string, ...data: number[]) => {
      const size = Number(descr.slice(2));
      return readNpy(file(dict(descr, `(${data.length / size},)`), Uint8Array.from(data)), "t.npy");
    };
    expect(read(">f4", 0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0).data).toEqual(Float32Array.of(1, -2));
    expect(read(">f8", 0x3f, 0xf0, 0, 0, 0, 0, 0, 0).data).toEqual(Float64Array.of(1));
    expect(read(">f2", 0x3c, 0, 0xfc, 0).data).toEqual(Float32Array.of(1, -Infinity));
    expect(read(">i2", 0xff, 0xfe).data).toEqual(Int32Array.of(-2));
    expect(read(">u2", 0xff, 0xfe).data).toEqual(Int32Array.of(0xfffe));
    expect(read(">u4", 0xff, 0xff, 0xff, 0xfe).data).toEqual(BigInt64Array.of(0xfffffffen));
    expect(read(">i8", 0, 0, 0, 0, 0, 0, 1, 0).data).toEqual(BigInt64Array.of(256n));
    expect(read(">u8", 0, 0, 0, 0, 0, 0, 1, 0).data).toEqual(BigInt64Array.of(256n));
    expect(read("|i1", 0xff).data).toEqual(Int32Array.of(-1));
  });

  it("reads Fortran order into row-major order", () => {
    const data = new Uint8Array(Float32Array.of(1, 4, 2, 5, 3, 6).buffer);
    const read = readNpy(file(dict("<f4", "(2, 3)", "True"), data), "t.npy");
    expect(read).toEqual(tensor([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)));
  });

  it("reads headers of versions 2 and 3, double quotes and data that are not aligned", () => {
    const data = new Uint8Array(Float32Array.of(7).buffer);
    const odd = `{"shape":(1L,),"fortran_order":False,"descr":"<f4"}`;
    for (const version of [
      [1, 0],
      [2, 0],
      [3, 0],
    ]) {
      expect(readNpy(file(odd, data, version), "t.npy").data).toEqual(Float32Array.of(7));
    }
  });

  it.each([
    [
      "needs more than the file has",
      dict("<f4", "(1000000000000, 1000)"),
      "truncated",
      "needs 4000000000000000 bytes, 8 left",
    ],
    [
      "is larger than any memory",
      dict("<f4", "(1000000000000, 1000000)"),
      "limit",
      "2^53 elements",
    ],
    ["hides its size behind a zero", dict("<f4", "(0, 1000000000000, 1000000)"), "limit", "2^53"],
    ["is negative", dict("<f4", "(-2, -1)"), "format", "each key once"],
    ["is not whole", dict("<f4", "(2.0,)"), "format", "each key once"],
    ["is a word", dict("<f4", "(two,)"), "format", "each key once"],
    ["is hexadecimal", dict("<f4", "(0x2,)"), "format", "each key once"],
    ["has leading zeros", dict("<f4", "(02,)"), "format", "each key once"],
    ["is a list", dict("<f4", "[2]"), "format", "each key once"],
    ["is no tuple", dict("<f4", "(2)"), "format", "each key once"],
    ["is missing", "{'descr': '<f4', 'fortran_order': False, }", "format", "each key once"],
    ["is there twice", dict("<f4", "(2,), 'shape': (2,)"), "format", "each key once"],
    ["has more axes than NumPy knows", dict("<f4", `(${"1, ".repeat(65)})`), "limit", "64 axes"],
    ["is too small for the file", dict("<f4", "(1,)"), "trailing-bytes", "needs 4 bytes, 8 left"],
  ])("refuses a shape that %s", (_, header, code, words) => {
    const error = errorOf(() => readNpy(file(header, new Uint8Array(8)), "t.npy"));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^t\.npy: /);
    expect(error.message).toContain(words);
  });

  it.each([
    ["missing order", "{'descr': '<f4', 'shape': (2,), }", "format"],
    ["second descr", `{'descr': '<f4', 'descr': '<f8', 'shape': (2,), }`, "format"],
    ["text after the dictionary", `${dict("<f4", "(2,)")}x`, "format"],
    ["complex elements", dict("<c8", "(1,)"), "unsupported"],
    ["strings", dict("<U2", "(1,)"), "unsupported"],
    ["Python objects", dict("|O", "(1,)"), "unsafe"],
    [
      "a structured type",
      "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }",
      "format",
    ],
  ])("refuses a header with %s", (_, header, code) => {
    expect(errorOf(() => readNpy(file(header, new Uint8Array(8)), "t.npy")).code).toBe(code);
  });

  it("refuses other files, other versions and headers beyond the limit", () => {
    const read = (bytes: Uint8Array) => errorOf(() => readNpy(bytes, "t.npy")).message;
    expect(read(new TextEncoder().encode("<!DOCTYPE html>"))).toContain(
      "begins with 3c 21 44 4f 43 54",
    );
    expect(read(file(dict("<f4", "(2,)"), new Uint8Array(8), [9, 0]))).toContain("version 9.0");
    expect(read(file("x".repeat(10_001)))).toContain("header length 10001 bytes, expected at most");
    expect(read(Uint8Array.of(0x93, 0x4e))).toContain("needs 10 bytes, 2 left");
  });

  it("takes any byte but 0 for true, and refuses a uint64 beyond int64", () => {
    const bool = file(dict("|b1", "(3,)"), Uint8Array.of(0, 1, 255));
    expect(readNpy(bool, "t.npy").data).toEqual(Uint8Array.of(0, 1, 1));
    const huge = file(dict("<u8", "(1,)"), new Uint8Array(8).fill(255));
    expect(errorOf(() => readNpy(huge, "t.npy")).code).toBe("unsupported");
  });

  it("gives an input error, never another one, for any cut or changed byte", () => {
    const good = writeNpy(tensor([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)));
    for (let length = 0; length < good.length; length++) {
      expect(errorOf(() => readNpy(good.subarray(0, length), "t.npy")).message).toContain("t.npy");
    }
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        try {
          expect(sizeOf(readNpy(good.with(at, byte), "t.npy").shape)).toBeLessThanOrEqual(24);
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
    );
  });
});

const hasNumpy = spawnSync("python3", ["-c", "import numpy"]).status === 0;

describe.skipIf(!hasNumpy)("npy against NumPy (skipped where python3 has none)", () => {
  it("agrees with NumPy in both directions for each dtype, byte order and memory order", () => {
    const folder = mkdtempSync(join(tmpdir(), "difftest-npy-"));
    try {
      writeFileSync(
        join(folder, "ours.npy"),
        writeNpy(tensor([2, 2], Float32Array.of(1, 2, 3, 4))),
      );
      const mask = { shape: [2], dtype: "bool", data: Uint8Array.of(0, 1) } as const;
      writeFileSync(join(folder, "mask.npy"), writeNpy(mask));
      const script = `
import numpy as np, sys, json, io, base64
folder = sys.argv[1]
a = np.load(folder + "/ours.npy"); assert a.dtype == np.float32 and a.tolist() == [[1, 2], [3, 4]]
m = np.load(folder + "/mask.npy"); assert m.dtype == np.bool_ and m.tolist() == [False, True]
cases = []
for code in "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1".split():
    for endian in "<>":
        for order in "CF":
            x = np.arange(24).reshape(2, 3, 4).astype(np.dtype(endian + code))
            f = io.BytesIO(); np.save(f, np.asarray(x, order=order))
            cases.append([endian + code + order, base64.b64encode(f.getvalue()).decode(), x.astype("f8").ravel().tolist()])
print(json.dumps(cases))`;
      const out = execFileSync("python3", ["-c", script, folder], { encoding: "utf8" });
      const cases = JSON.parse(out) as [string, string, number[]][];
      expect(cases).toHaveLength(48);
      for (const [name, base64, values] of cases) {
        const read = readNpy(Buffer.from(base64, "base64"), name);
        expect([name, ...read.shape]).toEqual([name, 2, 3, 4]);
        expect([name, ...Array.from(read.data, Number)]).toEqual([name, ...values]);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
