import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { generateSchema } from "../../../scripts/generate-onnx-schema.js";
import {
  decodeModel,
  encodeModel,
  ONNX_EXTERNAL,
  ONNX_TYPE,
} from "../../../src/formats/onnx/schema.js";

describe("ONNX schema", () => {
  it("is what the generator writes from onnx.proto", () => {
    for (const [name, text] of Object.entries(generateSchema())) {
      const committed = new URL(`../../../src/formats/onnx/generated/${name}`, import.meta.url);
      expect(readFileSync(committed, "utf8"), name).toBe(text);
    }
  });

  it("reads whole numbers as numbers, also beyond 32 bits", () => {
    const bytes = encodeModel({
      ir_version: 8,
      graph: { initializer: [{ dims: [2, 2 ** 40], int64_data: [-(2 ** 45), 3] }] },
    });
    const { ir_version, graph } = decodeModel(bytes);
    expect(ir_version).toBe(8);
    expect(graph?.initializer?.[0]?.dims).toEqual([2, 2 ** 40]);
    expect(graph?.initializer?.[0]?.int64_data).toEqual([-(2 ** 45), 3]);
  });

  it("keeps whole numbers that a number cannot hold, and writes them again", () => {
    // int64_data (field 7), packed: -2^63 and 2^63 - 1.
    const packed = [...new Array(9).fill(0x80), 1, ...new Array(8).fill(0xff), 0x7f];
    const tensor = [0x3a, packed.length, ...packed];
    const graph = [0x2a, tensor.length, ...tensor];
    const bytes = Uint8Array.from([0x3a, graph.length, ...graph]);
    const model = decodeModel(bytes);
    const data = model.graph?.initializer?.[0]?.int64_data ?? [];
    expect(data.map((value) => value.toString())).toEqual([
      "-9223372036854775808",
      "9223372036854775807",
    ]);
    expect([...encodeModel(model)]).toEqual([...bytes]);
  });

  it("leaves undefined what the file does not say", () => {
    const model = decodeModel(encodeModel({ graph: { node: [{ attribute: [{ name: "a" }] }] } }));
    expect(model.ir_version).toBeUndefined();
    expect(model.graph?.node?.[0]?.attribute?.[0]?.i).toBeUndefined();
  });

  it("views raw data instead of copying it", () => {
    const raw_data = Uint8Array.of(1, 2, 3, 4);
    const bytes = encodeModel({
      graph: { initializer: [{ data_type: ONNX_TYPE.float, raw_data }] },
    });
    const read = decodeModel(bytes).graph?.initializer?.[0]?.raw_data;
    expect(read).toEqual(raw_data);
    expect(read?.buffer).toBe(bytes.buffer);
  });

  it("keeps fields it does not know", () => {
    const known = encodeModel({ ir_version: 8, graph: { name: "g" } });
    // Field 99, length-delimited, 3 bytes: tag 99 << 3 | 2 = 794 as a varint.
    const bytes = Uint8Array.of(...known, 0x9a, 0x06, 3, 7, 8, 9);
    const again = encodeModel(decodeModel(bytes));
    expect([...again]).toEqual([...bytes]);
  });

  it("refuses what is not a protocol buffer", () => {
    expect(() => decodeModel(Uint8Array.of(0x3a, 0xff, 0x01))).toThrow(/index out of range/);
  });

  it("marks external data as the specification does", () => {
    const bytes = encodeModel({ graph: { initializer: [{ data_location: ONNX_EXTERNAL }] } });
    expect(decodeModel(bytes).graph?.initializer?.[0]?.data_location).toBe(1);
  });
});
