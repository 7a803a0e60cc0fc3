import { Ancestry } from "../architecture/ancestry.js";
import type { Architecture, Operation } from "../architecture/architecture.js";

/** A tap as a dry run of the port showed it. Shape in the original's layout. */
export interface PortTap {
  readonly name: string;
  readonly shape: readonly number[];
  /** Weights it was computed from; empty when that is not known. */
  readonly weights: readonly string[];
}

/** Which port tap is which reference tap. */
export interface TapAlignment {
  readonly by: "id" | "provenance" | "shape";
  /** Port name → reference id. */
  readonly pairs: Readonly<Record<string, string>>;
}

/**
 * What leaving out one entry of a sequence costs. Steps inside layers are left out more readily than
 * layers, and most readily layers that only pass a value on, which few ports have at all.
 */
const COST = { portTap: 1, layer: 1, subTap: 0.5, passed: 0.25 } as const;

/**
 * Pairs a port's taps with the reference's.
 *
 * By equal ids where the port uses any. Else by order: an alignment of both sequences with the least
 * number of taps left out, in which a pair must agree in shape and, where it is known, in the
 * weights both depend on. Never by resemblance of values or by a shape that would fit after a
 * transpose.
 */
export function alignTaps(architecture: Architecture, taps: readonly PortTap[]): TapAlignment {
  const ids = new Set(architecture.operations.map(({ id }) => id));
  if (taps.some(({ name }) => ids.has(name))) {
    return {
      by: "id",
      pairs: Object.fromEntries(
        taps.filter(({ name }) => ids.has(name)).map(({ name }) => [name, name]),
      ),
    };
  }
  const known = taps.some(({ weights }) => weights.length > 0);
  const layers = new Set(architecture.layers.map(({ id }) => id));
  const whole = architecture.operations.filter(({ id }) => layers.has(id));
  const pairs = leastLeftOut(architecture, whole, taps, known);
  // Steps inside layers are only thought of where layers alone leave taps of the port over.
  const inside = leastLeftOut(architecture, architecture.operations, taps, known);
  const more = Object.keys(inside).length > Object.keys(pairs).length;
  return { by: known ? "provenance" : "shape", pairs: more ? inside : pairs };
}

function leastLeftOut(
  architecture: Architecture,
  reference: readonly Operation[],
  taps: readonly PortTap[],
  byWeights: boolean,
): Record<string, string> {
  const behind = new Ancestry(architecture).weightsBehind();
  const layers = new Set(architecture.layers.map(({ id }) => id));
  const agree = (tap: PortTap, at: number): boolean => {
    const operation = reference[at];
    if (operation === undefined || `${operation.shape}` !== `${tap.shape}`) return false;
    return !byWeights || sameSet(behind.get(operation.id) ?? new Set(), tap.weights);
  };
  const width = reference.length + 1;
  const cost = new Float64Array((taps.length + 1) * width);
  const skip = (at: number): number => {
    const operation = reference[at];
    if (operation?.kind === "identity") return COST.passed;
    return layers.has(operation?.id ?? "") ? COST.layer : COST.subTap;
  };
  for (let j = reference.length - 1; j >= 0; j--)
    cost[taps.length * width + j] = at(cost, taps.length, j + 1, width) + skip(j);
  for (let i = taps.length - 1; i >= 0; i--) {
    cost[i * width + reference.length] = at(cost, i + 1, reference.length, width) + COST.portTap;
    for (let j = reference.length - 1; j >= 0; j--) {
      const pair = agree(taps[i] as PortTap, j)
        ? at(cost, i + 1, j + 1, width)
        : Number.POSITIVE_INFINITY;
      cost[i * width + j] = Math.min(
        pair,
        at(cost, i + 1, j, width) + COST.portTap,
        at(cost, i, j + 1, width) + skip(j),
      );
    }
  }
  const pairs: Record<string, string> = {};
  for (let i = 0, j = 0; i < taps.length && j < reference.length; ) {
    const here = at(cost, i, j, width);
    const tap = taps[i] as PortTap;
    if (agree(tap, j) && here === at(cost, i + 1, j + 1, width)) {
      pairs[tap.name] = reference[j]?.id ?? "";
      i += 1;
      j += 1;
    } else if (here === at(cost, i, j + 1, width) + skip(j)) j += 1;
    else i += 1;
  }
  return pairs;
}

const at = (cost: Float64Array, i: number, j: number, width: number): number =>
  cost[i * width + j] ?? 0;

function sameSet(one: ReadonlySet<string>, other: readonly string[]): boolean {
  return one.size === other.length && other.every((name) => one.has(name));
}
