import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LayerByLayerResult } from "../../src/checks/result.js";
import { drawPhoto } from "./draw-photo.js";
import type { Plant } from "./ports/plants.js";
import { type OriginalName, places, runPlanted } from "./run-planted.js";
import { weightsFile } from "./weights-file.js";

const shared = process.env["DIFFTEST_SHARED"];
let folder: string;
let photo: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "difftest-planted-"));
  photo = await drawPhoto(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A mistake, the tap that shows it with and without taps inside layers, and what must be said. */
interface Planted {
  readonly plant: Plant;
  readonly layer: string;
  readonly step: string;
  readonly cause: string;
}

const at = (layer: string, step: string, cause: string, plant: Plant): Planted => ({
  plant,
  layer,
  step,
  cause,
});

/** The faults that every network must show; each in a layer of its own, so that one run shows all. */
const FAULTS: Readonly<Record<"csp" | "residual", readonly Planted[]>> = {
  csp: [
    at("conv_0", "conv_0/norm", "epsilon is 0.001, expected 0.00001", {
      op: "conv_0/norm",
      attributes: { epsilon: 1e-3 },
    }),
    at(
      "conv_1",
      "conv_1/conv",
      "padding is top 0, left 0, bottom 2, right 2; expected 1, 1, 1, 1",
      {
        op: "conv_1/conv",
        attributes: { pads: { top: 0, left: 0, bottom: 2, right: 2 } },
      },
    ),
    at("conv_3", "conv_3", "negative slope is 0.11, expected 0.1", {
      op: "conv_3",
      attributes: { parameters: { slope: 0.11 } },
    }),
    at("conv_5", "conv_5/conv", "output channels 3 and 7 of the kernel are exchanged", {
      weight: "conv_5/kernel",
      change: { swap: [3, 7] },
    }),
    at("maxpool_8", "maxpool_8", "window is 7×7, expected 5×5", {
      op: "maxpool_8",
      attributes: { kernel: [7, 7], pads: { top: 3, left: 3, bottom: 3, right: 3 } },
    }),
    at(
      "route_11",
      "route_11",
      "inputs are in reversed order: conv_7, maxpool_8, maxpool_10; expected maxpool_10, maxpool_8, conv_7",
      { op: "route_11", inputs: "reversed" },
    ),
    at("upsample_17", "upsample_17", "up-sampling is bilinear (asymmetric), expected nearest", {
      op: "upsample_17",
      way: "bilinear",
    }),
    at("conv_19", "conv_19", "negative slope is 0.1001, expected 0.1", {
      op: "conv_19",
      attributes: { parameters: { slope: 0.1001 } },
    }),
  ],
  residual: [
    at("conv_0", "conv_0/norm", "epsilon is 0.001, expected 0.00001", {
      op: "conv_0/norm",
      attributes: { epsilon: 1e-3 },
    }),
    at("conv_2", "conv_2/conv", "output channels 0 and 15 of the kernel are exchanged", {
      weight: "conv_2/kernel",
      change: { swap: [0, 15] },
    }),
    at("conv_3", "conv_3", "negative slope is 0.11, expected 0.1", {
      op: "conv_3",
      attributes: { parameters: { slope: 0.11 } },
    }),
    at(
      "conv_5",
      "conv_5/conv",
      "padding is top 0, left 0, bottom 2, right 2; expected 1, 1, 1, 1",
      {
        op: "conv_5/conv",
        attributes: { pads: { top: 0, left: 0, bottom: 2, right: 2 } },
      },
    ),
    at("upsample_9", "upsample_9", "up-sampling is bilinear (asymmetric), expected nearest", {
      op: "upsample_9",
      way: "bilinear",
    }),
    at(
      "route_10",
      "route_10",
      "inputs are in reversed order: shortcut_4, upsample_9; expected upsample_9, shortcut_4",
      { op: "route_10", inputs: "reversed" },
    ),
    at("conv_11", "conv_11", "negative slope is 0.1001, expected 0.1", {
      op: "conv_11",
      attributes: { parameters: { slope: 0.1001 } },
    }),
  ],
};

const found = ({ faults }: LayerByLayerResult) =>
  faults.map(({ component, place, cause }) => ({ component, place, cause }));

describe.each(["csp", "residual"] as const)("faults planted in %s", (original) => {
  const faults = FAULTS[original];
  const plants = faults.map(({ plant }) => plant);

  it("are named to the layer with their causes, and no other layer, with random input", async () => {
    const result = await runPlanted(original, { plants });
    expect(result.verdict).toBe("differs");
    expect(found(result)).toEqual(
      faults.map(({ layer, cause }) => ({ component: "model", place: layer, cause })),
    );
  });

  it("are named to the step inside the layer, BGR in the pipeline as well, with a photo", async () => {
    const spoilt = [...plants, { preprocess: "bgr" } as const];
    const inputs = [photo];
    const options = { inputs, mode: "isolated" } as const;
    const run = { plants: spoilt, subTaps: true, preprocess: true };
    const result = await runPlanted(original, run, options);
    expect(result.verdict).toBe("differs");
    expect(found(result)).toEqual([
      {
        component: "pipeline",
        place: "pipeline/input",
        cause: "channels in the order BGR, expected RGB",
      },
      ...faults.map(({ step, cause }) => ({ component: "model", place: step, cause })),
    ]);
  });

  it("is told alone when it is alone, and its drift blames no other layer", async () => {
    const { plant, layer, cause } = faults.find((one) => one.layer === "conv_3") as Planted;
    const result = await runPlanted(original, { plants: [plant] });
    expect(found(result)).toEqual([{ component: "model", place: layer, cause }]);
    const drifted = result.taps.filter(
      ({ mode, verdict }) => mode === "cumulative" && verdict === "differs",
    );
    expect(drifted.length).toBeGreaterThan(0);
    expect(drifted.every(({ basis }) => basis === "noise")).toBe(true);
  });
});

describe.skipIf(shared === undefined)(
  "faults planted in csp, seen on a photograph (set DIFFTEST_SHARED to run these)",
  () => {
    it("are named with their causes, and no other layer", async () => {
      const plants = FAULTS.csp.map(({ plant }) => plant);
      const inputs = [`${shared}/images/dog.jpg`];
      const run = { plants: [...plants, { preprocess: "twice" } as const], preprocess: true };
      const result = await runPlanted("csp", run, { inputs, mode: "isolated" });
      expect(found(result)).toEqual([
        { component: "pipeline", place: "pipeline/input", cause: "divided by 255 twice" },
        ...FAULTS.csp.map(({ layer, cause }) => ({ component: "model", place: layer, cause })),
      ]);
    });
  },
);

describe("a port that is right", () => {
  const rightRuns: readonly (readonly [
    string,
    OriginalName,
    Parameters<typeof runPlanted>[1],
    Parameters<typeof runPlanted>[2],
  ])[] = [
    ["with a tap a layer", "csp", { plants: [] }, { weights: "synthetic:2", inputs: ["random:5"] }],
    ["with taps inside layers", "residual", { plants: [], subTaps: true }, {}],
    ["in a batch of two", "tail", { plants: [], subTaps: true }, { batch: 2 }],
    ["of another size", "csp", { plants: [] }, { size: "96x64", weights: "synthetic:3" }],
    [
      "with its norms folded into the kernels",
      "csp",
      { plants: [], folded: true },
      { weights: "synthetic:4" },
    ],
    ["with its norms folded into the kernels", "residual", { plants: [], folded: true }, {}],
    ["with large gains", "residual", { plants: [] }, { weights: "synthetic:1,gain=3" }],
  ];
  it.each(rightRuns)("passes %s (%s)", async (_, original, run, options) => {
    const result = await runPlanted(original, run, options);
    expect(places(result)).toEqual([]);
    expect(result.taps.filter(({ verdict }) => verdict !== "same")).toEqual([]);
    expect(result.verdict).toBe("same");
    expect(result.coverage.taps.compared).toBe(result.coverage.taps.total);
    expect(result.coverage.weights.compared).toBe(result.coverage.weights.total);
  });

  it("passes on a photo with its own preprocessing, its variables equal bit for bit", async () => {
    const run = { plants: [], preprocess: true, variables: true };
    const result = await runPlanted("csp", run, { inputs: [photo] });
    expect(places(result)).toEqual([]);
    expect(result.verdict).toBe("same");
    expect(result.weightsChecked).toBe("verified");
  });

  it("may leave taps out: layers on which a later tap depends are covered, and still judged", async () => {
    const skip = ["conv_3", "route_4", "maxpool_10", "route_15"];
    const right = await runPlanted("csp", { plants: [], skip });
    expect(right.verdict).toBe("same");
    expect(right.coverage.covered).toEqual(skip);
    expect(right.coverage.uncovered).toEqual([]);
    const { plant } = FAULTS.csp[2] as Planted;
    const wrong = await runPlanted("csp", { plants: [plant], skip }, { mode: "isolated" });
    expect(found(wrong)).toEqual([
      {
        component: "model",
        place: "conv_5",
        cause: "conv_3: negative slope is 0.11, expected 0.1",
      },
    ]);
  });
});

describe("what a run cannot show", () => {
  let result: LayerByLayerResult;
  beforeAll(async () => {
    // conv_3 gets no negative values, conv_5 a variance of a million, conv_12 one of ten.
    const weights = weightsFile(folder, "csp", (name, value) => {
      if (name === "conv_3/bias") return 30;
      if (name === "conv_5/variance") return value * 1e6;
      return name === "conv_12/variance" ? 10 : value;
    });
    const plants: Plant[] = [
      { op: "conv_3", attributes: { parameters: { slope: 0.3 } } },
      { op: "conv_5/norm", attributes: { epsilon: 1e-3 } },
      { op: "conv_12/norm", attributes: { epsilon: 1e-3 } },
    ];
    result = await runPlanted("csp", { plants, subTaps: true }, { weights, mode: "isolated" });
  });

  it("names a slope that no negative value reaches as not exercised", () => {
    const tap = result.taps.find(({ id }) => id === "conv_3");
    expect(tap?.verdict).toBe("not-exercised");
    expect(tap?.notes[0]).toMatch(/no negative value reaches it with this input/);
  });

  it("says that an epsilon is not distinguishable where the variance is a million", () => {
    const tap = result.taps.find(({ id }) => id === "conv_5/norm");
    expect(tap?.verdict).toBe("same");
    expect(tap?.notes.join()).toMatch(/epsilon of 1e-3 instead of 1e-5 is not distinguishable/);
  });

  it("still sees an epsilon where the variance is ten, and accuses nothing else", () => {
    expect(found(result)).toEqual([
      {
        component: "model",
        place: "conv_12/norm",
        cause: "epsilon is 0.001, expected 0.00001",
      },
    ]);
    expect(result.verdict).toBe("differs");
  });
});
