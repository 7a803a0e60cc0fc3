import { sizeOf } from "../../tensor/tensor.js";
import type { Direction, Line } from "./derivative.js";
import { sumError } from "./derivative.js";
import type { LossTerm } from "./losses.js";
import { randomNumbers } from "./random.js";
import type { RecordedGradient } from "./recording.js";
import { placesOf } from "./roundings.js";
import type { Change, TrainingPass, Values } from "./training-pass.js";

/** A loss at a point of a network, evaluated in one way: exactly, with trial roundings, or by a library's backward rules. */
export interface Landscape {
  readonly pass: TrainingPass;
  readonly terms: readonly LossTerm[];
}

/** Something whose gradient was recorded. */
export interface Subject {
  readonly place: string;
  readonly layer: number | null;
  readonly recorded: RecordedGradient;
  /** The values that the gradient is taken at. */
  readonly at: ArrayLike<number>;
  /** Terms that each recorded element is a sum of. */
  readonly terms: number;
  /** The loss as a function of these values. */
  readonly loss: (landscape: Landscape, values: Float64Array) => number;
  /** Sum of the absolute values of the loss' addends. */
  readonly magnitude: (landscape: Landscape) => number;
}

/** Sum of the terms at some values of the network. */
function totalLoss(terms: readonly LossTerm[], values: Values): number {
  return terms.reduce(
    (total, { scale, value, input }) => total + scale * value(values.get(input) as Float64Array),
    0,
  );
}

function totalMagnitude({ pass, terms }: Landscape): number {
  return terms.reduce(
    (total, { scale, magnitude, input }) =>
      total + Math.abs(scale) * magnitude(pass.base.get(input) as Float64Array),
    0,
  );
}

/** A weight by its name. */
export function weightSubject(
  name: string,
  layer: number,
  at: ArrayLike<number>,
  recorded: RecordedGradient,
  pass: TrainingPass,
): Subject {
  const users = pass.operations.filter(({ weights }) => Object.values(weights).includes(name));
  const change = (values: Float64Array): Change => ({ weights: new Map([[name, values]]) });
  return {
    place: name,
    layer,
    recorded,
    at,
    terms: Math.max(1, ...users.map(placesOf)),
    loss: ({ pass: own, terms }, values) => totalLoss(terms, own.at(change(values))),
    magnitude: totalMagnitude,
  };
}

/** An input by its name. */
export function inputSubject(
  name: string,
  at: ArrayLike<number>,
  recorded: RecordedGradient,
  pass: TrainingPass,
): Subject {
  const users = pass.operations.filter(({ inputs }) => inputs.includes(name));
  const change = (values: Float64Array): Change => ({ inputs: new Map([[name, values]]) });
  return {
    place: name,
    layer: null,
    recorded,
    at,
    terms: Math.max(1, ...users.map(({ shape }) => sizeOf(shape) / (shape[0] ?? 1) / at.length)),
    loss: ({ pass: own, terms }, values) => totalLoss(terms, own.at(change(values))),
    magnitude: totalMagnitude,
  };
}

/** What a layer with a cost gets: its recorded delta is the gradient there, without the layer's scale. */
export function deltaSubject(
  term: LossTerm,
  recorded: RecordedGradient,
  pass: TrainingPass,
): Subject {
  const at = pass.base.get(term.input) as Float64Array;
  return {
    place: `${term.id}/delta`,
    layer: term.layer,
    recorded,
    at,
    terms: 1,
    // The values of a landscape with trial roundings are moved as a whole.
    loss: ({ pass: own }, values) => {
      const base = own.base.get(term.input) as Float64Array;
      return term.value(
        base.map((value, k) => value + ((values[k] as number) - (at[k] as number))),
      );
    },
    magnitude: ({ pass: own }) => term.magnitude(own.base.get(term.input) as Float64Array),
  };
}

/** A direction in which a subject is moved: factors of its elements. */
export interface Move {
  /** Position of the only element that is moved; `null` when all are. */
  readonly element: number | null;
  readonly factors: Float64Array;
}

/** Elements in all of which each is judged alone; of larger subjects so many, and so many directions of all together. */
const ALONE = 16;
const DIRECTIONS = 3;

/** Most moves of a subject of so many elements. */
export function countMoves(elements: number): number {
  return elements <= ALONE ? elements : ALONE + DIRECTIONS;
}

/**
 * The directions in which a subject is judged: each element alone where they are few; else some that lie apart, those
 * with the largest recorded values, and all elements at once by random factors.
 */
export function movesOf({ recorded, at, place }: Subject): readonly Move[] {
  const count = at.length;
  const single = (element: number): Move => {
    const factors = new Float64Array(count);
    factors[element] = 1;
    return { element, factors };
  };
  if (count <= ALONE) return Array.from({ length: count }, (_, element) => single(element));
  const step = Math.floor((2 * count) / ALONE) | 1;
  const apart = Array.from({ length: ALONE / 2 }, (_, k) => (k * step) % count);
  const largest = Array.from({ length: count }, (_, k) => k)
    .sort((a, b) => Math.abs(recorded.values[b] ?? 0) - Math.abs(recorded.values[a] ?? 0))
    .slice(0, ALONE / 2);
  const random = randomNumbers([...place].reduce((seed, c) => seed * 31 + c.charCodeAt(0), 7));
  const together = Array.from({ length: DIRECTIONS }, () => ({
    element: null,
    factors: Float64Array.from({ length: count }, random),
  }));
  return [...together, ...[...new Set([...apart, ...largest])].map(single)];
}

/** First step of the differences, as a share of a typical value. */
const STEP = 2e-5;

/** The loss along a move, in the landscapes that are given. */
export function directionOf(
  subject: Subject,
  { factors }: Move,
  exact: Landscape,
  noisy: readonly Landscape[],
): Direction {
  const { at, recorded } = subject;
  const lineIn = (landscape: Landscape): Line => {
    const values = new Float64Array(at.length);
    return (t) => {
      for (let k = 0; k < values.length; k++)
        values[k] = (at[k] as number) + t * (factors[k] as number);
      return subject.loss(landscape, values);
    };
  };
  let [squares, typical] = [0, 0];
  for (let k = 0; k < at.length; k++) {
    const share = factors[k] as number;
    const own = sumError(subject.terms) * (recorded.values[k] ?? 0);
    squares += share ** 2 * (own ** 2 + (recorded.resolution?.[k] ?? 0) ** 2);
    typical += (at[k] as number) ** 2 / at.length;
  }
  return {
    line: lineIn(exact),
    noisy: noisy.map(lineIn),
    step: STEP * Math.max(Math.sqrt(typical), 1e-3),
    magnitude: subject.magnitude(exact),
    storage: Math.sqrt(squares),
  };
}

/** What was recorded along a move, with the sign of the derivative: gradients are recorded negative. */
export function recordedAlong({ recorded }: Subject, { factors }: Move): number {
  let sum = 0;
  for (let k = 0; k < factors.length; k++)
    sum -= (factors[k] as number) * (recorded.values[k] ?? Number.NaN);
  return sum;
}
