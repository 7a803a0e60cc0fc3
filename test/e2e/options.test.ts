/** What each option does to a run, on small networks whose port can be made wrong. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LayerByLayerResult } from "../../src/checks/result.js";
import type { Plant } from "../faults/ports/plants.js";
import { places, runPlanted } from "../faults/run-planted.js";
import { weightsFile } from "../faults/weights-file.js";
import { runSmall } from "../record/run-small.js";

const isolated = { mode: "isolated" } as const;
/** A fault in the first and in a late layer. */
const TWO: readonly Plant[] = [
  { op: "conv_0/norm", attributes: { epsilon: 1e-3 } },
  { op: "conv_12", attributes: { parameters: { slope: 0.11 } } },
];
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "difftest-options-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const modesOf = ({ taps }: LayerByLayerResult) => [...new Set(taps.map(({ mode }) => mode))];
const idsOf = ({ taps }: LayerByLayerResult) => taps.map(({ id }) => id);

describe("the same call", () => {
  it("gives the same JSON again, but for timings and memory", async () => {
    const run = { plants: TWO, subTaps: true, variables: true };
    const stable = ({ timings: _t, memory: _m, ...rest }: LayerByLayerResult) =>
      JSON.stringify(rest);
    const first = stable(await runPlanted("csp", run));
    expect(stable(await runPlanted("csp", run))).toBe(first);
  });
});

describe("--mode", () => {
  it("isolated finds every layer, cumulative sees that the outputs are off, both do both", async () => {
    const one = await runPlanted("csp", { plants: TWO }, isolated);
    expect(modesOf(one)).toEqual(["isolated"]);
    expect(places(one)).toEqual(["conv_0", "conv_12"]);
    const all = await runPlanted("csp", { plants: TWO }, { mode: "cumulative" });
    expect(modesOf(all)).toEqual(["cumulative"]);
    expect(all.verdict).toBe("differs");
    expect(all.faults).toHaveLength(1);
    expect(all.faults[0]?.evidence).toMatch(/run --mode isolated to see which layer/);
    const both = await runPlanted("csp", { plants: TWO }, { mode: "both" });
    expect(modesOf(both)).toEqual(["isolated", "cumulative"]);
    expect(places(both)).toEqual(["conv_0", "conv_12"]);
  });
});

describe("--taps", () => {
  it("compares what matches, with its steps, and accuses nothing else", async () => {
    const options = { ...isolated, taps: "conv_1*,upsample_17" };
    const result = await runPlanted("csp", { plants: TWO, subTaps: true }, options);
    expect(idsOf(result)).toEqual([
      "conv_1/conv",
      "conv_1/norm",
      "conv_1",
      "conv_12/conv",
      "conv_12/norm",
      "conv_12",
      "conv_13",
      "conv_16/conv",
      "conv_16/norm",
      "conv_16",
      "upsample_17",
      "conv_19/conv",
      "conv_19/norm",
      "conv_19",
    ]);
    expect(places(result)).toEqual(["conv_12"]);
    expect(result.coverage.excluded).toContain("conv_0");
    expect(result.coverage.uncovered).toEqual([]);
  });
});

describe("--tolerance", () => {
  it("given by hand replaces the bound: wide it passes a fault, zero it fails what is right", async () => {
    const wide = { ...isolated, tolerance: "rtol=0.05,atol=0.05" };
    const passed = await runPlanted("csp", { plants: TWO }, wide);
    expect(passed.verdict).toBe("same");
    expect(passed.tolerance).toBe("rtol=0.05,atol=0.05");
    expect(passed.taps.every(({ basis }) => basis === "given")).toBe(true);
    const none = { ...isolated, tolerance: "rtol=0,atol=0" };
    const failed = await runPlanted("csp", { plants: [] }, none);
    expect(failed.verdict).toBe("differs");
    expect(places(failed)).toContain("conv_0");
    // Copies are exact even so.
    expect(places(failed)).not.toContain("route_4");
  });
});

