import {
  type Mistake,
  type Mistakes,
  median,
  type Suspect,
  shown,
  withAttributes,
} from "./mistake.js";

/** Epsilons of libraries: Keras 1e-3, PyTorch and Darknet 1e-5, Darknet's old path 1e-6, none. */
const EPSILONS = [1e-3, 1e-5, 1e-6, 1e-4, 0];

/** Another epsilon (fitted over all channels), another place of it, statistics or scale mixed up. */
export const batchNormMistakes: Mistakes<"batch-norm"> = (suspect) => {
  const { operation, weight } = suspect;
  const { epsilon, epsilonPlace } = operation.attributes;
  const mistakes: Mistake[] = [];
  for (const found of [...EPSILONS, fittedEpsilon(suspect)]) {
    if (!(found >= 0) || found === epsilon) continue;
    mistakes.push({
      cause: `epsilon is ${shown(found)}, expected ${shown(epsilon)}`,
      operation: withAttributes(operation, { epsilon: found }),
    });
  }
  if (suspect.actual === undefined) {
    const of = (value: number): Mistake => ({
      cause: `epsilon is ${shown(value)}, expected ${shown(epsilon)}`,
      operation: withAttributes(operation, { epsilon: Math.max(value, 0) }),
    });
    mistakes.push({ ...of(1e-3), search: { expected: epsilon, value: 1e-3, of } });
  }
  const place = epsilonPlace === "inside" ? "outside" : "inside";
  mistakes.push({
    cause: `epsilon stands ${place} the root, expected ${epsilonPlace}`,
    operation: withAttributes(operation, { epsilonPlace: place }),
  });
  for (const found of EPSILONS) {
    if (found === epsilon || found === 0) continue;
    mistakes.push({
      cause: `epsilon is ${shown(found)}, ${place} the root, expected ${shown(epsilon)}, ${epsilonPlace}`,
      operation: withAttributes(operation, { epsilon: found, epsilonPlace: place }),
    });
  }
  const named = (role: string) => operation.weights[role] ?? "";
  const has = (role: string) => operation.weights[role] !== undefined;
  const filled = (role: string, value: number) =>
    new Float32Array(weight(role).data.length).fill(value);
  if (has("scale") && has("bias")) {
    mistakes.push(
      {
        cause: "scale and bias are exchanged",
        weights: { [named("scale")]: weight("bias").data, [named("bias")]: weight("scale").data },
      },
      {
        cause: "scale and mean, bias and variance are exchanged",
        weights: {
          [named("scale")]: weight("mean").data,
          [named("mean")]: weight("scale").data,
          [named("bias")]: weight("variance").data,
          [named("variance")]: weight("bias").data,
        },
      },
      {
        cause: "scale is 1 everywhere: it was not loaded",
        weights: { [named("scale")]: filled("scale", 1) },
      },
      {
        cause: "bias is 0 everywhere: it was not loaded",
        weights: { [named("bias")]: filled("bias", 0) },
      },
      {
        cause: "bias is added twice",
        weights: { [named("bias")]: weight("bias").data.map((b) => 2 * b) },
      },
    );
  }
  mistakes.push(
    {
      cause: "mean is 0 everywhere: it was not loaded",
      weights: { [named("mean")]: filled("mean", 0) },
    },
    {
      cause: "mean and variance are exchanged",
      weights: {
        [named("mean")]: weight("variance").data,
        [named("variance")]: weight("mean").data.map((m) => Math.max(m, 0)),
      },
    },
    {
      cause: "variance is taken for the standard deviation",
      weights: { [named("variance")]: weight("variance").data.map((v) => v * v) },
    },
    {
      cause: "the standard deviation is rooted again",
      weights: { [named("variance")]: weight("variance").data.map(Math.sqrt) },
    },
  );
  return mistakes;
};

/** From y' − b = (y − b)·√((v + ε) / (v + ε')), channel by channel; the small variances say most. */
function fittedEpsilon({ operation, actual, expected, weight }: Suspect<"batch-norm">): number {
  if (actual === undefined || operation.weights["bias"] === undefined) return Number.NaN;
  const [bias, variance] = [weight("bias").data, weight("variance").data];
  const { epsilon } = operation.attributes;
  const inner = expected.shape.slice(2).reduce((a, b) => a * b, 1);
  const found: { value: number; v: number }[] = [];
  for (const [channel, v] of variance.entries()) {
    let [product, square] = [0, 0];
    for (let i = channel * inner; i < (channel + 1) * inner; i++) {
      const e = (expected.data[i] as number) - (bias[channel] as number);
      product += e * ((actual[i] as number) - (bias[channel] as number));
      square += e * e;
    }
    const gain = product / square;
    found.push({ value: (v + epsilon) / (gain * gain) - v, v });
  }
  found.sort((a, b) => a.v - b.v);
  const best = found.slice(0, Math.max(8, Math.ceil(found.length / 4))).map(({ value }) => value);
  return Number(median(best).toPrecision(2));
}
