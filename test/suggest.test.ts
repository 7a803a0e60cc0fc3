import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { editDistance, nearest } from "../src/suggest.js";

describe("nearest", () => {
  const known = ["layer-by-layer", "models", "inspect", "synthesize"];

  it.each([
    ["modles", "models"],
    ["Inspect", "inspect"],
    ["synthesise", "synthesize"],
    ["layer-by-layers", "layer-by-layer"],
    ["lay", "layer-by-layer"],
  ])("takes %s for %s", (word, meant) => expect(nearest(word, known)).toBe(meant));

  it.each(["", "x", "record", "mo"])("does not guess at %j", (word) =>
    expect(nearest(word, known)).toBeUndefined(),
  );
});

describe("editDistance", () => {
  const word = fc.string({ maxLength: 8 });

  it("is 0 for equal words only, symmetric, and at most the longer length", () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance === 0).toBe(a === b);
        expect(editDistance(b, a)).toBe(distance);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });

  it("counts a swap of neighbours once", () => expect(editDistance("wieghts", "weights")).toBe(1));
});
