import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import protobuf from "protobufjs/minimal.js";
import { afterAll, describe, expect, it } from "vitest";
import { readTensor } from "../../../src/formats/tensor-file.js";
import { openTfCheckpoint, type TfCheckpoint } from "../../../src/formats/tf-checkpoint/reader.js";
import {
  type BundleFiles,
  bundleFiles,
  objectGraphBytes,
  stringBytes,
  type TensorToWrite,
  v1Bytes,
} from "./write-checkpoint.js";

const folder = mkdtempSync(join(tmpdir(), "tf-checkpoint-"));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;

/** A fresh folder. */
function fresh(): string {
  count += 1;
  const path = join(folder, `${count}`);
  mkdirSync(path);
  return path;
}

/** Writes the files of a checkpoint into a fresh folder; returns the prefix. */
function written({ index, data }: BundleFiles, name = "ckpt", into: string = fresh()): string {
  mkdirSync(into, { recursive: true });
  writeFileSync(join(into, `${name}.index`), index);
  data.forEach((bytes, k) => {
    const number = (value: number) => value.toString().padStart(5, "0");
    writeFileSync(join(into, `${name}.data-${number(k)}-of-${number(data.length)}`), bytes);
  });
  return join(into, name);
}

const FLOAT = 1;
const STRING = 7;
const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const floats = (name: string, shape: number[], ...values: number[]): TensorToWrite => ({
  name,
  dataType: FLOAT,
  shape,
  bytes: f32(...values),
});
const text = (name: string, strings: string[]): TensorToWrite => ({
  name,
  dataType: STRING,
  shape: [strings.length],
  ...stringBytes(strings),
});
const open = (tensors: TensorToWrite[], options = {}) =>
  openTfCheckpoint(written(bundleFiles(tensors, options)));
const valuesOf = (file: TfCheckpoint, name: string) => [
  ...readTensor(file.get(name), file.name).data,
];

