/** Values of a lower precision inside long sums: each element stays within the hard bound. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-precision-"));
const model = fileURLToPath(new URL("./ports/one-convolution.ts", import.meta.url));

/** One convolution of 3×3 over this many channels. */
function config(channels: number, activation: string): string {
  const path = join(folder, `${channels}-${activation}.cfg`);
  writeFileSync(
    path,
    `[net]\nwidth=4\nheight=4\nchannels=${channels}\n\n[convolutional]\nbatch_normalize=1\nfilters=16\nsize=3\nstride=1\npad=1\nactivation=${activation}\n`,
  );
  return path;
}

async function run(channels: number, activation: string, precision: string) {
  process.env["DIFFTEST_PRECISION"] = precision;
  process.env["DIFFTEST_ACTIVATION"] = activation;
  try {
    return await layerByLayer({ model, original: config(channels, activation), mode: "isolated" });
  } finally {
    delete process.env["DIFFTEST_PRECISION"];
    delete process.env["DIFFTEST_ACTIVATION"];
  }
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a convolution that", () => {
  it.each([
    [64, "leaky"],
    [256, "linear"],
    [512, "leaky"],
    [1024, "linear"],
  ])("rounds its operands to bfloat16 fails: %i channels, %s", async (channels, activation) => {
    const { verdict, faults } = await run(channels, activation, "bfloat16");
    expect(verdict).toBe("differs");
    expect(faults.map(({ place, component }) => [place, component])).toEqual([["conv_0", "model"]]);
  });

  it.each([64, 256])(
    "rounds its operands to 10 bits of fraction fails: %i channels",
    async (channels) => {
      const { taps } = await run(channels, "leaky", "tf32");
      expect(taps.find(({ id }) => id === "conv_0")?.verdict).toBe("differs");
    },
  );

  it("is told that its values seem to be of a lower precision", async () => {
    const { faults } = await run(512, "leaky", "bfloat16");
    expect(faults[0]?.evidence).toContain("lower precision (bfloat16, float16)?");
  });

  it.each([
    [512, "float32"],
    [512, "positive-first"],
    [1024, "positive-first"],
  ])(
    "sums in float32 passes, even in the worst order: %i channels, %s",
    async (channels, order) => {
      const { verdict, faults } = await run(channels, "leaky", order);
      expect({ verdict, faults }).toEqual({ verdict: "same", faults: [] });
    },
  );
});
