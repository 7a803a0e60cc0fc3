import { describe, expect, it } from "vitest";
import { median, modelReport, type Round, ratioOf } from "../../../scripts/bench/report.js";

const round = (isolated: number, both: number, peak: number | null = 1e9): Round => ({
  reference: { load: 5, ms: [200, 100, 120] },
  port: { load: 7, ms: [400, 310, 300] },
  isolated: { ms: isolated, peak },
  both: { ms: both, peak: null },
});

describe("the bench's report", () => {
  it("takes the middle of an odd number of values, and the mean of both middle ones", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it("divides a command's time by the first passes of the same round, and by the best of the later ones", () => {
    expect(ratioOf(round(600, 1200), "isolated", "first")).toBe(1);
    expect(ratioOf(round(600, 1200), "both", "first")).toBe(2);
    expect(ratioOf(round(600, 800), "isolated", "later")).toBe(1.5);
    expect(ratioOf(round(600, 800), "both", "later")).toBe(2);
  });

  it("prints one column a back-end, says whether each aim is met, and the speed of comparing", () => {
    const rounds = [round(500, 900, 3e9), round(520, 900), round(480, 1000)];
    const comparison = { bytes: 2e9, copy: [250], metrics: [1000, 500], examination: [2000, 4000] };
    const text = modelReport("net, 416×416", comparison, [
      { backend: "wasm", rounds },
      { backend: "node", rounds: [round(700, 700)] },
    ]);
    expect(text.split("\n")[0]).toBe("| net, 416×416 | wasm | node |");
    expect(text).toContain(
      "| isolated ÷ later forwards | 1.25 × (aim 1.5: met) | 1.75 × (aim 1.5: missed) |",
    );
    expect(text).toContain(
      "| both ÷ later forwards | 2.25 × (aim 2: missed) | 1.75 × (aim 2: met) |",
    );
    expect(text).toContain("| both ÷ first forwards | 1.5 × (aim 2: met) | 1.17 × (aim 2: met) |");
    expect(text).toContain("| port in one thread: first forward | 0.4 s | 0.4 s |");
    expect(text).toContain("1 GB (aim 2.5: met)");
    expect(text).toContain(
      "metrics 4 GB/s\n(aim 6; copying both sides 8 GB/s), with bounds and fits 1 GB/s.",
    );
  });
});