describe("a checkpoint of two kinds of file", () => {
  it("is read from its prefix, its index, a data file, a folder with a state file and a SavedModel", () => {
    const files = bundleFiles([floats("a", [2], 1, 2)]);
    const prefix = written(files);
    const home = join(prefix, "..");
    const saved = fresh();
    written(files, "variables", join(saved, "variables"));
    writeFileSync(join(saved, "saved_model.pb"), "");
    const state = fresh();
    written(files, "ckpt-1", state);
    written(files, "ckpt-2", state);
    writeFileSync(join(state, "checkpoint"), 'model_checkpoint_path: "/elsewhere/ckpt-2"\n');
    const paths = [
      prefix,
      `${prefix}.index`,
      `${prefix}.data-00000-of-00001`,
      home,
      saved,
      join(saved, "saved_model.pb"),
      state,
      join(state, "checkpoint"),
    ];
    for (const path of paths) {
      const file = openTfCheckpoint(path);
      expect(valuesOf(file, "a")).toEqual([1, 2]);
      file.close();
    }
  });

  it("reads every type of numbers, strings, scalars and empty tensors", () => {
    const file = open([
      { name: "bf16", dataType: 14, shape: [1], bytes: Uint8Array.of(0x80, 0x3f) },
      { name: "bool", dataType: 10, shape: [2], bytes: Uint8Array.of(1, 0) },
      { name: "complex", dataType: 8, shape: [1], bytes: f32(1, 2) },
      floats("empty", [0, 3]),
      { name: "half", dataType: 19, shape: [1], bytes: Uint8Array.of(0x00, 0x3c) },
      {
        name: "int64",
        dataType: 9,
        shape: [],
        bytes: new Uint8Array(BigInt64Array.of(-5n).buffer),
      },
      text("text", ["a", "grün", ""]),
    ]);
    expect(valuesOf(file, "bf16")).toEqual([1]);
    expect(valuesOf(file, "bool")).toEqual([1, 0]);
    expect(valuesOf(file, "empty")).toEqual([]);
    expect(valuesOf(file, "half")).toEqual([1]);
    expect(valuesOf(file, "int64")).toEqual([-5n]);
    expect(file.get("complex").bytes()).toEqual(f32(1, 2));
    expect(() => valuesOf(file, "complex")).toThrow(/complex: values of type complex64 cannot be/);
    expect(
      file
        .get("text")
        .strings()
        .map((bytes) => Buffer.from(bytes).toString()),
    ).toEqual(["a", "grün", ""]);
    expect(() => file.get("text").bytes()).toThrow(/holds strings, expected numbers/);
    expect(() => file.get("half").strings()).toThrow(/holds numbers, expected strings/);
  });

  it("names tensors that hold no numbers and reads the others", () => {
    const file = open([
      floats("a", [1], 1),
      { name: "iterator", dataType: 21, shape: [], bytes: f32() },
    ]);
    expect(file.unreadable).toEqual([{ name: "iterator", dataType: 21 }]);
    expect(file.tensors.map(({ name }) => name)).toEqual(["a"]);
  });

  it("reads several shards, and only those that hold something", () => {
    const tensors = [
      { ...floats("a", [1], 1), shard: 2 },
      { ...floats("b", [1], 2), shard: 0 },
    ];
    const file = open(tensors, { shards: 3 });
    expect(file.shards).toBe(3);
    expect([valuesOf(file, "a"), valuesOf(file, "b")]).toEqual([[1], [2]]);
  });

  it("puts any slices of a tensor together", () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(shapes, fc.nat(3), fc.nat(4), (shape, axisSeed, cutSeed) => {
        const axis = axisSeed % shape.length;
        const size = shape[axis] ?? 1;
        const cut = size === 1 ? 1 : 1 + (cutSeed % (size - 1));
        const total = shape.reduce((product, n) => product * n, 1);
        const whole = Array.from({ length: total }, (_, k) => k);
        const stride = shape.slice(axis + 1).reduce((product, n) => product * n, 1);
        const parts = [
          [0, cut],
          [cut, size - cut],
        ].filter(([, length]) => length !== 0);
        const slices = parts.map(([start = 0, length = 0]) => ({
          slice: shape.map((_, k) => (k === axis ? { start, length } : { start: 0, length: null })),
          bytes: f32(
            ...whole.filter((k) => {
              const at = Math.floor(k / stride) % size;
              return at >= start && at < start + length;
            }),
          ),
        }));
        const file = open([{ name: "w", dataType: FLOAT, shape, bytes: f32(), slices }]);
        expect(valuesOf(file, "w")).toEqual(whole);
        file.close();
      }),
      { numRuns: 40 },
    );
  });

  it.each<[string, TensorToWrite[], RegExp]>([
    [
      "a hole between slices",
      [sliced([0, 1], [2, 1])],
      /2 slices cover 2 elements, expected to cover shape \[3\]/,
    ],
    ["overlapping slices", [sliced([0, 2], [1, 1])], /slices overlap/],
    [
      "a slice outside its tensor",
      [sliced([0, 2], [2, 2])],
      /slice from \[2\] of size \[2\] is not in shape \[3\]/,
    ],
    [
      "a size that its shape does not have",
      [{ ...floats("a", [3], 1, 2) }],
      /"a": float32 \[3\] takes 12 bytes, its entry has 8/,
    ],
    [
      "a wrong checksum",
      [{ ...floats("a", [1], 1), crc: 1 }],
      /checksum of its values is \d+, expected 1/,
    ],
    [
      "a wrong checksum of strings",
      [{ ...text("s", ["x"]), crc: 1 }],
      /"s": checksum of its values/,
    ],
    [
      "strings whose lengths were changed",
      [
        {
          ...text("s", ["ab", "c"]),
          bytes: Uint8Array.from(stringBytes(["ab", "c"]).bytes).with(0, 1),
        },
      ],
      /checksum of the string lengths/,
    ],
    [
      "more strings than bytes",
      [{ ...text("s", ["ab"]), shape: [2 ** 40] }],
      /1099511627776 strings do not fit 7 bytes/,
    ],
    ["a shape beyond any file", [{ ...floats("a", [2 ** 40, 2 ** 40]) }], /not a list of sizes/],
  ])("refuses %s", (_, tensors, message) => {
    const read = () => {
      const file = open(tensors);
      for (const tensor of file.tensors) {
        if (tensor.dtype === "string") tensor.strings();
        else tensor.bytes();
      }
    };
    expect(read).toThrow(message);
    expect(read).toThrow(expect.objectContaining({ name: "InputError" }));
  });

  it("refuses data files that are short, long or missing, naming the tensor", () => {
    const files = bundleFiles([floats("a", [2], 1, 2), floats("b", [1], 3)]);
    const [data = new Uint8Array()] = files.data;
    const other = (bytes: Uint8Array) => written({ ...files, data: [bytes] });
    expect(() => openTfCheckpoint(other(data.slice(0, 10)))).toThrow(
      /ckpt\.data-00000-of-00001: "b" at offset 8 needs 4 bytes, 2 left; the file is incomplete/,
    );
    expect(() => openTfCheckpoint(other(Buffer.concat([data, data])))).toThrow(
      /12 bytes left at offset 12 after the last tensor/,
    );
    expect(() => openTfCheckpoint(written({ ...files, data: [] }))).toThrow(
      /names the file .*ckpt\.data-00000-of-00001, which is not there/,
    );
  });

  it("reads what a big-endian machine wrote: numbers turned, complex ones by halves, text as it is", () => {
    const turned = (...values: number[]) => Buffer.from(f32(...values)).swap32();
    const file = open(
      [
        { ...floats("a", [2]), bytes: turned(1.5, -2) },
        { name: "c", dataType: 8, shape: [1], bytes: turned(1, 2) },
        { name: "i", dataType: 9, shape: [1], bytes: Buffer.from([0, 0, 0, 0, 0, 0, 1, 2]) },
        { ...text("s", ["ab", ""]), ...stringBytes(["ab", ""], true) },
      ],
      { bigEndian: true },
    );
    expect(valuesOf(file, "a")).toEqual([1.5, -2]);
    expect(file.get("c").bytes()).toEqual(f32(1, 2));
    expect(valuesOf(file, "i")).toEqual([258n]);
    const strings = file.get("s").strings();
    expect(strings.map((one) => Buffer.from(one).toString())).toEqual(["ab", ""]);
  });

  it("opens nothing outside the checkpoint's folder", () => {
    const files = bundleFiles([floats("a", [1], 1)]);
    const elsewhere = written(files);
    const prefix = written({ ...files, data: [] });
    symlinkSync(`${elsewhere}.data-00000-of-00001`, `${prefix}.data-00000-of-00001`);
    expect(() => openTfCheckpoint(prefix)).toThrow(/expected no link out of the model's folder/);
    const state = fresh();
    writeFileSync(join(state, "checkpoint"), `model_checkpoint_path: "../${elsewhere}"`);
    expect(() => openTfCheckpoint(state)).toThrow(/expected a checkpoint in its own folder/);
  });

  it("says what a path that is no checkpoint is", () => {
    const empty = fresh();
    expect(() => openTfCheckpoint(empty)).toThrow(/holds no checkpoint, expected variables/);
    expect(() => openTfCheckpoint(join(empty, "x"))).toThrow(/neither .*x\.index nor .*x is there/);
    written(bundleFiles([]), "a", empty);
    written(bundleFiles([]), "b", empty);
    expect(() => openTfCheckpoint(empty)).toThrow(
      /holds 2 checkpoints.*name one: a\.index, b\.index/,
    );
    writeFileSync(join(empty, "page.index"), "<!DOCTYPE html>");
    expect(() => openTfCheckpoint(join(empty, "page.index"))).toThrow(/is an HTML page/);
  });
});

