import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { callOriginal } from "../../src/conformance/darknet/original-run.js";
import { architectureFromDarknet } from "../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../src/formats/darknet/config.js";
import { writeNpy } from "../../src/formats/npy/npy-writer.js";
import { OnnxRuntimeProcess } from "../../src/references/onnxruntime/onnxruntime-process.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { openDarknetWeights } from "../../src/weights/darknet-weights.js";
import { readNpz } from "../models/npz.js";

const { DIFFTEST_SHARED: shared } = process.env;
/** How far Darknet and a right model may lie apart, relative to the range of a layer. */
const AGREEMENT = 1e-4;

describe.skipIf(shared === undefined)(
  "a published detector with its own weights (set DIFFTEST_SHARED to run these)",
  () => {
    const model = join(shared ?? "", "originals/yolo-fastest-1.1");
    const weights = join(model, "yolo-fastest-1.1.weights");
    const original = join(model, "yolo-fastest-1.1.cfg");
    let folder: string;
    let golden: ReadonlyMap<string, Tensor>;
    let npy: string;

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "difftest-detector-"));
      golden = readNpz(readFileSync(join(model, "golden-dog-192/trace.npz")));
      npy = join(folder, "dog-192.npy");
      const input = golden.get("input") as Tensor;
      writeFileSync(npy, writeNpy(input));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    it("is the same in every layer on a photo, all of it compared", async () => {
      const inputs = [join(shared ?? "", "images/dog.jpg")];
      const result = await layerByLayer({ model: "yolo-fastest-1.1", weights, inputs });
      expect(result.faults).toEqual([]);
      expect(result.verdict).toBe("same");
      const { taps, elements, weights: counted, uncovered, unpaired } = result.coverage;
      expect(taps.compared).toBe(taps.total);
      expect(elements.compared).toBe(elements.total);
      expect(counted.compared).toBe(counted.total);
      expect([...uncovered, ...unpaired]).toEqual([]);
      expect(result.weightsChecked).toBe("verified");
      expect(new Set(result.taps.map(({ verdict }) => verdict))).toEqual(new Set(["same"]));
    });

    it("is the same on the recorded input, by the authors' own config", async () => {
      const options = { original, weights, inputs: [npy], size: 192 };
      const result = await layerByLayer({ model: "yolo-fastest-1.1", ...options });
      expect(result.faults).toEqual([]);
      expect(result.size).toMatchObject({ width: 192, height: 192, batch: 1 });
    });

    it("runs in the embedded reference as Darknet itself recorded it, layer by layer", async () => {
      const architecture = architectureFromDarknet(readDarknetConfig(original), {
        width: 192,
        height: 192,
      });
      const { store } = openDarknetWeights(weights, architecture, { dialect: "alexeyab" });
      const process = await OnnxRuntimeProcess.start(store.description);
      try {
        const input = golden.get("input") as Tensor;
        const { layers } = await callOriginal(process, architecture, input, store);
        const recorded = [...golden].filter(([name]) => name !== "input");
        expect(layers.size).toBe(recorded.length);
        const apart = architecture.layers.map(({ id }, k) => {
          const [, expected] = recorded[k] as [string, Tensor];
          const actual = layers.get(id) as Tensor;
          expect(actual.shape, id).toEqual(expected.shape);
          return { id, distance: distance(actual.data, expected.data) };
        });
        expect(apart.filter((one) => !(one.distance <= AGREEMENT))).toEqual([]);
      } finally {
        await process.close();
        store.close();
      }
    });
  },
);

/** Largest difference, relative to the range of the recorded values. */
function distance(actual: Float32Array, expected: Float32Array): number {
  let [worst, least, most] = [0, 0, 0];
  for (const [k, e] of expected.entries()) {
    worst = Math.max(worst, Math.abs((actual[k] as number) - e));
    least = Math.min(least, e);
    most = Math.max(most, e);
  }
  return worst / Math.max(most - least, Number.MIN_VALUE);
}
