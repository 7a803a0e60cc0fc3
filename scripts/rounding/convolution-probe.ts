import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { type Probe, probeOf } from "./probe.js";
import { Numbers } from "./statistics.js";

/** One convolution with normalisation and leaky behind it. */
export interface ConvolutionCase {
  readonly title: string;
  /** Side of the kernel and of the output map, pixels. */
  readonly kernel: number;
  readonly map: number;
  readonly stride: number;
  readonly channels: number;
  readonly depthwise: boolean;
  readonly input: InputKind;
}

/** How the inputs are distributed: around 0, as an activation leaves them, or all on one side. */
export type InputKind = "normal" | "leaky" | "positive";

export const INPUTS: readonly InputKind[] = ["normal", "leaky", "positive"];
export const FILTERS = 32;
export const EPSILON = 1e-5;
export const SLOPE = 0.1;

type Sizes = Omit<ConvolutionCase, "input">;
const dense = (kernel: number, channels: number, map = 26, stride = 1): Sizes => ({
  title: `${kernel}×${kernel}, ${channels} ch${stride === 1 ? "" : `, stride ${stride}`}`,
  kernel,
  channels,
  map,
  stride,
  depthwise: false,
});

/** From the smallest sum a published network has to the largest. */
export const CONVOLUTIONS: readonly Sizes[] = [
  dense(3, 1),
  { ...dense(3, FILTERS), title: `3×3 depthwise, ${FILTERS} ch`, depthwise: true },
  { ...dense(3, FILTERS, 26, 2), title: `3×3 depthwise, stride 2`, depthwise: true },
  dense(3, 16),
  dense(3, 16, 26, 2),
  dense(3, 64),
  dense(1, 1024),
  dense(3, 256),
  dense(3, 512, 13),
  dense(3, 512, 13, 2),
];

/** Number of products in one sum. */
export function termsOf({ kernel, channels, depthwise }: Sizes): number {
  return kernel * kernel * (depthwise ? 1 : channels);
}

/** Mean and mean square of each kind of input. */
const MOMENTS: Readonly<Record<InputKind, readonly [mean: number, square: number]>> = {
  normal: [0, 1],
  leaky: [0.9 / Math.sqrt(2 * Math.PI), 0.505],
  positive: [Math.sqrt(2 / Math.PI), 1],
};

/** The probe of a case: `y/conv`, `y/norm` and `y`. The statistics of the normalisation fit what the convolution gives, as training makes them. */
export function convolutionProbe(one: ConvolutionCase): Probe {
  const { kernel, map, stride, channels, depthwise, input } = one;
  const random = new Numbers(termsOf(one) + stride);
  const side = map * stride;
  const fanIn = termsOf(one);
  const shape = [FILTERS, depthwise ? 1 : channels, kernel, kernel];
  const weights = random.fill(sizeOf(shape), () => random.normal() * Math.sqrt(2 / fanIn));
  const pad = (kernel - 1) / 2;
  const pads = { top: pad, bottom: pad, left: pad, right: pad };
  const vector = (values: readonly number[]) => tensor([FILTERS], Float32Array.from(values));
  const rows = Array.from({ length: FILTERS }, (_, filter) =>
    weights.subarray(filter * fanIn, (filter + 1) * fanIn),
  );
  const [mean, square] = MOMENTS[input];
  const uniform = () => rows.map(() => random.uniform());
  return probeOf(one.title, { input: inputOf(input, [1, channels, side, side], random) }, [
    {
      id: "y/conv",
      kind: "conv",
      inputs: ["input"],
      attributes: {
        filters: FILTERS,
        kernel: [kernel, kernel],
        strides: [stride, stride],
        pads,
        dilations: [1, 1],
        groups: depthwise ? FILTERS : 1,
        sampling: "grid",
      },
      weights: { kernel: tensor(shape, weights) },
    },
    {
      id: "y/norm",
      kind: "batch-norm",
      inputs: ["y/conv"],
      attributes: { axis: 1, epsilon: EPSILON, epsilonPlace: "inside" },
      weights: {
        mean: vector(rows.map((row) => mean * row.reduce((a, b) => a + b, 0))),
        variance: vector(
          rows.map((row) => (square - mean ** 2) * row.reduce((a, b) => a + b * b, 0)),
        ),
        scale: vector(uniform().map((u) => 0.5 + u)),
        bias: vector(uniform().map((u) => 0.2 * (2 * u - 1))),
      },
    },
    {
      id: "y",
      kind: "activation",
      inputs: ["y/norm"],
      attributes: { function: "leaky", parameters: { slope: SLOPE } },
    },
  ]);
}

function inputOf(kind: InputKind, shape: readonly number[], random: Numbers): Tensor {
  const next: Record<InputKind, () => number> = {
    normal: () => random.normal(),
    leaky: () => {
      const x = random.normal();
      return x < 0 ? SLOPE * x : x;
    },
    positive: () => Math.abs(random.normal()),
  };
  return tensor(shape, random.fill(sizeOf(shape), next[kind]));
}
