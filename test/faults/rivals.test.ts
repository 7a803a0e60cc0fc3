/** Wrong ports that pass in other comparison tools, each by a formula or habit of theirs: here they fail. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LayerByLayerResult } from "../../src/checks/result.js";
import type { Plant } from "./ports/plants.js";
import { places, runPlanted } from "./run-planted.js";
import { weightsFile } from "./weights-file.js";

const isolated = { mode: "isolated" } as const;
const tapOf = ({ taps }: LayerByLayerResult, id: string) => taps.find((tap) => tap.id === id);
const faultOf = ({ faults }: LayerByLayerResult, at: string) =>
  faults.find(({ place }) => place === at);

describe("ports that other tools pass, one mistake a layer", () => {
  let result: LayerByLayerResult;
  beforeAll(async () => {
    const plants: Plant[] = [
      { op: "conv_2", output: { arrange: "shuffled" } },
      { op: "conv_3", output: { arrange: "hw" } },
      { op: "shortcut_4", output: { times: 3 } },
      { op: "conv_5", output: { set: { at: 1234, value: "NaN" } } },
      { op: "conv_6", output: { set: { at: 77, value: "Infinity" } } },
      { op: "conv_7", output: { arrange: "nchw" } },
      { op: "conv_11", output: { add: { at: 5000, value: 1e-3 } } },
    ];
    const run = { plants, rename: { upsample_9: "upsample9" }, skip: ["softmax_14"] };
    result = await runPlanted("residual", run, isolated);
  }, 60_000);

  it("fails and accuses exactly the wrong ones", () => {
    expect(result.verdict).toBe("differs");
    expect(places(result)).toEqual([
      "conv_2",
      "conv_3",
      "shortcut_4",
      "conv_5",
      "conv_6",
      "conv_7",
      "conv_11",
      "upsample9",
      "softmax_14",
    ]);
  });

  it("fails values in random order, whose mean and norm are right", () => {
    expect(tapOf(result, "conv_2")?.verdict).toBe("differs");
  });

  it("fails height and width exchanged, which a search for a fitting permutation would match", () => {
    expect(faultOf(result, "conv_3")?.cause).toBe("height and width are exchanged");
  });

  it("fails values times 3, whose cosine and correlation are 1", () => {
    expect(Number(tapOf(result, "shortcut_4")?.cosine)).toBeGreaterThan(0.999999);
    expect(faultOf(result, "shortcut_4")?.cause).toBe("every value is 3 times the expected one");
  });

  it("fails NaN and infinity against a number, which every comparison with > lets through", () => {
    expect(tapOf(result, "conv_5")?.verdict).toBe("non-finite");
    expect(tapOf(result, "conv_5")?.actual).toBe("NaN");
    expect(tapOf(result, "conv_6")?.verdict).toBe("non-finite");
    expect(faultOf(result, "conv_6")?.evidence).toMatch(
      /1 of 6912 elements are NaN or infinite on one side only/,
    );
  });

  it("fails a layout fault of the right shape, and says which order the memory has", () => {
    expect(faultOf(result, "conv_7")?.cause).toBe("memory in NCHW order under an NHWC shape");
  });

  it("fails one element of thousands that is off by little", () => {
    expect(tapOf(result, "conv_11")?.worst).toEqual([0, 8, 6, 6]);
  });

  it("fails a renamed tap instead of leaving it out", () => {
    expect(result.coverage.unpaired).toEqual(["upsample9"]);
    expect(result.coverage.covered).toEqual(["upsample_9"]);
  });

  it("fails a layer that no tap depends on", () => {
    expect(result.coverage.uncovered).toEqual(["softmax_14"]);
    expect(faultOf(result, "softmax_14")?.evidence).toMatch(/no tap of the port depends on/);
  });
});

describe("shapes that nearly fit", () => {
  it("fails a map that would fit after a transpose, and a batch that would fit by repetition", async () => {
    const plants: Plant[] = [
      { op: "conv_3", output: { arrange: "reshaped" } },
      { op: "conv_7", output: { arrange: "first" } },
    ];
    const result = await runPlanted("csp", { plants }, { ...isolated, batch: 2 });
    expect(places(result)).toEqual(["conv_3", "conv_7"]);
    expect(tapOf(result, "conv_3")).toMatchObject({
      verdict: "shape",
      shape: [2, 12, 12, 16],
      actualShape: [2, 12, 16, 12],
      maxAbs: null,
    });
    expect(faultOf(result, "conv_3")?.evidence).toMatch(/is the layout declared right/);
    expect(tapOf(result, "conv_7")).toMatchObject({
      verdict: "shape",
      shape: [2, 32, 6, 8],
      actualShape: [1, 32, 6, 8],
    });
  });

  it("keeps the verdict when the port cannot go on with the wrong shape", async () => {
    // In cumulative mode the concatenation after it throws an exception of TensorFlow.js.
    const plants: Plant[] = [{ op: "conv_3", output: { arrange: "reshaped" } }];
    for (const mode of ["cumulative", "both"] as const) {
      const result = await runPlanted("csp", { plants }, { mode });
      expect(result.verdict).toBe("differs");
      expect(places(result)).toEqual(["conv_3"]);
      expect(result.faults[0]?.evidence).toMatch(/shape \[1,12,16,12\], expected \[1,12,12,16\]/);
      expect(result.warnings.join()).toMatch(
        /^cumulative run: .*forward failed after tap "conv_3": .*; what comes after was not compared$/,
      );
    }
  });
});

describe("values that cannot be judged by a mean", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "difftest-rivals-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("fails one of a million elements that is off by 0.9", async () => {
    const plants: Plant[] = [{ op: "conv_0", output: { add: { at: 654_321, value: 0.9 } } }];
    const options = { ...isolated, size: 512, taps: "conv_0" };
    const result = await runPlanted("csp", { plants }, options);
    expect(tapOf(result, "conv_0")?.shape).toEqual([1, 16, 256, 256]);
    expect(places(result)).toEqual(["conv_0"]);
    expect(Number(tapOf(result, "conv_0")?.maxAbs)).toBeCloseTo(0.9, 3);
  });

  it("fails where both sides are NaN: nothing can be said of them", async () => {
    const weights = weightsFile(folder, "csp", (name, value) =>
      name === "conv_19/variance" ? -value : value,
    );
    const options = { ...isolated, weights, lenient: true };
    const result = await runPlanted("csp", { plants: [] }, options);
    expect(result.verdict).toBe("differs");
    expect(places(result)).toEqual(["conv_19", "conv_20", "yolo_21"]);
    expect(faultOf(result, "conv_19")?.evidence).toMatch(/elements of the reference are NaN/);
  });

  it("fails a comparison of nothing", async () => {
    const skip = Array.from({ length: 15 }, (_, k) => k).flatMap((k) =>
      ["conv", "shortcut", "upsample", "route", "avgpool", "softmax"].map((kind) => `${kind}_${k}`),
    );
    const result = await runPlanted("residual", { plants: [], skip }, isolated);
    expect(result.verdict).toBe("differs");
    expect(result.coverage.taps.compared).toBe(0);
    expect(result.coverage.uncovered).toHaveLength(15);
    await expect(
      runPlanted("residual", { plants: [] }, { ...isolated, taps: "conw_*" }),
    ).rejects.toThrow(/--taps: "conw_\*", no tap of the original/);
  });
});
