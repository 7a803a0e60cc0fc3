import { compareWasm } from "../compare/compare-wasm.js";
import type { PortRun } from "../record/port-thread.js";
import type { Layout } from "../tensor/layout.js";
import { indexOf } from "../tensor/tensor.js";
import { commandLine } from "./command-line.js";
import type { Fault } from "./result.js";
import { layoutOf, type Session } from "./session.js";

/**
 * Rounding of a resize in float32: positions of pixels are products of a scale, off by up to the
 * image's side times u, and that fraction of a pixel weighs a difference of at most 1.
 */
const POSITION_ROUNDINGS = 4;

/** Holds the port's own preprocessing against the reference's input; nothing when it has none. */
export function pipelineFault(session: Session, run: PortRun): Fault[] {
  const { pipeline } = run;
  const layout = layoutOf(session);
  const [input] = [...session.input.tensors.values()];
  if (pipeline === null || input === undefined) return [];
  const reproduce = commandLine(session.options);
  const base = {
    component: "pipeline",
    layer: null,
    place: "pipeline/input",
    cause: null,
    reproduce,
  } as const;
  if (`${pipeline.shape}` !== `${pipeline.expectedShape}`) {
    return [
      {
        ...base,
        evidence: `preprocess gives shape [${pipeline.shape}] (as ${layout.toUpperCase()}), expected [${pipeline.expectedShape}]`,
      },
    ];
  }
  const expected = input.data;
  const side = Math.max(
    ...(session.input.images ?? []).flatMap(({ width, height }) => [width, height]),
    1,
  );
  const bound = new Float32Array(expected.length).fill(POSITION_ROUNDINGS * (side + 4) * 2 ** -24);
  const metrics = compareWasm(pipeline.values, expected, { bound });
  if (metrics.overBound === 0 && metrics.nonFiniteMismatch === 0) return [];
  const at = metrics.nonFiniteIndex >= 0 ? metrics.nonFiniteIndex : metrics.ratioIndex;
  const place = indexOf(at, pipeline.shape);
  return [
    {
      ...base,
      evidence:
        `${metrics.overBound + metrics.nonFiniteMismatch} of ${expected.length} values of the port's preprocessing differ, ` +
        `max abs ${metrics.maxAbs.toPrecision(4)} at [${place}]: ${pipeline.values[at]?.toPrecision(6)}, expected ${expected[at]?.toPrecision(6)}`,
      cause: causeOf(pipeline.values, expected, pipeline.shape, bound[0] ?? 0, layout),
    },
  ];
}

type Hypothesis = readonly [
  cause: string,
  expectedAt: (b: number, c: number, y: number, x: number) => number,
];

/** Sizes of a batch of images, and where a value of one lies. */
function gridOf(shape: readonly number[], layout: Layout) {
  const [batch = 1, ...sizes] = shape;
  const [height = 1, width = 1, channels = 1] =
    layout === "nhwc" ? sizes : [sizes[1], sizes[2], sizes[0]];
  const position = (b: number, c: number, y: number, x: number) =>
    layout === "nhwc"
      ? ((b * height + y) * width + x) * channels + c
      : ((b * channels + c) * height + y) * width + x;
  return { batch, channels, height, width, position };
}

/** Tries what people get wrong in a pipeline: each hypothesis changes the reference's input. */
function causeOf(
  actual: Float32Array,
  expected: Float32Array,
  shape: readonly number[],
  bound: number,
  layout: Layout,
): string | null {
  const { channels, height, width, position } = gridOf(shape, layout);
  const at = (b: number, c: number, y: number, x: number) =>
    expected[position(b, c, y, x)] as number;
  const hypotheses: Hypothesis[] = [
    ["channels in the order BGR, expected RGB", (b, c, y, x) => at(b, channels - 1 - c, y, x)],
    ["values 0…255, expected 0…1 (not divided by 255)", (b, c, y, x) => 255 * at(b, c, y, x)],
    ["divided by 255 twice", (b, c, y, x) => at(b, c, y, x) / 255],
    ["values −1…1 (2x − 1), expected 0…1", (b, c, y, x) => 2 * at(b, c, y, x) - 1],
    ["mirrored from left to right", (b, c, y, x) => at(b, c, y, width - 1 - x)],
    ["upside down", (b, c, y, x) => at(b, c, height - 1 - y, x)],
    ...(height === width
      ? [["height and width exchanged", (b, c, y, x) => at(b, c, x, y)] as Hypothesis]
      : []),
  ];
  for (const [cause, value] of hypotheses) {
    if (fits(actual, shape, value, bound, layout)) return cause;
  }
  return null;
}

function fits(
  actual: Float32Array,
  shape: readonly number[],
  value: Hypothesis[1],
  bound: number,
  layout: Layout,
): boolean {
  const { batch, channels, height, width, position } = gridOf(shape, layout);
  for (let b = 0; b < batch; b++) {
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const e = value(b, c, y, x);
          const a = actual[position(b, c, y, x)] as number;
          if (!(Math.abs(a - e) <= bound * Math.max(1, Math.abs(e)))) return false;
        }
      }
    }
  }
  return true;
}
