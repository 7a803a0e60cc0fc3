import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32c, maskedCrc32c } from "../../../src/formats/tf-checkpoint/crc32c.js";

describe("crc32c", () => {
  it("gives the test values of RFC 3720, B.4", () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, k) => k))).toBe(0x46dd794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, k) => 31 - k))).toBe(0x113fdb5c);
  });

  it("gives the check value of the catalogue and LevelDB's masked one", () => {
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
    const crc = crc32c(Buffer.from("foo"));
    expect(maskedCrc32c(crc)).not.toBe(crc);
    expect(maskedCrc32c(0)).toBe(0xa282ead8);
  });

  it("is the same in one piece and in two, at any length and place", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(70), (bytes, cut) => {
        const two = crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)));
        expect(two).toBe(crc32c(bytes));
      }),
    );
  });
});
