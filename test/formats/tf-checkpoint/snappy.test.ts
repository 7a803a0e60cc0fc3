import { describe, expect, it } from "vitest";
import { snappyDecompress } from "../../../src/formats/tf-checkpoint/snappy.js";

const text = (...bytes: (number | string)[]) =>
  Buffer.from(
    snappyDecompress(
      Buffer.concat(bytes.map((b) => (typeof b === "string" ? Buffer.from(b) : Buffer.of(b)))),
      "block",
    ),
  ).toString();

describe("snappyDecompress", () => {
  it("reads each kind of element", () => {
    expect(text(0)).toBe("");
    expect(text(3, 2 << 2, "abc")).toBe("abc");
    expect(text(70, 60 << 2, 69, "x".repeat(70))).toBe("x".repeat(70));
    expect(text(0xac, 2, 61 << 2, 0x2b, 1, "y".repeat(300)).length).toBe(300);
    // copy of 4 bytes from 2 back: overlapping, so it repeats
    expect(text(6, 1 << 2, "ab", 1, 2)).toBe("ababab");
    expect(text(5, 1 << 2, "ab", (2 << 2) | 2, 2, 0)).toBe("ababa");
    expect(text(5, 1 << 2, "ab", (2 << 2) | 3, 2, 0, 0, 0)).toBe("ababa");
  });

  it("refuses what is damaged, before it takes the memory a bomb asks for", () => {
    expect(() => text(0xff, 0xff, 0xff, 0xff, 0x0f)).toThrow(/claim to hold 4294967295, expected/);
    expect(() => text(4, 2 << 2, "abc")).toThrow(/decompresses to 3 bytes, expected 4/);
    expect(() => text(2, 2 << 2, "abc")).toThrow(/more than the 2 bytes it claims/);
    expect(() => text(6, 1 << 2, "ab", 1, 3)).toThrow(/copies from 3 bytes back at byte 2/);
    expect(() => text(6, 1 << 2, "ab", 1, 0)).toThrow(/copies from 0 bytes back/);
    expect(() => text(9, 8 << 2, "abc")).toThrow(/literal at offset 2 needs 9 bytes, 3 left/);
  });
});
