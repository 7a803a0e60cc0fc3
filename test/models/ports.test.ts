import type * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BuiltInModel, DARKNET_MODELS, MODELS } from "../../src/models/registry.js";
import type { YoloOptions } from "../../src/models/yolo/yolo-options.js";
import type { Port } from "../../src/port/port.js";
import { loadBackend } from "../../src/runtime/load-backend.js";
import { type KernelLayout, kernelToOihw } from "../../src/tensor/layout.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { synthesizeWeights, syntheticInput } from "../../src/weights/synthetic.js";
import type { WeightStore } from "../../src/weights/weight-store.js";
import { originalOf, weightsFrom } from "./original.js";
import {
  buildPort,
  disposeModel,
  type NamedWeights,
  OnesWeights,
  runModel,
  runPort,
} from "./port-harness.js";

/** Small and not square: an exchange of height and width cannot hide. */
const SIZE = { width: 96, height: 64 };
/** Cells of the 1/32 map under a region head. */
const REGION_CELLS = (SIZE.width / 32) * (SIZE.height / 32);
const INPUT = syntheticInput([1, 3, SIZE.height, SIZE.width], 2);

beforeAll(async () => {
  await loadBackend("wasm");
});

describe.each(DARKNET_MODELS)("$id", (model) => {
  const original = originalOf(model, SIZE);
  const shapes = new Map(original.operations.map(({ id, shape }) => [id, shape]));
  let port: Port;
  let store: WeightStore;
  let weights: NamedWeights;
  let built: unknown;

  beforeAll(async () => {
    port = await model.load();
    store = synthesizeWeights(original, { seed: 1, gain: model.gain });
    weights = weightsFrom(store);
    built = await buildPort(port, weights);
  });
  afterAll(() => {
    disposeModel(port, built);
    store.close();
  });

  it("taps every layer of the original, in order, with its shape, and leaves nothing in memory", async () => {
    const { taps, leaked } = await runModel(port, built, INPUT);
    expect([...taps.keys()]).toEqual(original.layers.map(({ id }) => id));
    for (const [id, { shape }] of taps) expect(shape, id).toEqual(shapes.get(id));
    expect(leaked).toBe(0);
    expectHealthy(taps);
  });

  it("takes each of the original's weights once, and gives them back as they are stored", () => {
    expect(sorted(weights.taken)).toEqual(sorted(store.specs.map(({ name }) => name)));
    const variables = port.variables?.(built) ?? {};
    expect(sorted(Object.keys(variables))).toEqual(sorted(weights.taken));
    for (const [name, { value, layout }] of Object.entries(variables)) {
      const actual = tensor(value.shape, (value as tf.Tensor).dataSync() as Float32Array);
      const stored = layout === undefined ? actual : kernelToOihw(actual, layout as KernelLayout);
      const expected = store.read(name);
      expect(stored.shape, name).toEqual(expected.shape);
      expect(bytesOf(stored).equals(bytesOf(expected)), name).toBe(true);
    }
  });

  it("knows the classes, anchors and masks of the original", () => {
    const { heads } = original;
    expect((built as { options: YoloOptions }).options).toEqual({
      classes: heads[0]?.classes,
      anchors: heads[0]?.anchors,
      masks: heads.map(({ mask }) => mask),
    });
  });

  it("goes on with what tap returns, everywhere", async () => {
    const zeros = (_: string, { shape }: Tensor): Tensor =>
      tensor(shape, new Float32Array(sizeOf(shape)));
    const { taps } = await runModel(port, built, INPUT, zeros);
    const first = original.layers[0]?.id;
    // From a map of zeros every layer makes maps that are the same in every cell: one that is not
    // was made from something else than what tap had returned.
    for (const [id, value] of taps) if (id !== first) expectSameInEveryCell(id, value);
  });

  it("computes the images of a batch independently", async () => {
    const two = syntheticInput([2, 3, 32, 32], 3);
    const last = original.layers.at(-1)?.id ?? "";
    const outputs: Float32Array[] = [];
    for (const input of [two, ...[0, 1].map((k) => tensor([1, 3, 32, 32], halfOf(two, k)))]) {
      const { taps } = await runModel(port, built, input);
      outputs.push((taps.get(last) as Tensor).data);
    }
    const [both, first, second] = outputs as [Float32Array, Float32Array, Float32Array];
    const joined = Float32Array.of(...first, ...second);
    expect(both.length).toBe(joined.length);
    const worst = both.reduce((max, v, i) => Math.max(max, Math.abs(v - (joined[i] ?? 0))), 0);
    expect(worst).toBeLessThan(1e-4);
    expect(first).not.toEqual(second);
  });

  it("has as many taps inside its layers, classes and anchors as its options say", async () => {
    const heads = original.layers.filter(({ kind }) => kind === "yolo" || kind === "region");
    const options = {
      subTaps: true,
      classes: 3,
      anchors: [1, 2, 3, 4],
      masks: heads.map((_, k) => (k === 0 ? [0, 1] : [1])),
    };
    const run = { weights: new OnesWeights(), input: INPUT, options };
    const { taps } = await runPort(port, run);
    const inside = /^conv_\d+\/(conv|norm)$/;
    const wanted = original.operations.filter(({ id }) => !id.includes("/") || inside.test(id));
    expect([...taps.keys()]).toEqual(wanted.map(({ id }) => id));
    for (const id of taps.keys()) {
      if (id.includes("/")) expect(taps.get(id)?.shape, id).toEqual(shapes.get(id));
    }
    heads.forEach(({ id, index }, k) => {
      const [, planes] = taps.get(`conv_${index - 1}`)?.shape ?? [];
      expect(planes, id).toBe((k === 0 ? 2 : 1) * (5 + 3));
    });
  });

  it.each([
    [{ classes: 0 }, "option classes: 0, expected a whole number from 1 on"],
    [{ anchors: [1, 2, 3] }, "option anchors: [1,2,3], expected pairs of positive numbers"],
    [{ anchors: [1, -2] }, "option anchors: [1,-2], expected pairs of positive numbers"],
    [
      { masks: [[0, 99]] },
      /^option masks: \[\[0,99\]\], expected \d lists? of anchors from 0 to \d$/,
    ],
    [{ masks: "0" }, /^option masks: "0", expected/],
  ])("refuses %j", async (options, message) => {
    await expect(buildPort(port, new OnesWeights(), options)).rejects.toThrow(message);
  });
});

