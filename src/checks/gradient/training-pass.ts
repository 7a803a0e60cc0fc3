import type { Architecture, Operation, OperationOf } from "../../architecture/architecture.js";
import { familyOf } from "../../operators/families.js";
import { sizeOf, stridesOf } from "../../tensor/tensor.js";
import {
  type BatchNormBackward,
  type BatchNormTraining,
  normalizeAsBackward,
  normalizeBatch,
} from "./batch-statistics.js";

/** Values by the id of an operation or input, in float64. */
export type Values = ReadonlyMap<string, Float64Array>;

/** What differs from the recorded point. */
export interface Change {
  /** Weights by name, instead of the original's. */
  readonly weights?: Values;
  /** Inputs by name, instead of the recorded ones. */
  readonly inputs?: Values;
}

/** What a {@link TrainingPass} evaluates. */
export interface TrainingSources {
  readonly architecture: Architecture;
  /** Every weight by name. */
  readonly weights: ReadonlyMap<string, ArrayLike<number>>;
  readonly inputs: Values;
  /** Values that are wanted: only what leads to them is computed. */
  readonly wanted: readonly string[];
  /** Factors close to 1 on the elements of an operation: how roundings are tried out. */
  readonly factors?: (operation: Operation) => Float64Array | null;
  /** Derivatives of batch normalisations as a library's backward pass has them, instead of the true ones. */
  readonly backward?: BatchNormBackward;
}

/**
 * A forward pass in training mode by the definitions of the operations, in float64: batch normalisations use the
 * statistics of the batch, recurrent layers begin at zero. Passes at a changed point compute only what changes.
 */
export class TrainingPass {
  readonly #sources: TrainingSources;
  readonly #operations: readonly Operation[];
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  readonly #factors: ReadonlyMap<string, Float64Array>;
  /** Values at the recorded point. */
  readonly base: Values;

  constructor(sources: TrainingSources) {
    this.#sources = sources;
    const { architecture, factors } = sources;
    this.#operations = leadingTo(architecture, sources.wanted);
    this.#shapes = new Map([
      ...architecture.inputs.map(({ name, shape }) => [name, shape] as const),
      ...architecture.operations.map(({ id, shape }) => [id, shape] as const),
    ]);
    const noisy = this.#operations.map((one) => [one.id, factors?.(one) ?? null] as const);
    this.#factors = new Map(noisy.filter((one): one is [string, Float64Array] => one[1] !== null));
    const base = new Map(sources.inputs);
    for (const operation of this.#operations) {
      base.set(operation.id, this.#compute(operation, base, {}, base));
    }
    this.base = base;
  }

  /** The operations that lead to the wanted values, in order. */
  get operations(): readonly Operation[] {
    return this.#operations;
  }

  /** Values at a changed point; those that do not change are the recorded point's own. */
  at(change: Change): Values {
    const values = new Map(this.base);
    const changed = new Set(change.inputs?.keys());
    for (const [name, input] of change.inputs ?? []) values.set(name, input);
    for (const operation of this.#operations) {
      const touched =
        operation.inputs.some((id) => changed.has(id)) ||
        Object.values(operation.weights).some((name) => change.weights?.has(name));
      if (!touched) continue;
      changed.add(operation.id);
      values.set(operation.id, this.#compute(operation, values, change, this.base));
    }
    return values;
  }

  #compute(operation: Operation, values: Values, change: Change, base: Values): Float64Array {
    const weight = (role: string): ArrayLike<number> => {
      const name = operation.weights[role] ?? "";
      const found = change.weights?.get(name) ?? this.#sources.weights.get(name);
      if (found === undefined) throw new RangeError(`${operation.id} has no weight ${role}`);
      return found;
    };
    const output =
      operation.kind === "batch-norm"
        ? this.#normalize(operation, values, weight, base)
        : this.#evaluate(operation, values, weight);
    const factors = this.#factors.get(operation.id);
    if (factors === undefined) return output;
    return output.map((value, at) => value * (factors[at] as number));
  }

  #normalize(
    operation: OperationOf<"batch-norm">,
    values: Values,
    weight: (role: string) => ArrayLike<number>,
    base: Values,
  ): Float64Array {
    const [id = ""] = operation.inputs;
    const of = (role: string) => (operation.weights[role] === undefined ? null : weight(role));
    const training: BatchNormTraining = {
      operation,
      input: values.get(id) as Float64Array,
      shape: this.#shapes.get(id) ?? [],
      scale: of("scale"),
      bias: of("bias"),
    };
    const { backward } = this.#sources;
    if (backward === undefined) return normalizeBatch(training);
    return normalizeAsBackward(training, base.get(id) as Float64Array, backward);
  }

  #evaluate(
    operation: Operation,
    values: Values,
    weight: (role: string) => ArrayLike<number>,
  ): Float64Array {
    const { element } = familyOf(operation.kind);
    const inputs = operation.inputs.map((id) => values.get(id) as Float64Array);
    const inputShapes = operation.inputs.map((id) => this.#shapes.get(id) ?? []);
    const strides = inputShapes.map((shape) => stridesOf(shape));
    const context = {
      inputShapes,
      weight,
      read: (input: number, index: readonly number[]): number => {
        const along = strides[input] as number[];
        let position = 0;
        for (let axis = 0; axis < along.length; axis++)
          position += (index[axis] ?? 0) * (along[axis] as number);
        return (inputs[input] as Float64Array)[position] as number;
      },
    };
    const output = new Float64Array(sizeOf(operation.shape));
    const index = operation.shape.map(() => 0);
    for (let position = 0; position < output.length; position++) {
      output[position] = element(operation, index, context);
      for (let axis = index.length - 1; axis >= 0; axis--) {
        index[axis] = (index[axis] as number) + 1;
        if ((index[axis] as number) < (operation.shape[axis] ?? 1)) break;
        index[axis] = 0;
      }
    }
    return output;
  }
}

function leadingTo({ operations }: Architecture, wanted: readonly string[]): Operation[] {
  const needed = new Set(wanted);
  const found: Operation[] = [];
  for (const operation of operations.toReversed()) {
    if (!needed.has(operation.id)) continue;
    found.push(operation);
    for (const id of operation.inputs) needed.add(id);
  }
  return found.reverse();
}
