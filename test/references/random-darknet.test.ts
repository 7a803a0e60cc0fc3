import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UnavailableError } from "../../src/errors.js";
import { whenInstalled } from "./installed.js";
import { LivePair } from "./live-pair.js";
import { randomNetwork } from "./random-darknet.js";

const NET = "[net]\nwidth=4\nheight=3\nchannels=2\n";
const network = (layers: string) => ({ cfg: `${NET}${layers}\n`, batch: 1, seed: 3 });

/** Found by random networks and mended in the reader: shrunk to the smallest one that showed it. */
const MENDED: Readonly<Record<string, string>> = {
  "[crnn] has its own keys, and width and height exchanged":
    "[crnn]\noutput_filters=2\nhidden_filters=3\nactivation=leaky\n[convolutional]\nfilters=2\nsize=3\npad=1\nactivation=linear",
  "[route] of one layer hands on the map behind a row of values":
    "[logistic]\n[route]\nlayers=-1\n[convolutional]\nfilters=2\nsize=3\npad=1\nactivation=linear",
  "[activation] and [dropout] hand on the map behind a row of values":
    "[logistic]\n[activation]\nactivation=relu\n[dropout]\nprobability=.5\n[convolutional]\nfilters=2\nsize=3\npad=1\nactivation=linear",
  "[local] with a padded 3×3 kernel, for which the library reserves too little":
    "[local]\nfilters=2\nsize=3\npad=1\nactivation=linear",
};

/** Where the library follows no rule that one could port: random networks leave these out. */
const QUIRKS: Readonly<Record<string, string>> = {
  "[local] with pad=1 and another kernel than 3×3 unrolls the map in one size and reads it in another":
    "[local]\nfilters=1\nsize=1\npad=1\nactivation=linear",
  "[l2norm] after a layer without height and width changes nothing":
    "[rnn]\noutput=3\nactivation=linear\n[l2norm]",
};

describe.skipIf(!whenInstalled("darknet"))(
  "embedded reference and live library (needs references/darknet/build.sh)",
  () => {
    let pair: LivePair;
    beforeAll(async () => {
      pair = await LivePair.start();
    });
    afterAll(() => pair.close());

    it("agree on 500 random networks", async () => {
      await fc.assert(
        fc.asyncProperty(randomNetwork, async (one) => {
          expect(await pair.difference(one)).toBeNull();
        }),
        { numRuns: 500, seed: 20_260_101 },
      );
    }, 300_000);

    it.each(Object.entries(MENDED))("agree: %s", async (_, layers) => {
      expect(await pair.difference(network(layers))).toBeNull();
    });

    it.each(Object.entries(QUIRKS))("differ, as documented: %s", async (_, layers) => {
      expect(await pair.difference(network(layers))).toContain("times the tolerance");
    });

    it("[dropout] as the first layer crashes the library: status 3 with one line", async () => {
      const first = network("[dropout]\nprobability=.5\n[maxpool]\nsize=1\nstride=1");
      const error = await pair.difference(first).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(UnavailableError);
      expect((error as Error).message).toMatch(/^runner darknet: (was killed by|ended with).*$/);
    });

    it("a wrong rule is found and shrunk (a planted fault)", async () => {
      // The weights of another seed stand for any wrong rule.
      const wrong = await fc.check(
        fc.asyncProperty(randomNetwork, async (one) => {
          const found = await pair.difference(one, { librarySeed: one.seed + 1 });
          if (found !== null) throw new Error(found);
        }),
        { numRuns: 50, seed: 1 },
      );
      expect(wrong.failed).toBe(true);
      const layers = wrong.counterexample?.[0].cfg.match(/^\[/gm)?.length ?? 99;
      expect(layers).toBeLessThanOrEqual(3);
    }, 120_000);
  },
);
