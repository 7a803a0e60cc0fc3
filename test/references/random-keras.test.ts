import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whenInstalled } from "./installed.js";
import { LiveKeras } from "./live-keras.js";
import { randomModel } from "./random-keras.js";

describe.skipIf(!whenInstalled("keras"))(
  "embedded reference and live Keras (needs scripts/install-references.sh)",
  () => {
    let live: LiveKeras;
    beforeAll(async () => {
      live = await LiveKeras.start();
    });
    afterAll(() => live.close());

    it("agree on 200 random models", async () => {
      await fc.assert(
        fc.asyncProperty(randomModel, async (model) => {
          expect(await live.difference(model)).toBeNull();
        }),
        { numRuns: 200, seed: 20_260_102 },
      );
    }, 600_000);

    it("a wrong rule is found and shrunk (a planted fault)", async () => {
      const wrong = await fc.check(
        fc.asyncProperty(randomModel, async (model) => {
          const found = await live.difference(model, (config) =>
            config.replaceAll('"padding":"same"', '"padding":"valid"'),
          );
          if (found !== null) throw new Error(found);
        }),
        { numRuns: 100, seed: 1 },
      );
      expect(wrong.failed).toBe(true);
      expect(wrong.counterexample?.[0].choices.length).toBeLessThanOrEqual(2);
    }, 300_000);
  },
);