describe("MODELS", () => {
  it("has unique ids and configs, and the size of each config", () => {
    expect(new Set(MODELS.map(({ id }) => id)).size).toBe(MODELS.length);
    for (const model of DARKNET_MODELS) {
      const { width, height } = model.defaultSize;
      expect(originalOf(model).inputs[0]?.shape, model.id).toEqual([1, 3, height, width]);
      expect(model.config).toBe(`${model.id}.cfg`);
    }
  });

  it.each(MODELS)("$id says its own name", async (model: BuiltInModel) => {
    expect(await model.load()).toMatchObject({
      name: model.id,
      original: model.config,
      layout: "nhwc",
      runtime: "tfjs",
    });
  });
});

const bytesOf = ({ data }: Tensor): Buffer =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength);

const sorted = (names: readonly string[]): string[] => [...names].sort();

const halfOf = ({ data }: Tensor, k: number): Float32Array =>
  data.slice((k * data.length) / 2, ((k + 1) * data.length) / 2);

/** A fault in a layer can only be seen where its values neither vanish nor explode. */
function expectHealthy(taps: ReadonlyMap<string, Tensor>): void {
  for (const [id, { data }] of taps) {
    const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
    const deviation = Math.sqrt(data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length);
    expect(deviation, id).toBeGreaterThan(0.1);
    expect(deviation, id).toBeLessThan(15);
  }
}

/** Checks that each channel of an NCHW map, or each entry of a flat region output, is one number. */
function expectSameInEveryCell(id: string, { shape, data }: Tensor): void {
  const flat = shape.length === 2;
  const cells = flat ? REGION_CELLS : sizeOf(shape.slice(2));
  const planes = data.length / cells;
  for (let plane = 0; plane < planes; plane++) {
    for (let cell = 1; cell < cells; cell++) {
      const at = flat ? cell * planes + plane : plane * cells + cell;
      const first = data[flat ? plane : plane * cells];
      if (data[at] !== first) throw new Error(`${id}: cell ${cell} of plane ${plane} differs`);
    }
  }
}
