import { describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { verifyGolden } from "../../src/references/golden/open-golden.js";
import { TFJS_NODE } from "../runtime/installed-backends.js";

const FOLDER = "goldens/keras";
/** MobileNetV2 at 32×32 is a model of its own, beside its recording. */
const MODELS = {
  "mnist-cnn": {},
  "mobilenet-v2": { original: `${FOLDER}/mobilenet-v2.json` },
} as const;

describe.each(Object.entries(MODELS))("the recording of %s by Keras", (model, options) => {
  const reference = `golden:${FOLDER}/${model}`;

  it("is what its manifest says, and says who made it from what", () => {
    const { manifest } = verifyGolden(`${FOLDER}/${model}`);
    expect(manifest).toMatchObject({
      reference: { name: "keras", version: expect.stringMatching(/^3\./) },
      original: { file: expect.stringContaining(`${model}.json`) },
    });
  });

  it("is what the built-in port computes, in every layer, with nothing installed", async () => {
    const result = await layerByLayer({ model, ...options, reference });
    expect(result).toMatchObject({ verdict: "same", faults: [] });
    expect(result.reference.name).toBe(reference);
    expect(result.coverage.taps.compared).toBe(result.coverage.taps.total);
  });

  it("is refused with other weights or another input", async () => {
    const run = (more: object) =>
      layerByLayer({ model, ...options, reference, mode: "isolated", ...more });
    await expect(run({ weights: "synthetic:2" })).rejects.toThrow("other weights");
    await expect(run({ inputs: ["random:2"] })).rejects.toThrow("another input");
  });
});

describe.each(["wasm", ...TFJS_NODE] as const)(
  "the built-in ports of Keras models on %s",
  (backend) => {
    it.each([
      ["mnist-cnn", 8],
      ["mobilenet-v2", 155],
    ])(
      "%s agrees in every layer at the size of the published model",
      async (model, layers) => {
        const result = await layerByLayer({ model, backend, mode: "isolated" });
        expect(result).toMatchObject({ verdict: "same", faults: [] });
        expect(result.taps.length).toBeGreaterThanOrEqual(layers);
        expect(result.coverage.taps.compared).toBe(result.coverage.taps.total);
      },
      120_000,
    );
  },
);