describe("a checkpoint of one table (first format)", () => {
  const path = (bytes: Uint8Array, name = "model.ckpt") => {
    const file = join(fresh(), name);
    writeFileSync(file, bytes);
    return file;
  };
  const proto = (field: number, packed: Uint8Array) =>
    protobuf.Writer.create()
      .uint32(field * 8 + 2)
      .bytes(packed)
      .finish();

  it("reads packed fields, integers below zero, raw content, strings and slices", () => {
    const int64 = protobuf.Writer.create().fork().int64(-1).int64(300).ldelim().finish();
    const file = openTfCheckpoint(
      path(
        v1Bytes([
          { name: "f", dataType: FLOAT, shape: [2], values: [{ proto: proto(5, f32(1.5, -2)) }] },
          { name: "c", dataType: FLOAT, shape: [1], values: [{ proto: proto(4, f32(7)) }] },
          {
            name: "i",
            dataType: 9,
            shape: [2],
            values: [{ proto: proto(10, int64.subarray(1)) }],
          },
          {
            name: "s",
            dataType: STRING,
            shape: [1],
            values: [{ proto: proto(8, Buffer.from("x")) }],
          },
          {
            name: "w",
            dataType: FLOAT,
            shape: [2, 2],
            values: [
              {
                slice: [
                  { start: 0, length: null },
                  { start: 0, length: 1 },
                ],
                proto: proto(5, f32(1, 3)),
              },
              {
                slice: [
                  { start: 0, length: null },
                  { start: 1, length: 1 },
                ],
                proto: proto(5, f32(2, 4)),
              },
            ],
          },
        ]),
      ),
    );
    expect(file.format).toBe("v1");
    expect(valuesOf(file, "f")).toEqual([1.5, -2]);
    expect(valuesOf(file, "c")).toEqual([7]);
    expect(valuesOf(file, "i")).toEqual([-1n, 300n]);
    expect(valuesOf(file, "w")).toEqual([1, 2, 3, 4]);
    expect(Buffer.from(file.get("s").strings()[0] ?? []).toString()).toBe("x");
    expect(file.roles().get("w")).toEqual({ kind: "weight" });
  });

  it("joins the shards of one checkpoint and misses none", () => {
    const home = fresh();
    const shard = (start: number, value: number) =>
      v1Bytes([
        {
          name: "w",
          dataType: FLOAT,
          shape: [2],
          values: [{ slice: [{ start, length: 1 }], proto: proto(5, f32(value)) }],
        },
      ]);
    const [first, second] = ["m-00000-of-00002", "m-00001-of-00002"].map((name) =>
      join(home, name),
    );
    writeFileSync(first ?? "", shard(0, 5));
    expect(() => openTfCheckpoint(first ?? "")).toThrow(/1 of its 2 shards are there/);
    writeFileSync(second ?? "", shard(1, 6));
    expect(valuesOf(openTfCheckpoint(first ?? ""), "w")).toEqual([5, 6]);
    expect(valuesOf(openTfCheckpoint(join(home, "m")), "w")).toEqual([5, 6]);
  });

  it("refuses values that are too few and slices that do not cover the tensor", () => {
    const tensor = (shape: number[], proto: Uint8Array) => [
      { name: "f", dataType: FLOAT, shape, values: [{ proto }] },
    ];
    const short = openTfCheckpoint(path(v1Bytes(tensor([3], proto(5, f32(1, 2))))));
    expect(() => short.get("f").bytes()).toThrow(/"f": slice 0: has 8 bytes of values, needs 12/);
    const none = v1Bytes([{ name: "f", dataType: FLOAT, shape: [1], values: [] }]);
    expect(() => openTfCheckpoint(path(none))).toThrow(/0 slices cover 0 elements/);
  });
});

