import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { convertCudnn } from "../../../src/formats/keras/cudnn.js";
import { padsOf } from "../../../src/formats/keras/layers/convolution.js";
import {
  type Interpolation,
  resizeMatrix,
} from "../../../src/formats/keras/layers/resize-matrix.js";
import { snakeCase } from "../../../src/formats/keras/store-keys.js";
import { numbers } from "./write-model.js";

const size = fc.integer({ min: 1, max: 40 });

describe("Keras' padding", () => {
  it("same gives ⌈size ÷ stride⌉ windows, the larger half behind", () => {
    fc.assert(
      fc.property(
        size,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 5 }),
        (n, kernel, stride) => {
          const { before, after } = padsOf("same", [n], [kernel], [stride], [1]);
          const [head = 0, tail = 0] = [before[0], after[0]];
          expect(Math.floor((n + head + tail - kernel) / stride) + 1).toBe(Math.ceil(n / stride));
          expect(tail - head === 0 || tail - head === 1).toBe(true);
        },
      ),
    );
  });

  it("causal reads nothing behind a place", () => {
    expect(padsOf("causal", [9], [3], [1], [2])).toEqual({ before: [4], after: [0] });
  });
});

describe("resizing an axis", () => {
  const all: readonly Interpolation[] = [
    "nearest",
    "bilinear",
    "bicubic",
    "area",
    "lanczos3",
    "lanczos5",
    "gaussian",
    "mitchellcubic",
  ];

  it("keeps what is the same everywhere", () => {
    fc.assert(
      fc.property(size, size, fc.constantFrom(...all), fc.boolean(), (from, to, how, antialias) => {
        const { values } = resizeMatrix(from, to, how, antialias);
        for (let row = 0; row < to; row++) {
          const sum = values.slice(row * from, (row + 1) * from).reduce((a, b) => a + b, 0);
          expect(sum).toBeCloseTo(1, 6);
        }
      }),
    );
  });

  it("changes nothing where the size stays, but for filters that blur", () => {
    for (const how of ["nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5"] as const) {
      const { values } = resizeMatrix(5, 5, how, false);
      const rounded = values.map((value) => Math.abs(Math.round(value * 1e9) / 1e9));
      expect(rounded, how).toEqual(numbers(25).map((k) => (k % 6 === 0 ? 1 : 0)));
    }
  });

  it("weights the neighbours of TensorFlow's half-pixel centres", () => {
    expect(resizeMatrix(2, 4, "bilinear", false).values).toEqual([
      1, 0, 0.75, 0.25, 0.25, 0.75, 0, 1,
    ]);
  });
});

describe("names of Keras 3's groups", () => {
  it.each([
    ["Conv2DTranspose", "conv2d_transpose"],
    ["ReLU", "re_lu"],
    ["LSTM", "lstm"],
    ["GlobalAveragePooling2D", "global_average_pooling2d"],
    ["STFTSpectrogram", "stft_spectrogram"],
  ])("%s is stored as %s", (className, key) => {
    expect(snakeCase(className)).toBe(key);
  });
});

describe("weights of CuDNNLSTM", () => {
  const variable = (role: string, shape: readonly number[]) => ({
    role,
    shape,
    name: `lstm/${role}`,
    trainable: true,
  });
  const variables = [
    variable("kernel", [2, 12]),
    variable("recurrent_kernel", [3, 12]),
    variable("bias", [12]),
  ];
  const weights = (bias: number) => [
    { name: "kernel", shape: [2, 12], dtype: "float32", offset: 0 },
    { name: "recurrent_kernel", shape: [3, 12], dtype: "float32", offset: 24 },
    { name: "bias", shape: [bias], dtype: "float32", offset: 60 },
  ];
  const buffer = () => {
    const values = new SharedArrayBuffer(84 * 4);
    new Float32Array(values).set(numbers(84));
    return values;
  };

  it("are regrouped gate by gate, their two biases added", () => {
    const values = buffer();
    const converted = convertCudnn(weights(24), variables, values);
    const data = new Float32Array(values);
    expect(converted[2]?.shape).toEqual([12]);
    expect([...data.subarray(60, 72)]).toEqual(numbers(12).map((k) => 60 + k + 72 + k));
    // Gate 0 of the kernel was [[0, 1, 2], [12, 13, 14]]: read by columns, [[0, 2, 13], [1, 12, 14]].
    expect([...data.subarray(0, 3), ...data.subarray(12, 15)]).toEqual([0, 2, 13, 1, 12, 14]);
    expect([...data.subarray(24, 27)]).toEqual([24, 36, 48]);
  });

  it("of an LSTM stay as they are", () => {
    const values = buffer();
    expect(convertCudnn(weights(12), variables, values)).toEqual(weights(12));
    expect([...new Float32Array(values)]).toEqual(numbers(84));
  });
});
