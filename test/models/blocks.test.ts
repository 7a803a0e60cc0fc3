import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type Activation, activate } from "../../src/models/yolo/blocks/activation.js";
import { type Block, sequence } from "../../src/models/yolo/blocks/block.js";
import { ConvBnAct } from "../../src/models/yolo/blocks/conv-bn-act.js";
import { darknetPadding } from "../../src/models/yolo/blocks/darknet-padding.js";
import { DepthwiseBnAct } from "../../src/models/yolo/blocks/depthwise-bn-act.js";
import { MaxPool } from "../../src/models/yolo/blocks/max-pool.js";
import { PortScope } from "../../src/models/yolo/blocks/port-scope.js";
import { Reorg } from "../../src/models/yolo/blocks/reorg.js";
import { Upsample } from "../../src/models/yolo/blocks/upsample.js";
import { RegionHead } from "../../src/models/yolo/head/region-head.js";
import { YoloHead } from "../../src/models/yolo/head/yolo-head.js";
import type { PortWeights, Tap } from "../../src/port/port.js";
import { loadBackend } from "../../src/runtime/load-backend.js";
import { convertLayout } from "../../src/tensor/layout.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { uniform, weightValues } from "./formula.js";
import { NamedWeights, OnesWeights } from "./port-harness.js";

const CONTEXT = { width: 8, height: 8, channels: 3, batch: 1, options: {} };

const scopeOf = (weights: PortWeights = new OnesWeights()): PortScope =>
  new PortScope(weights, CONTEXT);

/** Records what passes, and hands it on. */
class Tapped {
  readonly values = new Map<string, Tensor>();
  readonly tap = ((name: string, value: tf.Tensor): tf.Tensor => {
    this.values.set(name, tensor(value.shape, value.dataSync() as Float32Array));
    return value;
  }) as unknown as Tap;
}

/** Numbers from −2 to 2 of an NCHW shape. */
function someMap(shape: readonly number[], seed: number): Tensor {
  return tensor(
    shape,
    Float32Array.from(uniform(0, sizeOf(shape), seed), (u) => 4 * u - 2),
  );
}

/** Runs a block on an NCHW map and gives NCHW back. */
function run(block: Block, map: Tensor): Tensor {
  const nhwc = convertLayout(map, "nchw", "nhwc");
  const y = tf.tidy(() => {
    const x = tf.tensor4d(nhwc.data, nhwc.shape as [number, number, number, number]);
    const result = block.forward(x, new Tapped().tap);
    return { shape: result.shape, data: result.dataSync() as Float32Array };
  });
  return convertLayout(tensor(y.shape, y.data), "nhwc", "nchw");
}

/** Element [b, c, y, x] of an NCHW map, `outside` beyond its borders. */
function at({ shape, data }: Tensor, index: readonly number[], outside: number): number {
  let position = 0;
  for (const [axis, size] of shape.entries()) {
    const i = index[axis] ?? 0;
    if (i < 0 || i >= size) return outside;
    position = position * size + i;
  }
  return data[position] as number;
}

/** An NCHW map made element by element. */
function mapOf(shape: readonly number[], element: (index: number[]) => number): Tensor {
  const [batch = 1, channels = 1, height = 1, width = 1] = shape;
  const data: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let c = 0; c < channels; c++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) data.push(element([b, c, y, x]));
  return tensor(shape, Float32Array.from(data));
}