describe("roles", () => {
  const kinds = (file: TfCheckpoint) =>
    Object.fromEntries([...file.roles()].map(([name, role]) => [name, role]));

  it("come from the object graph: slots by reference and by name, what hangs on the optimizer, counters", () => {
    const key = (path: string) => `${path}/.ATTRIBUTES/VARIABLE_VALUE`;
    const variable = (path: string, fullName: string) => ({
      variable: { fullName, key: key(path) },
    });
    const graph = objectGraphBytes([
      { children: { model: 1, optimizer: 2, step: 8, save_counter: 9 } },
      { children: { kernel: 3 } },
      {
        children: { _iterations: 4, _learning_rate: 5, _model: 1, m: 6, ema: 7 },
        slots: [{ original: 3, slot: "average", node: 7 }],
      },
      variable("model/kernel", "conv/kernel"),
      variable("optimizer/_iterations", "iteration"),
      variable("optimizer/_learning_rate", "learning_rate"),
      variable("optimizer/m", "Adam/m/conv/kernel"),
      variable("optimizer/ema", "conv/kernel/average"),
      variable("step", "Variable"),
      variable("save_counter", "save_counter"),
    ]);
    const names = ["model/kernel", "optimizer/_iterations", "optimizer/_learning_rate"];
    const more = ["optimizer/m", "optimizer/ema", "step", "save_counter"];
    const file = open([
      ...[...names, ...more].map((name) => floats(key(name), [1], 1)),
      {
        name: "_CHECKPOINTABLE_OBJECT_GRAPH",
        dataType: STRING,
        shape: [],
        ...binaryString(graph),
      },
    ]);
    expect(kinds(file)).toEqual({
      [key("model/kernel")]: { kind: "weight" },
      [key("optimizer/_iterations")]: { kind: "optimizer" },
      [key("optimizer/_learning_rate")]: { kind: "optimizer" },
      [key("optimizer/m")]: { kind: "slot", slot: "m", of: key("model/kernel") },
      [key("optimizer/ema")]: { kind: "average", of: key("model/kernel") },
      [key("step")]: { kind: "weight" },
      [key("save_counter")]: { kind: "counter" },
      _CHECKPOINTABLE_OBJECT_GRAPH: { kind: "metadata" },
    });
  });

  it("come from TensorFlow 1's names, but only beside a variable of that name and shape", () => {
    const file = open(
      [
        floats("beta1_power", [], 1),
        floats("conv/m", [1], 1),
        floats("global_step", [], 1),
        floats("w", [2], 1, 2),
        floats("w/Adam", [2], 1, 2),
        floats("w/Adam_1", [1], 1),
        floats("w/ExponentialMovingAverage", [2], 1, 2),
        floats("training/SGD/w/momentum", [2], 1, 2),
      ].sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
    expect(kinds(file)).toEqual({
      beta1_power: { kind: "optimizer" },
      "conv/m": { kind: "weight" },
      global_step: { kind: "counter" },
      w: { kind: "weight" },
      "w/Adam": { kind: "slot", slot: "Adam", of: "w" },
      "w/Adam_1": { kind: "weight" },
      "w/ExponentialMovingAverage": { kind: "average", of: "w" },
      "training/SGD/w/momentum": { kind: "slot", slot: "momentum", of: "w" },
    });
  });

  it("are refused with the object graph when that is damaged; the tensors are read", () => {
    const broken = { name: "_CHECKPOINTABLE_OBJECT_GRAPH", dataType: STRING, shape: [] };
    const node = objectGraphBytes([{ children: { a: 7 } }]);
    const file = open([floats("a", [1], 1), { ...broken, ...binaryString(node) }]);
    expect(valuesOf(file, "a")).toEqual([1]);
    expect(() => file.roles()).toThrow(/object graph: names node 7, expected one of 1/);
  });
});

/** A tensor named "a" of three values, in slices `[start, length]`. */
function sliced(...slices: [number, number][]): TensorToWrite {
  return {
    name: "a",
    dataType: FLOAT,
    shape: [3],
    bytes: f32(),
    slices: slices.map(([start, length]) => ({
      slice: [{ start, length }],
      bytes: new Uint8Array(4 * length),
    })),
  };
}

/** One string of any bytes. */
function binaryString(bytes: Uint8Array): { bytes: Uint8Array; crc: number } {
  return stringBytes([bytes]);
}
