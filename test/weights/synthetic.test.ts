import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { architectureFromDarknet } from "../../src/formats/darknet/architecture.js";
import { parseDarknetConfig, readDarknetConfig } from "../../src/formats/darknet/config.js";
import { openWeightStore } from "../../src/weights/open-weight-store.js";
import { synthesizeWeights, syntheticInput } from "../../src/weights/synthetic.js";

const suite = process.env["DIFFTEST_SHARED"]
  ? join(process.env["DIFFTEST_SHARED"], "darknet-conformance")
  : undefined;

function network(text: string): ReturnType<typeof architectureFromDarknet> {
  const net = "[net]\nwidth=8\nheight=8\nchannels=3\n";
  return architectureFromDarknet(parseDarknetConfig(net + text, "test.cfg"));
}

/** The formula as it is written down, one value at a time. */
function unit(index: number, seed: number): number {
  let h = Number((BigInt(index) + BigInt(seed) * 0x9e3779b9n) & 0xffffffffn);
  h = (h ^ (h >>> 16)) >>> 0;
  h = Number((BigInt(h) * 0x85ebca6bn) & 0xffffffffn);
  h = (h ^ (h >>> 13)) >>> 0;
  h = Number((BigInt(h) * 0xc2b2ae35n) & 0xffffffffn);
  h = (h ^ (h >>> 16)) >>> 0;
  return (h >>> 8) / 2 ** 24;
}

describe("synthetic inputs", () => {
  it("are the published values of the hash", () => {
    expect([...syntheticInput([4], 101).data]).toEqual([
      0.9462756514549255, 0.3957899808883667, 0.11131453514099121, 0.8213741183280945,
    ]);
  });

  it("have the published digest", () => {
    const { data } = syntheticInput([1, 3, 64, 64], 119);
    const digest = createHash("sha256").update(new Uint8Array(data.buffer)).digest("hex");
    expect(digest).toBe("fb93b250e2bd1711984bf13334925c056140e011d141affdbaa7daa3703412c4");
  });

  it("equal the formula written plainly, for any seed", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (seed) => {
        const { data } = syntheticInput([3], seed);
        expect([...data]).toEqual([0, 1, 2].map((i) => Math.fround(unit(i, seed))));
      }),
    );
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 60])("refuse the seed %s", (seed) => {
    expect(() => syntheticInput([1], seed)).toThrow(/seed is .*expected a whole number/);
  });
});

describe("synthetic weights", () => {
  const residual = network(
    "[conv]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=leaky\n" +
      "[conv]\nfilters=4\nsize=1\nactivation=linear\n[dropout]\n[shortcut]\nfrom=-3\n" +
      "[connected]\noutput=2\nactivation=linear\n",
  );

  it("count one index through the whole file", () => {
    const store = synthesizeWeights(residual, { seed: 7 });
    expect(store.specs.map(({ name }) => name)).toEqual([
      "conv_0/bias",
      "conv_0/scale",
      "conv_0/mean",
      "conv_0/variance",
      "conv_0/kernel",
      "conv_1/bias",
      "conv_1/kernel",
      "connected_4/bias",
      "connected_4/kernel",
    ]);
    const first = 4 * 4 + 4 * 3 * 9 + 4 + 16;
    expect(store.read("connected_4/bias").data[0]).toBe(
      Math.fround(0.2 * (2 * unit(first, 7) - 1)),
    );
    expect(store.read("conv_0/scale").data[0]).toBe(Math.fround(0.5 + unit(4, 7)));
  });

  it("scale kernels by fan-in and gain, and by the shortcut gain before a shortcut", () => {
    const store = synthesizeWeights(residual, { seed: 7, gain: 2, shortcutGain: 0.25 });
    const at = (index: number, fanIn: number, gain: number): number =>
      Math.fround((2 * unit(index, 7) - 1) * Math.sqrt(6 / fanIn) * gain);
    expect(store.read("conv_0/kernel").data[0]).toBe(at(16, 27, 2));
    expect(store.read("conv_1/kernel").data[0]).toBe(at(16 + 108 + 4, 4, 0.25));
  });

  it("are read alike by a store opened from the description", () => {
    const store = synthesizeWeights(residual, { seed: 3 });
    const again = openWeightStore(structuredClone(store.description));
    expect(again.read("conv_1/kernel")).toEqual(store.read("conv_1/kernel"));
    again.close();
    expect(() => again.read("conv_1/kernel")).toThrow("closed");
  });

  it("differ with the seed and not from call to call", () => {
    const read = (seed: number): unknown =>
      synthesizeWeights(residual, { seed }).read("conv_0/kernel").data;
    expect(read(1)).toEqual(read(1));
    expect(read(1)).not.toEqual(read(2));
  });

  it("refuse a gain that is no number", () => {
    expect(() => synthesizeWeights(residual, { seed: 1, gain: Number.NaN })).toThrow("gain is NaN");
  });
});

const SMALL = 10_000_000;

describe.skipIf(suite === undefined)(
  "synthetic weights of the conformance suite's models (needs DIFFTEST_SHARED)",
  () => {
    const root = suite ?? "";
    const cases = suite ? readdirSync(join(root, "cases")).filter((id) => /^model-/.test(id)) : [];
    const manifests = cases.map((id) =>
      JSON.parse(readFileSync(join(root, "cases", id, "manifest.json"), "utf8")),
    );
    it.each(manifests.map((m) => [m.id, m]))("%s: input and weights have the digests", (_, m) => {
      const input = syntheticInput(m.input.shape, m.input.seed);
      expect(sha256(new Uint8Array(input.data.buffer))).toBe(m.input.sha256);
      if (m.weights.floats > SMALL) return;
      const config = readDarknetConfig(join(root, m.cfg.file));
      const store = synthesizeWeights(architectureFromDarknet(config), m.weights);
      const { source } = store.description;
      const bytes = source.kind === "memory" ? new Uint8Array(source.bytes) : new Uint8Array();
      expect(sha256(HEADER_0_2_5, bytes)).toBe(m.weights.sha256);
    });
  },
);

const HEADER_0_2_5 = Uint8Array.of(0, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

function sha256(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
