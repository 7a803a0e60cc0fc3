import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type BuiltInModel, MODELS } from "../../src/models/registry.js";
import { loadBackend } from "../../src/runtime/load-backend.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { recordedPositions, uniform, weightValues } from "./formula.js";
import { readNpz } from "./npz.js";
import { NamedWeights, runPort } from "./port-harness.js";

const { DIFFTEST_SHARED: shared } = process.env;

/** Part of a whole-model case's manifest. */
interface ModelCase {
  readonly seed: number;
  readonly input: { readonly shape: readonly number[] };
  readonly weights: {
    readonly layout: readonly (readonly [number, string, number, number, number | null])[];
  };
  readonly layers: readonly {
    readonly index: number;
    readonly type: string;
    readonly shape: readonly number[];
    readonly stored: string;
    readonly key: string;
  }[];
}

/** What the library calls its layers, in our ids: the config's word, `convolutional` shortened. */
const SHORT: Readonly<Record<string, string>> = { convolutional: "conv", reorg_old: "reorg" };

/** The formula's weights under the names that ports ask for. */
function weightsOf({ seed, weights, layers }: ModelCase): NamedWeights {
  const entries = new Map<string, () => Tensor>();
  let first = 0;
  for (const [layer, role, count, fanIn, gain] of weights.layout) {
    const at = first;
    first += count;
    const filters = layers[layer]?.shape[1] ?? 0;
    entries.set(`conv_${layer}/${role}`, () => {
      const values = weightValues(role, uniform(at, count, seed), fanIn, gain ?? 1);
      return tensor(role === "kernel" ? kernelShape(filters, fanIn) : [count], values);
    });
  }
  return new NamedWeights([...entries.keys()], (name) => (entries.get(name) as () => Tensor)());
}

/**
 * [filters, channels, k, k] of a kernel with `fanIn` = channels·k². These models have k = 1 or 3,
 * and no layer has a number of channels that 9 divides.
 */
function kernelShape(filters: number, fanIn: number): number[] {
  const side = fanIn % 9 === 0 ? 3 : 1;
  return [filters, fanIn / side ** 2, side, side];
}

/** Largest |a − e| / max(1, max|e|) over the recorded positions. */
function distance(actual: Tensor, expected: Tensor, positions: Uint32Array | undefined): number {
  let scale = 1;
  for (const e of expected.data) scale = Math.max(scale, Math.abs(e));
  let worst = 0;
  expected.data.forEach((e, k) => {
    const error = Math.abs((actual.data[positions?.[k] ?? k] ?? Number.NaN) - e);
    worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  });
  return worst / scale;
}

/** A case of the suite, its recorded values, and the port that must give them. */
async function openCase(id: string) {
  const folder = join(shared as string, "darknet-conformance/cases", `model-${id}`);
  const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as ModelCase;
  const recorded = readNpz(readFileSync(join(folder, "expected/layers.npz")));
  const port = await (MODELS.find((model) => model.id === id) as BuiltInModel).load();
  const { shape } = manifest.input;
  const values = Float32Array.from(uniform(0, sizeOf(shape), manifest.seed + 1));
  return { manifest, recorded, port, input: tensor(shape, values) };
}

const idOf = ({ type, index }: { type: string; index: number }): string =>
  `${SHORT[type] ?? type}_${index}`;

/** Ids of the layers whose recorded values the port does not give within 1e-4 of their size. */
function differing(
  taps: ReadonlyMap<string, Tensor>,
  { layers }: ModelCase,
  recorded: ReadonlyMap<string, Tensor>,
): string[] {
  return layers
    .filter((layer) => {
      const actual = taps.get(idOf(layer));
      const size = sizeOf(layer.shape);
      if (actual === undefined || sizeOf(actual.shape) !== size) return true;
      const positions = layer.stored === "full" ? undefined : recordedPositions(layer.index, size);
      return !(distance(actual, recorded.get(layer.key) as Tensor, positions) < 1e-4);
    })
    .map(idOf);
}

describe.skipIf(shared === undefined)(
  "ports against what Darknet computed (skipped without DIFFTEST_SHARED)",
  () => {
    beforeAll(async () => {
      await loadBackend("wasm");
    });

    it.each(["yolov4-tiny", "yolov3-tiny", "yolov2", "yolov3", "yolov4"])(
      "%s equals every recorded layer",
      async (id) => {
        const { manifest, recorded, port, input } = await openCase(id);
        const weights = weightsOf(manifest);
        const { taps } = await runPort(port, { weights, input });
        expect([...taps.keys()]).toEqual(manifest.layers.map(idOf));
        expect([...weights.taken].sort()).toEqual([...weights.names].sort());
        expect(differing(taps, manifest, recorded)).toEqual([]);
      },
    );

    it("sees a kernel whose values stand in another order, at its layer and behind it", async () => {
      const { manifest, recorded, port, input } = await openCase("yolov4-tiny");
      const right = weightsOf(manifest);
      const wrong = new NamedWeights(right.names, (name) => {
        const { shape, data } = right.read(name);
        return tensor(shape, name === "conv_10/kernel" ? data.toReversed() : data);
      });
      const { taps } = await runPort(port, { weights: wrong, input });
      const found = differing(taps, manifest, recorded);
      expect(found[0]).toBe("conv_10");
      expect(found).toContain("yolo_37");
    });
  },
);
