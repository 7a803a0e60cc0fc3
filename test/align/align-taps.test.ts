import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alignTaps, type PortTap } from "../../src/align/align-taps.js";
import { Ancestry } from "../../src/architecture/ancestry.js";
import { architectureFromDarknet } from "../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../src/formats/darknet/config.js";

const config = fileURLToPath(new URL("../faults/originals/csp.cfg", import.meta.url));
const architecture = architectureFromDarknet(readDarknetConfig(config));
const behind = new Ancestry(architecture).weightsBehind();
const layers = new Set(architecture.layers.map(({ id }) => id));
const order = architecture.operations.map(({ id }) => id);

/** Taps of a port that names them 0, 1, 2 …, at some of the reference's operations. */
function portTaps(ids: readonly string[], withWeights: boolean): PortTap[] {
  return ids.map((id, k) => ({
    name: `${k}`,
    shape: architecture.operations.find((one) => one.id === id)?.shape ?? [],
    weights: withWeights ? [...(behind.get(id) ?? [])] : [],
  }));
}

const pairsOf = (ids: readonly string[]) => Object.fromEntries(ids.map((id, k) => [`${k}`, id]));
const layerIds = order.filter((id) => layers.has(id));

describe("alignTaps", () => {
  it("pairs equal ids where the port uses any, and leaves other names without partner", () => {
    const taps = portTaps(["conv_0", "conv_1"], true);
    const named = taps.map((tap, k) => ({ ...tap, name: ["conv_0", "second"][k] ?? "" }));
    expect(alignTaps(architecture, named)).toEqual({ by: "id", pairs: { conv_0: "conv_0" } });
  });

  it.each([true, false])("pairs a tap a layer in order (weights known: %s)", (withWeights) => {
    const { by, pairs } = alignTaps(architecture, portTaps(layerIds, withWeights));
    expect(by).toBe(withWeights ? "provenance" : "shape");
    expect(pairs).toEqual(pairsOf(layerIds));
  });

  it("pairs taps of every step in order", () => {
    expect(alignTaps(architecture, portTaps(order, true)).pairs).toEqual(pairsOf(order));
  });

  it("leaves out layers that only pass a value on, where a port has no such step", () => {
    const ids = layerIds.filter((id) => id !== "route_9" && id !== "route_15");
    expect(alignTaps(architecture, portTaps(ids, true)).pairs).toEqual(pairsOf(ids));
  });

  it("finds a convolution by its weights wherever taps before it are missing", () => {
    const ids = ["conv_12", "conv_13", "conv_19"];
    expect(alignTaps(architecture, portTaps(ids, true)).pairs).toEqual(pairsOf(ids));
  });

  it("gives a tap of another shape no partner, not even one that a transpose would fit", () => {
    const taps = portTaps(layerIds, true).map((tap) =>
      tap.name === "3" ? { ...tap, shape: [1, 12, 16, 12] } : tap,
    );
    const { 3: _, ...others } = pairsOf(layerIds);
    expect(alignTaps(architecture, taps).pairs).toEqual(others);
  });

  it("gives nothing to a port without taps", () => {
    expect(alignTaps(architecture, [])).toEqual({ by: "shape", pairs: {} });
  });

  it("only ever pairs in both orders at once, each once, equal shapes and weights", () => {
    const some = fc.subarray(order).chain((ids) =>
      fc.record({
        ids: fc.constant(ids),
        odd: fc.array(fc.nat({ max: Math.max(ids.length - 1, 0) }), { maxLength: 3 }),
        withWeights: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(some, ({ ids, odd, withWeights }) => {
        const taps = portTaps(ids, withWeights).map((tap, k) =>
          odd.includes(k) ? { ...tap, shape: [...tap.shape, 1] } : tap,
        );
        const { pairs } = alignTaps(architecture, taps);
        const places = taps.flatMap(({ name }) => {
          const id = pairs[name];
          return id === undefined ? [] : [order.indexOf(id)];
        });
        expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
        for (const tap of taps) {
          const id = pairs[tap.name];
          if (id === undefined) continue;
          expect(architecture.operations[order.indexOf(id)]?.shape).toEqual(tap.shape);
          const known = taps.some(({ weights }) => weights.length > 0);
          if (known) expect(new Set(tap.weights)).toEqual(behind.get(id));
        }
        // What has its right shape always has a partner: the port taps a part of the reference.
        expect(places.length).toBe(taps.length - new Set(odd.filter((k) => k < ids.length)).size);
      }),
    );
  });
});
