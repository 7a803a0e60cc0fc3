import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type h5wasm from "h5wasm";
import { describe, expect, it } from "vitest";
import type { Hdf5Request } from "../../../src/formats/keras/hdf5-protocol.js";
import { readHdf5 } from "../../../src/formats/keras/read-hdf5.js";
import { hdf5Bytes, temporaryPath } from "./write-model.js";

/** More than is read at once, so that the library is asked for the first rows alone where it can be. */
const SHAPE = [700, 1000];
const VALUES = Float32Array.from({ length: 700_000 }, (_, k) => Math.sin(k));

/** How a dataset of {@link VALUES} is stored. */
interface Storage {
  readonly dtype?: string;
  readonly chunks?: number[];
  readonly compression?: number;
}

async function stored({ dtype = "<f4", chunks, compression }: Storage): Promise<string> {
  const path = temporaryPath("large.h5");
  const bytes = await hdf5Bytes((file) => {
    const data = dtype.endsWith("8") ? Float64Array.from(VALUES) : VALUES;
    file.create_group("vars");
    const group = file.get("vars") as InstanceType<typeof h5wasm.Group>;
    group.create_dataset({ name: "0", data: Float32Array.of(1, 2, 3), shape: [3], dtype: "<f4" });
    group.create_dataset({
      name: "1",
      data,
      shape: SHAPE,
      dtype,
      ...(chunks === undefined ? {} : { chunks }),
      ...(compression === undefined ? {} : { compression }),
    });
  });
  writeFileSync(path, bytes);
  return path;
}

async function contentOf(path: string, source: Hdf5Request["source"] = { kind: "file", path }) {
  return await readHdf5({ source, name: "large.h5", byteLength: statSync(path).size });
}

/** The large one's values, as the worker reads them. */
async function read(path: string, source?: Hdf5Request["source"]): Promise<Float32Array> {
  const content = await contentOf(path, source);
  const offset = content.store.find(({ name }) => name === "vars/1")?.offset ?? 0;
  return new Float32Array(content.values, 4 * offset, VALUES.length);
}

/** Compared as bytes: vitest looks at 700,000 numbers one by one for seconds. */
function sameBytes(actual: Float32Array, expected: Float32Array): boolean {
  return Buffer.compare(bytesOf(actual), bytesOf(expected)) === 0;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

describe("a large dataset", () => {
  it.each<[string, Storage]>([
    ["in one piece, as it is read past the library", {}],
    ["of float64", { dtype: "<f8" }],
    ["in chunks of whole rows", { chunks: [350, 1000] }],
    ["in chunks of parts of rows", { chunks: [100, 300] }],
    ["compressed", { chunks: [100, 1000], compression: 4 }],
  ])("%s gives its values", async (_, storage) => {
    expect(sameBytes(await read(await stored(storage)), VALUES)).toBe(true);
  });

  it("of big-endian values is not taken as it stands in the file", async () => {
    // By h5py: g["1"] = numpy.full((300, 1000), 1.5, ">f4").
    const packed = readFileSync(new URL("./big-endian.h5.gz", import.meta.url));
    const path = temporaryPath("large.h5");
    writeFileSync(path, gunzipSync(packed));
    const content = await contentOf(path);
    expect(new Float32Array(content.values, 4 * 3).every((value) => value === 1.5)).toBe(true);
  });

  it("that the file does not hold to its end is refused", async () => {
    const path = await stored({});
    truncateSync(path, 2_000_000);
    await expect(read(path)).rejects.toThrow(/truncated file/);
  });

  it("is found in an archive that holds the file as it is, and in one that was unpacked", async () => {
    const path = await stored({});
    const bytes = readFileSync(path);
    const archive = temporaryPath("model.keras");
    writeFileSync(archive, Buffer.concat([Buffer.alloc(77), bytes, Buffer.alloc(10)]));
    const entry = { kind: "file", path: archive, offset: 77, byteLength: bytes.length } as const;
    expect(sameBytes(await read(path, entry), VALUES)).toBe(true);
    const unpacked = await read(path, { kind: "memory", bytes: Uint8Array.from(bytes) });
    expect(sameBytes(unpacked, VALUES)).toBe(true);
  });
});
