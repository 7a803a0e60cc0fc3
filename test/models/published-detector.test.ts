import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { yoloFastest } from "../../src/models/yolo/yolo-fastest.js";
import { loadBackend } from "../../src/runtime/load-backend.js";
import { type KernelLayout, kernelToOihw } from "../../src/tensor/layout.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { readNpz } from "./npz.js";
import { NamedWeights, OnesWeights, runPort } from "./port-harness.js";

const { DIFFTEST_SHARED: shared } = process.env;

/** Bytes before the first weight: three versions of 4 bytes, images seen in 8. */
const HEADER_BYTES = 20;

/** Order in which Darknet stores one convolution. */
const ROLES = ["bias", "scale", "mean", "variance", "kernel"];

/** Gives each tensor that the port wants its place in a Darknet file. The port takes them layer by layer. */
async function weightsOf(file: Uint8Array): Promise<NamedWeights> {
  const shapes = await wantedShapes();
  const layers = [...new Set([...shapes.keys()].map((name) => name.split("/")[0]))];
  const names = layers.flatMap((layer) =>
    ROLES.map((role) => `${layer}/${role}`).filter((name) => shapes.has(name)),
  );
  const floats = new Float32Array(Uint8Array.from(file.subarray(HEADER_BYTES)).buffer);
  const places = new Map<string, number>();
  let next = 0;
  for (const name of names) {
    places.set(name, next);
    next += sizeOf(shapes.get(name) as number[]);
  }
  expect(next, "every number of the file belongs to one of the port's variables").toBe(
    floats.length,
  );
  return new NamedWeights(names, (name) => {
    const shape = shapes.get(name) as number[];
    const at = places.get(name) as number;
    return tensor(shape, floats.slice(at, at + sizeOf(shape)));
  });
}

/** Shapes as stored, [out, in, kH, kW], of everything the port asks for. */
async function wantedShapes(): Promise<Map<string, readonly number[]>> {
  const any = new OnesWeights();
  const context = { batch: 1, channels: 3, height: 32, width: 32, options: {} };
  const model = await yoloFastest.build(any, context);
  const shapes = new Map<string, readonly number[]>();
  for (const [name, { value, layout }] of Object.entries(yoloFastest.variables?.(model) ?? {})) {
    const { shape } = value;
    const zeros = (): Tensor => tensor(shape, new Float32Array(sizeOf(shape)));
    shapes.set(
      name,
      layout === undefined ? shape : kernelToOihw(zeros(), layout as KernelLayout).shape,
    );
    if ("dispose" in value) value.dispose();
  }
  return shapes;
}

describe.skipIf(shared === undefined)(
  "yolo-fastest-1.1 with its published weights (skipped without DIFFTEST_SHARED)",
  () => {
    beforeAll(async () => {
      await loadBackend("wasm");
    });

    it("equals what Darknet computed on a photo, layer by layer", async () => {
      const folder = join(shared as string, "originals/yolo-fastest-1.1");
      const golden = readNpz(readFileSync(join(folder, "golden-dog-192/trace.npz")));
      const weights = await weightsOf(readFileSync(join(folder, "yolo-fastest-1.1.weights")));
      const input = golden.get("input") as Tensor;
      const { taps } = await runPort(yoloFastest, { weights, input });
      const recorded = [...golden.keys()].filter((key) => key !== "input");
      expect(taps.size).toBe(recorded.length);
      for (const [k, [id, actual]] of [...taps].entries()) {
        const key = recorded[k] as string;
        expect(`${Number(id.split("_")[1])}`).toBe(`${Number(key.split("_")[0])}`);
        const expected = golden.get(key) as Tensor;
        expect(actual.shape, id).toEqual(expected.shape);
        const scale = expected.data.reduce((max, e) => Math.max(max, Math.abs(e)), 1);
        const worst = expected.data.reduce(
          (max, e, i) => Math.max(max, Math.abs((actual.data[i] as number) - e)),
          0,
        );
        expect(worst / scale, id).toBeLessThan(1e-4);
      }
    });
  },
);
