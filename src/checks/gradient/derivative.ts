import { UNIT_ROUNDOFF } from "../../operators/family.js";

/** A function of one number: the loss along a direction. */
export type Line = (t: number) => number;

/** The loss along one direction, and what float32 may make of its derivative. */
export interface Direction {
  readonly line: Line;
  /** The same with small random factors on every value: each shows one draw of rounding errors, {@link AMPLIFIED}. */
  readonly noisy: readonly Line[];
  /** First step: in the unit of the direction. */
  readonly step: number;
  /** Sum of the absolute values of the loss' addends. */
  readonly magnitude: number;
  /** What else the recorded value may be off by, root mean square: its own accumulation, its storage. */
  readonly storage: number;
}

/** A derivative and how far a float32 library may be from it. */
export interface Derivative {
  readonly value: number;
  readonly tolerance: number;
}

/** The noise is so many times a rounding error, so that float64 sees it clearly; small enough to cross no kink. */
export const AMPLIFIED = 16;
/**
 * So many times its typical rounding error may a right gradient be off. Measured over the conformance suite
 * (docs/references.md): at most a fifth of this.
 */
export const SAFETY = 8;
/** Steps that are tried where a kink lies between two points. */
const TRIES = 3;
const SHRINK = 8;
/** How much of the tolerance the two estimates of one derivative may differ by. */
const AGREEMENT = 1 / 8;
/** Operations of float64 on the way to a loss, in roundings that add up. */
const FLOAT64_ROUNDINGS = 32 * 2 ** -53;

/**
 * The derivative at 0 by central differences of two steps, extrapolated (Richardson): exact but for h⁴ and for what
 * float64 rounds.
 *
 * @param given - tolerance that is known already; default: what roundings come to
 * @returns `null` where a kink (of a rectifier, a maximum) lies at 0 or too close to it at every step tried: there the
 * estimates of two steps, or those from the left and from the right, disagree
 */
export function derivativeOf(direction: Direction, given?: number): Derivative | null {
  const { line, magnitude, storage } = direction;
  const middle = line(0);
  let { step } = direction;
  for (let tries = 0; tries < TRIES; tries++, step /= SHRINK) {
    const coarse = differences(line, middle, step);
    const fine = differences(line, middle, step / 2);
    // f″ makes left and right differ in proportion to the step; a kink does so at any step.
    const kink = Math.abs(2 * fine.bend - coarse.bend);
    const doubt = Math.abs(fine.slope - coarse.slope) + kink;
    const float64 = (FLOAT64_ROUNDINGS * magnitude) / step;
    const rounding = () => Math.hypot(noiseOf(direction, step, coarse.slope), storage);
    const tolerance = given ?? SAFETY * rounding() + float64;
    if (!(doubt <= AGREEMENT * tolerance + float64)) continue;
    return { value: (4 * fine.slope - coarse.slope) / 3, tolerance };
  }
  return null;
}

/** Central difference, and right less left difference. */
function differences(line: Line, middle: number, step: number): { slope: number; bend: number } {
  const [right, left] = [line(step), line(-step)];
  return { slope: (right - left) / (2 * step), bend: (right - 2 * middle + left) / step };
}

/** Root mean square of what one draw of roundings changes; without the largest one, which may have met a kink. */
function noiseOf({ noisy }: Direction, step: number, slope: number): number {
  const changes = noisy
    .map((line) => Math.abs((line(step) - line(-step)) / (2 * step) - slope))
    .sort((a, b) => a - b)
    .slice(0, -1);
  const squares = changes.reduce((total, change) => total + change * change, 0);
  return Math.sqrt(squares / Math.max(1, changes.length)) / AMPLIFIED;
}

/** Typical relative error of a float32 sum of so many terms. */
export function sumError(terms: number): number {
  return UNIT_ROUNDOFF * Math.sqrt(Math.max(1, terms));
}
