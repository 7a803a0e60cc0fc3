import type { Architecture, Operation } from "../architecture/architecture.js";
import { sizeOf, stridesOf, type Tensor } from "../tensor/tensor.js";
import { familyOf } from "./families.js";

/** Value of one element of a tap in float64, or `undefined` when it would cost more than the limit. */
export type Judge = (tap: string, index: readonly number[]) => number | undefined;

/** What the judge reads. */
export interface JudgeSources {
  readonly architecture: Architecture;
  /** Recorded values by the id of a tap or input: the judge goes no further back. Never asked for the judged tap itself. */
  readonly known: (id: string) => Tensor | undefined;
  /** Values of a weight by its name, C order as declared. */
  readonly weights: (name: string) => Float32Array;
  /** Most multiplications (about) spent on one element; default {@link JUDGE_LIMIT}. */
  readonly limit?: number;
}

/**
 * Multiplications the judge may spend on one element: a convolution over a convolution with
 * 3×3·512 terms each is 21 million and passes over it, one alone is 4608.
 */
export const JUDGE_LIMIT = 4_000_000;

/** Thrown within a judgement to leave all levels of it at once. */
class TooCostly extends Error {}

/**
 * A judge: follows the definitions of the operations (`element`) in float64 from a tap back to the
 * nearest known values. What one element needed is remembered for that element only.
 *
 * @throws {RangeError} from the judge, when a tap does not exist or an input is not known
 */
export function judgeOf(sources: JudgeSources): Judge {
  const operations = new Map(sources.architecture.operations.map((each) => [each.id, each]));
  const inputs = new Map(sources.architecture.inputs.map(({ name, shape }) => [name, shape]));
  const weights = new Map<string, Float32Array>();
  const read = (name: string) => {
    const values = weights.get(name) ?? sources.weights(name);
    weights.set(name, values);
    return values;
  };
  const shapes = (id: string) => inputs.get(id) ?? operations.get(id)?.shape ?? [];
  return (tap, index) => {
    const operation = operations.get(tap);
    if (operation === undefined) throw new RangeError(`there is no operation ${tap}`);
    try {
      return new Judgement(sources, operations, shapes, read).compute(operation, index);
    } catch (error) {
      if (error instanceof TooCostly) return undefined;
      throw error;
    }
  };
}

/** As {@link judgeOf}, for one element. */
export function evaluateElement(
  architecture: Architecture,
  tap: string,
  index: readonly number[],
  known: JudgeSources["known"],
  weights: JudgeSources["weights"],
  limit: number = JUDGE_LIMIT,
): number | undefined {
  return judgeOf({ architecture, known, weights, limit })(tap, index);
}

/** All that is computed for one element. */
class Judgement {
  readonly #sources: JudgeSources;
  readonly #operations: ReadonlyMap<string, Operation>;
  readonly #shape: (id: string) => readonly number[];
  readonly #weight: (name: string) => Float32Array;
  readonly #computed = new Map<string, Map<number, number>>();
  readonly #known = new Map<
    string,
    { readonly values: Tensor; readonly strides: number[] } | null
  >();
  #left: number;

  constructor(
    sources: JudgeSources,
    operations: ReadonlyMap<string, Operation>,
    shape: (id: string) => readonly number[],
    weight: (name: string) => Float32Array,
  ) {
    this.#sources = sources;
    this.#operations = operations;
    this.#shape = shape;
    this.#weight = weight;
    this.#left = sources.limit ?? JUDGE_LIMIT;
  }

  compute(operation: Operation, index: readonly number[]): number {
    const family = familyOf(operation.kind);
    const inputShapes = operation.inputs.map(this.#shape);
    this.#left -= family.cost(operation, inputShapes);
    if (this.#left < 0) throw new TooCostly();
    return family.element(operation, index, {
      inputShapes,
      read: (input, at) => this.#read(operation.inputs[input] as string, at),
      weight: (role) => {
        const name = operation.weights[role];
        if (name === undefined) throw new RangeError(`${operation.id} has no weight ${role}`);
        return this.#weight(name);
      },
    });
  }

  #read(id: string, index: readonly number[]): number {
    const known = this.#knownOf(id);
    if (known !== null) return known.values.data[positionOf(index, known.strides)] as number;
    const operation = this.#operations.get(id);
    if (operation === undefined) throw new RangeError(`the values of ${id} are not known`);
    const computed = this.#computed.get(id) ?? new Map<number, number>();
    this.#computed.set(id, computed);
    const position = positionOf(index, stridesOf(operation.shape));
    const value = computed.get(position) ?? this.compute(operation, index);
    computed.set(position, value);
    return value;
  }

  #knownOf(id: string) {
    const before = this.#known.get(id);
    if (before !== undefined) return before;
    const values = this.#sources.known(id);
    if (values !== undefined && values.data.length !== sizeOf(this.#shape(id))) {
      throw new RangeError(`${id}: shape [${values.shape}], expected [${this.#shape(id)}]`);
    }
    const known = values === undefined ? null : { values, strides: stridesOf(values.shape) };
    this.#known.set(id, known);
    return known;
  }
}

function positionOf(index: readonly number[], strides: readonly number[]): number {
  let position = 0;
  for (const [axis, stride] of strides.entries()) position += (index[axis] ?? 0) * stride;
  return position;
}