function distance(actual: Tensor, expected: Tensor): number {
  expect(actual.shape).toEqual(expected.shape);
  return actual.data.reduce(
    (max, a, i) => Math.max(max, Math.abs(a - (expected.data[i] as number))),
    0,
  );
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

beforeAll(async () => {
  await loadBackend("wasm");
});

describe("activate", () => {
  const exact: Readonly<Record<Activation, (x: number) => number>> = {
    linear: (x) => x,
    leaky: (x) => (x > 0 ? x : Math.fround(0.1) * x),
    mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
  };
  const values = fc.float32Array({ minLength: 1, maxLength: 64, noNaN: true, min: -85, max: 85 });

  it.each(["linear", "leaky", "mish"] as const)("%s is the function within 8 ulp", (name) => {
    fc.assert(
      fc.property(values, (x) => {
        // A number so near 0 that its product is denormal has fewer digits.
        const normal = x.map((v) => (Math.abs(v) < 1e-30 ? 0 : v));
        const y = tf.tidy(() =>
          activate(tf.tensor4d(normal, [1, 1, x.length, 1]), name).dataSync(),
        );
        normal.forEach((v, i) => {
          const e = exact[name](v);
          expect(Math.abs((y[i] as number) - e)).toBeLessThanOrEqual(8 * 2 ** -24 * Math.abs(e));
        });
      }),
      { numRuns: 200 },
    );
  });

  it("mish neither overflows nor loses NaN far from 0", () => {
    const x = [-1e30, -200, -100, 0, 100, 1e30, Number.NaN];
    const y = tf.tidy(() => activate(tf.tensor4d(x, [1, 1, 7, 1]), "mish").dataSync());
    expect(Array.from(y.slice(0, 6))).toEqual(
      [0, 0, 0, 0, 100, Math.fround(1e30)].map((v) => expect.closeTo(v, 10)),
    );
    expect(y[6]).toBeNaN();
  });
});

describe("darknetPadding", () => {
  /** The top left output: TensorFlow's `same` looks right and down, Darknet up and left too. */
  const corner = (size: number, pad: "darknet" | "same"): number =>
    tf.tidy(() => {
      const x = tf.tensor4d(
        Float32Array.from({ length: 16 }, (_, i) => i + 1),
        [1, 4, 4, 1],
      );
      const kernel = tf.ones([size, size, 1, 1]) as tf.Tensor4D;
      const own = darknetPadding(x, size, 2);
      const y =
        pad === "same" ? tf.conv2d(x, kernel, 2, "same") : tf.conv2d(own.map, kernel, 2, own.pad);
      expect(y.shape).toEqual([1, 2, 2, 1]);
      return y.dataSync()[0] as number;
    });

  it("pads above and on the left of an even map with stride 2, where same does not", () => {
    expect(corner(3, "darknet")).toBe(1 + 2 + 5 + 6);
    expect(corner(3, "same")).toBe(1 + 2 + 3 + 5 + 6 + 7 + 9 + 10 + 11);
  });
});

/** Weights of one layer by the formula, stored as Darknet does. */
function layerWeights(id: string, kernel: readonly number[]): NamedWeights {
  const shapes = new Map([[`${id}/kernel`, kernel]]);
  for (const role of ["bias", "scale", "mean", "variance"]) {
    shapes.set(`${id}/${role}`, [kernel[0] as number]);
  }
  return new NamedWeights([...shapes.keys()], (name) => {
    const shape = shapes.get(name) as readonly number[];
    const role = name.split("/")[1] as string;
    const u = uniform(role.length * 1000, sizeOf(shape), 7);
    return tensor(shape, weightValues(role, u, sizeOf(kernel.slice(1)), 1));
  });
}

/** Convolution, normalisation and leaky by their definitions, in float64. */
function plainConv(map: Tensor, weights: NamedWeights, stride: number, depthwise: boolean): Tensor {
  const read = (role: string) => weights.take(`conv_0/${role}`);
  const { data: kernel, shape } = read("kernel");
  const [filters = 1, channels = 1, size = 1] = shape;
  const [bias, scale, mean, variance] = ["bias", "scale", "mean", "variance"].map(
    (role) => read(role).data,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const pad = Math.floor(size / 2);
  const out = (side: number): number => Math.floor((side + 2 * pad - size) / stride) + 1;
  const [batch = 1, , height = 1, width = 1] = map.shape;
  return mapOf([batch, filters, out(height), out(width)], ([b = 0, o = 0, y = 0, x = 0]) => {
    let sum = 0;
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < size; i++)
        for (let j = 0; j < size; j++) {
          const from = [b, depthwise ? o : c, y * stride + i - pad, x * stride + j - pad];
          sum += (kernel[((o * channels + c) * size + i) * size + j] as number) * at(map, from, 0);
        }
    const deviation = Math.sqrt((variance[o] as number) + 1e-5);
    const normal =
      ((sum - (mean[o] as number)) / deviation) * (scale[o] as number) + (bias[o] as number);
    return normal > 0 ? normal : 0.1 * normal;
  });
}

describe("ConvBnAct and DepthwiseBnAct", () => {
  const sizes = fc.record({
    channels: fc.integer({ min: 1, max: 5 }),
    filters: fc.integer({ min: 1, max: 6 }),
    height: fc.integer({ min: 3, max: 9 }),
    width: fc.integer({ min: 3, max: 9 }),
    size: fc.constantFrom(1, 3, 5),
    stride: fc.constantFrom(1, 2),
    seed: fc.nat(1000),
  });

  it("are their definition, with Darknet's padding, at any size and stride", () => {
    fc.assert(
      fc.property(
        sizes,
        fc.boolean(),
        ({ channels, filters, height, width, size, stride, seed }, depthwise) => {
          const map = someMap([2, channels, height, width], seed);
          const stored = depthwise ? [channels, 1, size, size] : [filters, channels, size, size];
          const weights = layerWeights("conv_0", stored);
          const block = depthwise
            ? new DepthwiseBnAct(scopeOf(weights), { channels, size, stride })
            : new ConvBnAct(scopeOf(weights), { channels, filters, size, stride });
          const expected = plainConv(map, weights, stride, depthwise);
          expect(distance(run(block, map), expected)).toBeLessThan(2e-5);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("are told apart from a slope of 0.3 and an epsilon of 1e-3 by that comparison", () => {
    const map = someMap([1, 2, 5, 5], 3);
    const weights = layerWeights("conv_0", [3, 2, 3, 3]);
    const actual = run(new ConvBnAct(scopeOf(weights), { channels: 2, filters: 3, size: 3 }), map);
    const expected = plainConv(map, weights, 1, false);
    const steeper = tensor(
      expected.shape,
      expected.data.map((v) => (v < 0 ? 3 * v : v)),
    );
    const softer = tensor(
      expected.shape,
      expected.data.map((v) => v * (1 - 1e-3 / 2)),
    );
    expect(distance(actual, steeper)).toBeGreaterThan(2e-5);
    expect(distance(actual, softer)).toBeGreaterThan(2e-5);
  });
});

describe("MaxPool", () => {
  const cases = fc.record({
    pool: fc.constantFrom([2, 2], [2, 1], [3, 1], [5, 1], [9, 1], [13, 1]),
    height: fc.integer({ min: 1, max: 15 }),
    width: fc.integer({ min: 1, max: 15 }),
  });

  it("is Darknet's: size − 1 pixels of padding in all, its smaller half above and on the left", () => {
    fc.assert(
      fc.property(cases, ({ pool: [size = 2, stride = 1], height, width }) => {
        // All negative: padding with 0 would win.
        const source = someMap([1, 2, height, width], 5);
        const map = tensor(
          source.shape,
          source.data.map((v) => v - 5),
        );
        const out = (side: number): number => Math.floor((side - 1) / stride) + 1;
        const first = -Math.floor((size - 1) / 2);
        const expected = mapOf([1, 2, out(height), out(width)], ([b = 0, c = 0, y = 0, x = 0]) => {
          let best = Number.NEGATIVE_INFINITY;
          for (let i = 0; i < size; i++)
            for (let j = 0; j < size; j++) {
              const from = [b, c, y * stride + first + i, x * stride + first + j];
              best = Math.max(best, at(map, from, Number.NEGATIVE_INFINITY));
            }
          return best;
        });
        expect(run(new MaxPool(scopeOf(), size, stride), map)).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });
});

describe("Upsample", () => {
  it("repeats every pixel", () => {
    const map = someMap([2, 3, 4, 5], 1);
    const expected = mapOf([2, 3, 8, 10], ([b = 0, c = 0, y = 0, x = 0]) =>
      at(map, [b, c, y >> 1, x >> 1], 0),
    );
    expect(run(new Upsample(scopeOf()), map)).toEqual(expected);
  });
});

describe("Reorg", () => {
  it("gives the order of Darknet's own library, which is not space-to-depth", () => {
    const counting = tensor(
      [1, 4, 2, 2],
      Float32Array.from({ length: 16 }, (_, i) => i),
    );
    const actual = run(new Reorg(scopeOf()), counting);
    expect(actual.shape).toEqual([1, 16, 1, 1]);
    // Ran in both of Darknet's libraries.
    expect([...actual.data]).toEqual([0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15]);
  });
});

describe("YoloHead", () => {
  it("decodes x, y, objectness and classes, and leaves width and height", () => {
    const [classes, anchors, scaleXY] = [3, 2, 1.2];
    const planes = anchors * (5 + classes);
    const tapped = new Tapped();
    const head = new YoloHead(scopeOf(), { channels: 4, anchors, classes, scaleXY });
    const input = someMap([2, 4, 3, 5], 9);
    const nhwc = convertLayout(input, "nchw", "nhwc");
    tf.tidy(() => head.forward(tf.tensor4d(nhwc.data, [2, 3, 5, 4]), tapped.tap));
    const raw = tapped.values.get("conv_0") as Tensor;
    const decoded = tapped.values.get("yolo_1") as Tensor;
    expect(decoded.shape).toEqual([2, 3, 5, planes]);
    raw.data.forEach((x, i) => {
      const entry = i % (5 + classes);
      const stretched = sigmoid(x) * scaleXY - 0.5 * (scaleXY - 1);
      const expected = entry < 2 ? stretched : entry < 4 ? x : sigmoid(x);
      expect(decoded.data[i]).toBeCloseTo(expected, 6);
    });
  });
});

describe("RegionHead", () => {
  it("decodes objectness and the softmax of the classes, cell after cell", () => {
    const [classes, anchors] = [3, 2];
    const entries = 5 + classes;
    const tapped = new Tapped();
    const head = new RegionHead(scopeOf(), { channels: 4, anchors, classes });
    const nhwc = convertLayout(someMap([2, 4, 3, 5], 9), "nchw", "nhwc");
    tf.tidy(() => head.forward(tf.tensor4d(nhwc.data, [2, 3, 5, 4]), tapped.tap));
    const raw = (tapped.values.get("conv_0") as Tensor).data;
    const decoded = tapped.values.get("region_1") as Tensor;
    expect(decoded.shape).toEqual([2, 3 * 5 * anchors * entries]);
    decoded.data.forEach((actual, i) => {
      const entry = i % entries;
      const start = i - entry + 5;
      const sum = raw.slice(start, start + classes).reduce((total, x) => total + Math.exp(x), 0);
      const x = raw[i] as number;
      const expected = entry < 4 ? x : entry === 4 ? sigmoid(x) : Math.exp(x) / sum;
      expect(actual).toBeCloseTo(expected, 6);
    });
  });
});

describe("sequence", () => {
  it("keeps no more in memory however many blocks there are", () => {
    const peakOf = (count: number): number => {
      const scope = scopeOf();
      const config = { channels: 8, filters: 8, size: 3 };
      const blocks = Array.from({ length: count }, () => new ConvBnAct(scope, config));
      const x = tf.ones([1, 32, 32, 8]) as tf.Tensor4D;
      const before = tf.memory().numBytes;
      let peak = 0;
      const tap = ((_: string, value: tf.Tensor) => {
        peak = Math.max(peak, tf.memory().numBytes - before);
        return value;
      }) as unknown as Tap;
      sequence(blocks, x, tap).dispose();
      x.dispose();
      return peak;
    };
    expect(peakOf(20)).toBe(peakOf(3));
  });
});
