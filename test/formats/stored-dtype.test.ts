import { expect, it } from "vitest";
import { tensorFromBytes } from "../../src/formats/stored-dtype.js";

it("unpacks four-bit integers, the first of two in the low half", () => {
  const read = (dtype: "int4" | "uint4") =>
    tensorFromBytes(dtype, [3], () => Uint8Array.of(0x8f, 0xf7), "w");
  expect(read("int4")).toEqual({ dtype: "int32", shape: [3], data: Int32Array.of(-1, -8, 7) });
  expect(read("uint4")).toEqual({ dtype: "int32", shape: [3], data: Int32Array.of(15, 8, 7) });
});
