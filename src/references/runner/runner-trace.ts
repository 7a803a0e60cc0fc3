import { convertLayout, type Layout } from "../../tensor/layout.js";
import { sizeOf, type Tensor, tensor } from "../../tensor/tensor.js";
import type { ReferenceTrace } from "../trace.js";
import type { RunnerReference } from "./runner-reference.js";

/** A tap as the architecture knows it. */
export interface WantedTap {
  readonly id: string;
  readonly shape: readonly number[];
}

/**
 * Runs an opened original once and keeps the values of the taps that both know.
 *
 * Libraries without ranks call a row of n values a map of n channels of one pixel: such a value gets the shape wanted.
 *
 * @param wanted - taps of the architecture, in its layout
 * @throws {UnavailableError} when the runner's values do not have the architecture's shapes, crashes or hangs
 */
export async function recordRunner(
  reference: RunnerReference,
  inputs: ReadonlyMap<string, Tensor>,
  wanted: readonly WantedTap[],
  layout: Layout,
): Promise<ReferenceTrace> {
  const { client, description } = reference;
  const own = new Map(description.taps.map((tap) => [tap.id, tap]));
  const shared = wanted.filter(({ id }) => own.has(id));
  if (shared.length === 0) {
    throw client.refuse(`has none of the original's ${wanted.length} taps`);
  }
  const given = new Map(
    [...inputs].map(([name, value]) => [name, convertLayout(value, layout, description.layout)]),
  );
  const values = await reference.run(given, { taps: shared.map(({ id }) => id) });
  const taps = new Map<string, Tensor>();
  for (const { id, shape } of shared) {
    const value = convertLayout(values.get(id) as Tensor, description.layout, layout);
    if (
      value.shape.length === shape.length
        ? `${value.shape}` !== `${shape}`
        : sizeOf(shape) !== sizeOf(value.shape)
    ) {
      throw client.refuse(`gives ${id} the shape [${value.shape}], the original has [${shape}]`);
    }
    taps.set(id, tensor(shape, value.data));
  }
  return {
    name: client.name,
    version: client.facts.version,
    taps: [...taps.keys()],
    read: (id) => taps.get(id),
  };
}
