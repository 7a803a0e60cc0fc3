import type { Architecture, Operation } from "../../architecture/architecture.js";
import type { DarknetLoss, DarknetLossKind } from "../../formats/darknet/network.js";

/** One addend of what is minimised, as a function of one value of the network. */
export interface LossTerm {
  /** Layer it belongs to. */
  readonly id: string;
  readonly layer: number;
  /** Id of the value it reads. */
  readonly input: string;
  /** `definition`: the loss itself; `delta`: the linear function whose gradient is the recorded delta. */
  readonly by: "definition" | "delta";
  /** What the layer multiplies its delta with on the way back. */
  readonly scale: number;
  /**
   * The function whose negative gradient the layer's delta is: half the reported cost for the squared ones, since
   * Darknet's delta is t − x.
   */
  readonly value: (x: Float64Array) => number;
  /** Sum of the absolute values of its addends: what float64 may be off by is a share of this. */
  readonly magnitude: (x: Float64Array) => number;
  /** Places whose value the library overwrites while it works out the cost; `null`: none. */
  readonly overwrites: ((at: number) => boolean) | null;
  /** The cost that the layer reports. `null` where it is not known. */
  readonly cost: ((x: Float64Array) => number) | null;
}

/** Places of a truth that count for nothing, in `type=masked`. */
const MASKED = -1234;

type Definition = (x: Float64Array, truth: ArrayLike<number>, operation: Operation) => number;

/** Cost of each kind, and what its delta is the negative gradient of, ÷ the cost. */
const DEFINITIONS: Readonly<
  Record<Exclude<DarknetLossKind, "own">, { readonly cost: Definition; readonly share: number }>
> = {
  squared: { share: 0.5, cost: (x, truth) => sum(x, (value, at) => (of(truth, at) - value) ** 2) },
  masked: {
    share: 0.5,
    cost: (x, truth) =>
      sum(x, (value, at) => (truth[at] === MASKED ? 0 : (of(truth, at) - value) ** 2)),
  },
  smooth: {
    share: 0.5,
    cost: (x, truth) =>
      sum(x, (value, at) => {
        const far = Math.abs(of(truth, at) - value);
        return far < 1 ? far * far : 2 * far - 1;
      }),
  },
  absolute: {
    share: 1,
    cost: (x, truth) => sum(x, (value, at) => Math.abs(of(truth, at) - value)),
  },
  "cross-entropy": { share: 1, cost: crossEntropy },
  logistic: {
    share: 1,
    // −t log p − (1 − t) log(1 − p) with p = 1/(1 + e^−x), without the overflow of either logarithm.
    cost: (x, truth) =>
      sum(x, (value, at) => {
        const softplus = Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)));
        return softplus - of(truth, at) * value;
      }),
  },
};

/** The term of a loss whose definition is known; `null` for a head's own, or a truth of another size. */
export function definedTerm(
  architecture: Architecture,
  loss: DarknetLoss,
  truth: ArrayLike<number>,
): LossTerm | null {
  const operation = operationOf(architecture, loss);
  if (loss.kind === "own") return null;
  const { cost, share } = DEFINITIONS[loss.kind];
  const checked = (x: Float64Array) => cost(x, truth, operation);
  return {
    ...placeOf(operation, loss),
    by: "definition",
    value: (x) => share * checked(x),
    magnitude: (x) => Math.abs(checked(x)) + sum(x, (value) => Math.abs(value)),
    overwrites: loss.kind === "masked" ? (at) => truth[at] === MASKED : null,
    cost: checked,
  };
}

/** The linear function −⟨delta, x⟩: its negative gradient is the delta, whatever the loss. */
export function recordedTerm(
  architecture: Architecture,
  loss: DarknetLoss,
  delta: ArrayLike<number>,
): LossTerm {
  return {
    ...placeOf(operationOf(architecture, loss), loss),
    by: "delta",
    value: (x) => -sum(x, (value, at) => value * of(delta, at)),
    magnitude: (x) => sum(x, (value, at) => Math.abs(value * of(delta, at))),
    overwrites: null,
    cost: null,
  };
}

function placeOf(operation: Operation, { id, layer, scale }: DarknetLoss) {
  return { id, layer, scale: Math.fround(scale), input: operation.inputs[0] ?? "" };
}

function operationOf({ operations }: Architecture, { id }: DarknetLoss): Operation {
  return operations.find((one) => one.id === id) as Operation;
}

function of(truth: ArrayLike<number>, at: number): number {
  return truth[at] ?? Number.NaN;
}

function sum(x: Float64Array, term: (value: number, at: number) => number): number {
  let total = 0;
  for (let at = 0; at < x.length; at++) total += term(x[at] as number, at);
  return total;
}

/** Σ −log p over the places whose label is not 0: the library leaves the label itself out. */
function crossEntropy(x: Float64Array, truth: ArrayLike<number>, operation: Operation): number {
  if (operation.kind !== "softmax") throw new RangeError(`${operation.id} is no softmax`);
  const { size, temperature } = operation.attributes;
  let total = 0;
  for (let first = 0; first < x.length; first += size) {
    const group = x.slice(first, first + size).map((value) => value / Math.fround(temperature));
    const largest = group.reduce((a, b) => Math.max(a, b));
    const log = largest + Math.log(sum(group, (value) => Math.exp(value - largest)));
    total += sum(group, (value, at) => (of(truth, first + at) === 0 ? 0 : log - value));
  }
  return total;
}
