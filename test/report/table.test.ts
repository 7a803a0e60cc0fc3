import { describe, expect, it } from "vitest";
import { PAGE_WIDTH, tableText } from "../../src/report/table.js";

const columns = [
  { title: "tap", align: "left" },
  { title: "shape", align: "left" },
  { title: "weights", align: "left" },
  { title: "count", align: "right" },
] as const;

describe("a table wider than the page", () => {
  const lines = (rows: readonly (readonly string[])[]) => tableText(columns, rows).split("\n");

  it("wraps a list between its words and leaves ids whole", () => {
    const list = Array.from({ length: 12 }, (_, k) => `norm/weight_${k},`).join(" ");
    const text = lines([["encoder/layer_0/attention/softmax", "1x128x768", list, "12"]]);
    expect(Math.max(...text.map(({ length }) => length))).toBeLessThanOrEqual(PAGE_WIDTH);
    expect(text[1]).toMatch(
      /^encoder\/layer_0\/attention\/softmax {2}1x128x768 {2}norm\/weight_0,/,
    );
    for (let k = 0; k < 12; k++) expect(text.join("\n")).toContain(`norm/weight_${k},`);
  });

  it("breaks ids that are too long themselves, without losing a letter, and nothing else", () => {
    const id = "block/".repeat(30);
    const text = lines([[id, "1x2048x1024x1024", "-", "7"]]);
    expect(Math.max(...text.map(({ length }) => length))).toBeLessThanOrEqual(PAGE_WIDTH);
    expect(text[1]).toContain("1x2048x1024x1024");
    expect(
      text
        .slice(1)
        .map((line) => line.split(" ")[0])
        .join(""),
    ).toBe(id);
  });

  it("is as wide as its words where that is enough", () => {
    expect(lines([["conv_0", "1x3", "-", "2"]])).toEqual([
      "tap     shape  weights  count",
      "conv_0  1x3    -            2",
    ]);
  });
});