describe("--batch and --size", () => {
  it("gives each image of the batch its own values: a fault in the second alone is seen", async () => {
    // Image 1, row 3, column 5, channel 7 of [2, 12, 16, 12].
    const at = ((12 + 3) * 16 + 5) * 12 + 7;
    const plants: Plant[] = [{ op: "conv_3", output: { add: { at, value: 0.01 } } }];
    const result = await runPlanted("csp", { plants }, { ...isolated, batch: 2 });
    expect(result.size.batch).toBe(2);
    expect(result.taps.find(({ id }) => id === "conv_3")).toMatchObject({
      shape: [2, 12, 12, 16],
      worst: [1, 7, 3, 5],
      verdict: "differs",
    });
    expect(places(result)).toEqual(["conv_3"]);
  });

  it("takes a size as width by height", async () => {
    const result = await runPlanted("csp", { plants: TWO }, { ...isolated, size: "96x64" });
    expect(result.size).toMatchObject({ width: 96, height: 64 });
    expect(result.taps[0]?.shape).toEqual([1, 16, 32, 48]);
    expect(places(result)).toEqual(["conv_0", "conv_12"]);
  });
});

describe("--darknet", () => {
  it("decides whose rules hold: pjreddie's library adds another epsilon in another place", async () => {
    const alexey = await runSmall("", { darknet: "alexeyab" });
    expect(alexey.verdict).toBe("same");
    const joseph = await runSmall("", { darknet: "pjreddie" });
    expect(joseph.reference.options["darknet"]).toBe("pjreddie");
    const cause = "epsilon is 0.00001, inside the root, expected 0.000001, outside";
    expect(joseph.faults.map((fault) => ({ place: fault.place, cause: fault.cause }))).toEqual([
      { place: "conv_0", cause },
      { place: "conv_2", cause },
    ]);
  });
});

describe("--partial and --lenient", () => {
  it("compare up to where a file that ends early has weights, and say what has none", async () => {
    const whole = readFileSync(weightsFile(folder, "csp", (_, value) => value));
    const cut = join(folder, "cut.weights");
    // Up to the end of conv_7: header, then conv_0, 1, 3, 5 and 7 with their norms.
    const floats = [
      [16, 3, 3],
      [24, 16, 3],
      [12, 12, 3],
      [32, 24, 1],
      [32, 32, 3],
    ].reduce((sum, [out = 0, inn = 0, k = 0]) => sum + 4 * out + out * inn * k * k, 0);
    writeFileSync(cut, whole.subarray(0, 20 + 4 * floats));
    const refused = runPlanted("csp", { plants: TWO }, { ...isolated, weights: cut });
    await expect(refused).rejects.toThrow(/conv_12/);
    const options = { ...isolated, weights: cut, partial: true };
    const result = await runPlanted("csp", { plants: TWO }, options);
    expect(places(result)).toEqual(["conv_0"]);
    expect(idsOf(result).at(-1)).toBe("conv_7");
    expect(result.warnings.join()).toMatch(/has no weights for conv_12, conv_13/);
    expect(result.coverage.excluded).toContain("conv_12");
  });

  it("read what the library would read of a file that is too long, with a warning", async () => {
    const whole = readFileSync(weightsFile(folder, "csp", (_, value) => value));
    const long = join(folder, "long.weights");
    writeFileSync(long, Buffer.concat([whole, Buffer.alloc(4096)]));
    const refused = runPlanted("csp", { plants: [] }, { ...isolated, weights: long });
    await expect(refused).rejects.toThrow(/4096 bytes/);
    const options = { ...isolated, weights: long, lenient: true };
    const result = await runPlanted("csp", { plants: [] }, options);
    expect(result.verdict).toBe("same");
    expect(result.warnings.join()).toMatch(/4096 bytes/);
  });
});
