import type { Architecture, Operation, OperationOf } from "../../src/architecture/architecture.js";
import type { OperationKind } from "../../src/architecture/attributes.js";
import { familyOf } from "../../src/operators/families.js";
import type { Tensor } from "../../src/tensor/tensor.js";

/** A few operations on made-up values, and what right ports compute of them. */
export interface Probe {
  readonly title: string;
  readonly architecture: Architecture;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly weights: Readonly<Record<string, Float32Array>>;
  /** Ids of the operations that are compared; bounds run from the inputs to each. */
  readonly taps: readonly string[];
}

/** An operation without what follows from the others. */
export type ProbeOperation = {
  [K in OperationKind]: Pick<OperationOf<K>, "id" | "kind" | "inputs" | "attributes"> & {
    /** Values by role. */
    readonly weights?: Readonly<Record<string, Tensor>>;
  };
}[OperationKind];

/** A probe of these operations, one layer; shapes follow from the inputs'. Every operation is a tap unless told. */
export function probeOf(
  title: string,
  inputs: Readonly<Record<string, Tensor>>,
  operations: readonly ProbeOperation[],
  taps: readonly string[] = operations.map(({ id }) => id),
): Probe {
  const shapes = new Map(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
  const weights: Record<string, Tensor> = {};
  const complete = operations.map((operation): Operation => {
    const family = familyOf(operation.kind);
    const read = operation.inputs.map((id) => shapes.get(id) ?? []);
    const shape = family.shape(operation.attributes as never, read);
    shapes.set(operation.id, shape);
    const names: Record<string, string> = {};
    for (const [role, value] of Object.entries(operation.weights ?? {})) {
      names[role] = `${operation.id}/${role}`;
      weights[`${operation.id}/${role}`] = value;
    }
    return { ...operation, layer: 0, weights: names, shape } as Operation;
  });
  const last = complete.at(-1) as Operation;
  return {
    title,
    taps,
    inputs: new Map(Object.entries(inputs)),
    weights: Object.fromEntries(Object.entries(weights).map(([name, { data }]) => [name, data])),
    architecture: {
      name: title,
      inputs: Object.entries(inputs).map(([name, { shape }]) => ({ name, shape })),
      layers: [
        { id: last.id, index: 0, kind: last.kind, operations: complete.map(({ id }) => id) },
      ],
      operations: complete,
      outputs: [last.id],
      weights: Object.entries(weights).map(([name, { shape }]) => ({
        name,
        shape,
        role: name.slice(name.indexOf("/") + 1),
        layer: 0,
      })),
    },
  };
}
