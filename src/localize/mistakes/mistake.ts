import type { Architecture, Operation, OperationOf } from "../../architecture/architecture.js";
import type { OperationKind } from "../../architecture/attributes.js";
import type { Tensor } from "../../tensor/tensor.js";

/** Something a porter may have got wrong: a hypothesis that can be tried. */
export interface Mistake {
  /** The cause in words, actual before expected: "negative slope is 0.11, expected 0.1". */
  readonly cause: string;
  /** The operation as the port may have it; the others stay. */
  readonly operation?: Operation;
  /** Several steps as the port may have them; those of the original by their ids, new ones in front of the first that reads them. */
  readonly operations?: readonly Operation[];
  /** Weights as the port may have read them, by name. */
  readonly weights?: Readonly<Record<string, Float32Array>>;
  /** Shapes of those weights, where they are not the stored ones. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** What the step then gives, where no edit of the original says so. */
  readonly value?: Float32Array;
  /** Where this is only one value of a number that is to be found: the right value, and the mistake of any other. */
  readonly search?: {
    readonly expected: number;
    readonly value: number;
    readonly of: (value: number) => Mistake;
  };
}

/** What is at hand when mistakes are thought of. All values NCHW or flat. */
export interface Suspect<K extends OperationKind = OperationKind> {
  readonly operation: OperationOf<K>;
  readonly architecture: Architecture;
  /** The reference's value of this operation, and of each of its inputs. */
  readonly expected: Tensor;
  readonly inputs: readonly Tensor[];
  /** The port's value of the faulty tap, when that is this operation's own output; else `undefined`. */
  readonly actual: Float32Array | undefined;
  readonly weight: (role: string) => Tensor;
  /** A weight of any operation by its name. */
  readonly weightNamed: (name: string) => Tensor;
  /** Channels in which the faulty tap differs; those of the operation, where it has as many. */
  readonly faultyChannels: readonly number[];
}

/** Thinks of mistakes in operations of one kind, likeliest first. */
export type Mistakes<K extends OperationKind> = (suspect: Suspect<K>) => Mistake[];

/** An operation with other attributes. */
export function withAttributes<K extends OperationKind>(
  operation: OperationOf<K>,
  attributes: Partial<OperationOf<K>["attributes"]>,
): Operation {
  return {
    ...operation,
    attributes: { ...operation.attributes, ...attributes },
  } as unknown as Operation;
}

/** Name of an operation's weight by its role; empty when it has none. */
export function named(operation: Operation, role: string): string {
  return operation.weights[role] ?? "";
}

/** A number as people write it. */
export function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** The middle one of some numbers; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
