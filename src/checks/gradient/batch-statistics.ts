import type { OperationOf } from "../../architecture/architecture.js";
import { sizeOf } from "../../tensor/tensor.js";

/** A batch normalisation in training: what it gets and its parameters. */
export interface BatchNormTraining {
  readonly operation: OperationOf<"batch-norm">;
  readonly input: Float64Array;
  readonly shape: readonly number[];
  readonly scale: ArrayLike<number> | null;
  readonly bias: ArrayLike<number> | null;
}

/**
 * How a library goes back through a batch normalisation. Forward, Darknet divides the variance by n − 1; backward, it
 * differentiates as if it had divided by n, with an epsilon that stands elsewhere than in the forward pass.
 */
export interface BatchNormBackward {
  /** √v + ε of the gradient's direct term (AlexeyAB), or √(v + ε) as in the terms of mean and variance (pjreddie). */
  readonly direct: "outside" | "inside";
  readonly epsilon: number;
}

/** Mean and unbiased variance of one channel over batch and places. */
interface Statistics {
  readonly mean: number;
  readonly variance: number;
}

/** Batch normalisation with the batch's own statistics, as Darknet trains: the variance divided by n − 1. */
export function normalizeBatch(training: BatchNormTraining): Float64Array {
  const { operation, input } = training;
  return perChannel(training, (positions, output, gain, offset) => {
    const { mean, variance } = statisticsOf(input, positions);
    const deviation = forwardDeviation(operation, variance);
    for (const at of positions)
      output[at] = (((input[at] as number) - mean) / deviation) * gain + offset;
  });
}

/**
 * The linear map around `base` whose derivative is what a library's backward pass computes; not the derivative of its
 * forward pass. With Δ = x − base: x̂ + Δ/s₁ − mean(Δ)/s₂ − (base − m)·Σ(base − m)Δ / (n·s₂³).
 */
export function normalizeAsBackward(
  training: BatchNormTraining,
  base: Float64Array,
  { direct, epsilon }: BatchNormBackward,
): Float64Array {
  const { operation, input } = training;
  return perChannel(training, (positions, output, gain, offset) => {
    const { mean, variance } = statisticsOf(base, positions);
    const forward = forwardDeviation(operation, variance);
    const inside = Math.sqrt(variance + epsilon);
    const own = direct === "inside" ? inside : Math.sqrt(variance) + epsilon;
    let [sum, product] = [0, 0];
    for (const at of positions) {
      const change = (input[at] as number) - (base[at] as number);
      sum += change;
      product += change * ((base[at] as number) - mean);
    }
    for (const at of positions) {
      const centred = (base[at] as number) - mean;
      const change = (input[at] as number) - (base[at] as number);
      const spread = (centred * product) / (positions.length * inside ** 3);
      const value = centred / forward + change / own - sum / positions.length / inside - spread;
      output[at] = value * gain + offset;
    }
  });
}

function perChannel(
  { operation, input, shape, scale, bias }: BatchNormTraining,
  normalize: (positions: Int32Array, output: Float64Array, gain: number, offset: number) => void,
): Float64Array {
  const { axis } = operation.attributes;
  const channels = shape[axis] ?? 1;
  const inner = sizeOf(shape.slice(axis + 1));
  const output = new Float64Array(input.length);
  const count = input.length / channels;
  for (let channel = 0; channel < channels; channel++) {
    const positions = Int32Array.from({ length: count }, (_, k) => {
      const outer = Math.floor(k / inner);
      return (outer * channels + channel) * inner + (k % inner);
    });
    normalize(positions, output, scale?.[channel] ?? 1, bias?.[channel] ?? 0);
  }
  return output;
}

function statisticsOf(values: Float64Array, positions: Int32Array): Statistics {
  let sum = 0;
  for (const at of positions) sum += values[at] as number;
  const mean = sum / positions.length;
  let squares = 0;
  for (const at of positions) squares += ((values[at] as number) - mean) ** 2;
  return { mean, variance: squares / (positions.length - 1) };
}

function forwardDeviation(
  { attributes: { epsilon, epsilonPlace } }: OperationOf<"batch-norm">,
  variance: number,
): number {
  return epsilonPlace === "inside" ? Math.sqrt(variance + epsilon) : Math.sqrt(variance) + epsilon;
}
