import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ancestry, layerCoverage } from "../../src/architecture/ancestry.js";
import type { Architecture, Operation } from "../../src/architecture/architecture.js";

/** A network of sums: layer k reads one or two of the layers before it, or the input. */
function networkOf(reads: readonly (readonly number[])[]): Architecture {
  const nameOf = (at: number) => (at < 0 ? "input" : `layer_${at}`);
  const operations = reads.map(
    (inputs, k): Operation => ({
      id: nameOf(k),
      kind: "merge",
      layer: k,
      inputs: inputs.map((back) => nameOf(k - 1 - (back % (k + 1)))),
      attributes: { mode: "add" },
      weights: k % 2 === 0 ? { kernel: `layer_${k}/kernel` } : {},
      shape: [1, 1, 1, 1],
    }),
  );
  return {
    name: "sums",
    layout: "nchw",
    inputs: [{ name: "input", shape: [1, 1, 1, 1] }],
    layers: operations.map(({ id }, index) => ({ id, index, kind: "sum", operations: [id] })),
    operations,
    outputs: [nameOf(reads.length - 1)],
    weights: [],
  } as unknown as Architecture;
}

const network = fc
  .array(fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 2 }), {
    minLength: 1,
    maxLength: 12,
  })
  .map(networkOf);
const tapped = network.chain((architecture) =>
  fc.record({
    architecture: fc.constant(architecture),
    taps: fc.subarray(architecture.layers.map(({ id }) => id)),
  }),
);

describe("Ancestry.back", () => {
  it("goes back to the nearest taps and to the inputs, no further", () => {
    fc.assert(
      fc.property(tapped, ({ architecture, taps }) => {
        const ancestry = new Ancestry(architecture);
        const known = new Set(taps);
        for (const { id } of architecture.layers) {
          const { between, frontier } = ancestry.back(id, known);
          expect(between.at(-1)).toBe(id);
          expect(between.filter((one) => one !== id && known.has(one))).toEqual([]);
          expect(frontier.every((one) => one === "input" || known.has(one))).toBe(true);
          const inside = new Set([...between, ...frontier]);
          for (const one of between)
            for (const input of ancestry.operations.get(one)?.inputs ?? [])
              expect(inside.has(input)).toBe(true);
        }
      }),
    );
  });
});

describe("Ancestry.weightsBehind", () => {
  it("is the union of what the inputs depend on and the operation's own weights", () => {
    fc.assert(
      fc.property(network, (architecture) => {
        const behind = new Ancestry(architecture).weightsBehind();
        for (const { id, inputs, weights } of architecture.operations) {
          const expected = new Set(Object.values(weights));
          for (const input of inputs)
            for (const name of behind.get(input) ?? []) expected.add(name);
          expect(behind.get(id)).toEqual(expected);
        }
      }),
    );
  });
});

describe("layerCoverage", () => {
  it("puts every layer into exactly one of tapped, covered and uncovered", () => {
    fc.assert(
      fc.property(tapped, ({ architecture, taps }) => {
        const { covered, uncovered } = layerCoverage(architecture, new Set(taps));
        const all = [...taps, ...covered, ...uncovered].sort();
        expect(all).toEqual(architecture.layers.map(({ id }) => id).sort());
      }),
    );
  });

  it("calls a layer covered when it lies behind some tap, through untapped layers only or not", () => {
    fc.assert(
      fc.property(tapped, ({ architecture, taps }) => {
        const ancestry = new Ancestry(architecture);
        const { covered } = layerCoverage(architecture, new Set(taps));
        for (const { id } of architecture.layers) {
          if (taps.includes(id)) continue;
          const seen = taps.some((tap) => ancestry.back(tap, new Set(taps)).between.includes(id));
          expect(covered.includes(id)).toBe(seen);
        }
      }),
    );
  });

  it("counts a layer of several results by any of them, and takes none of them for another's input", () => {
    const results = ["rnn#out0", "rnn#out1"];
    const operation = (id: string, layer: number, inputs: readonly string[]) =>
      ({ id, kind: "identity", layer, inputs, attributes: {}, weights: {}, shape: [1] }) as const;
    const architecture = {
      ...networkOf([[0]]),
      layers: [
        { id: "rnn", index: 0, kind: "SimpleRNN", operations: results },
        { id: "next", index: 1, kind: "Dense", operations: ["next"] },
      ],
      operations: [
        operation("rnn#out0", 0, ["input"]),
        operation("rnn#out1", 0, ["rnn#out0"]),
        operation("next", 1, ["rnn#out1"]),
      ],
    } as Parameters<typeof layerCoverage>[0];
    expect(layerCoverage(architecture, new Set(["rnn#out1", "next"]))).toEqual({
      covered: [],
      uncovered: [],
    });
    const { between, frontier } = new Ancestry(architecture).back("rnn#out1", new Set(results));
    expect({ between, frontier }).toEqual({ between: results, frontier: ["input"] });
    expect(new Ancestry(architecture).back("next", new Set(results)).between).toEqual(["next"]);
  });

  it("leaves a branch uncovered that only an untapped output reads", () => {
    // 0 → 1 → 3 and 0 → 2: only 3 is tapped.
    const architecture = networkOf([[0], [0], [1], [1]]);
    expect(layerCoverage(architecture, new Set(["layer_3"]))).toEqual({
      covered: ["layer_0", "layer_1"],
      uncovered: ["layer_2"],
    });
  });
});
