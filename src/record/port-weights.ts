import type { PortWeights, TakeOptions } from "../port/port.js";
import { axesBetween, transpose, usualLayout, type WeightLayout } from "../tensor/layout.js";
import { Room } from "../tensor/room.js";
import type { Tensor } from "../tensor/tensor.js";
import type { WeightStore } from "../weights/weight-store.js";

/** The port asked for weights in a way the original cannot answer: a fault of component `weights`, not a wrong call. */
export class WeightsFault extends Error {
  override readonly name = "WeightsFault";
  readonly weight: string;

  constructor(weight: string, message: string) {
    super(message);
    this.weight = weight;
  }
}

/** Hands the original's weights to a port and counts what is asked for. */
export class CountedWeights implements PortWeights {
  readonly names: readonly string[];
  readonly #store: WeightStore;
  readonly #taken = new Map<string, number>();
  readonly #room = new Room();
  readonly #layouts: ReadonlyMap<string, WeightLayout | undefined>;

  constructor(store: WeightStore) {
    this.#store = store;
    this.#layouts = new Map(
      store.specs.map(({ name, layout, shape }) => [name, layout ?? usualLayout(shape.length)]),
    );
    this.names = store.specs.map(({ name }) => name);
  }

  /** How often each weight was taken; those never taken are missing. */
  get taken(): ReadonlyMap<string, number> {
    return this.#taken;
  }

  has(name: string): boolean {
    return this.#layouts.has(name);
  }

  take(name: string, options: TakeOptions = {}): { data: Float32Array; shape: number[] } {
    if (!this.has(name)) {
      throw new WeightsFault(
        name,
        `weights.take("${name}"): the original has no such tensor${this.#hint(name)}`,
      );
    }
    const from = this.#layouts.get(name);
    // What is reordered is copied once more: the port never sees what was read.
    const moved = options.layout !== undefined && options.layout !== from;
    const stored = this.#store.read(name, moved ? this.#room : undefined);
    const value = inLayout(stored, name, options.layout, from);
    if (options.shape !== undefined && `${options.shape}` !== `${value.shape}`) {
      throw new WeightsFault(
        name,
        `${name}: the port expects shape [${options.shape}]${options.layout ? ` (${options.layout})` : ""}, ` +
          `the original's is [${value.shape}]`,
      );
    }
    this.#taken.set(name, (this.#taken.get(name) ?? 0) + 1);
    return { data: value.data, shape: [...value.shape] };
  }

  #hint(name: string): string {
    const layer = name.split("/")[0] ?? "";
    const same = this.names.filter((known) => known.startsWith(`${layer}/`));
    if (same.length > 0)
      return `; ${layer} has ${same.map((known) => known.slice(layer.length + 1)).join(", ")}`;
    return `; it has ${this.names.length}, from ${this.names[0]} to ${this.names.at(-1)}`;
  }
}

/**
 * A stored tensor in the layout asked for.
 *
 * @param from - order in which it is stored; default that of its rank
 * @throws {WeightsFault} when a tensor of that rank has no such layout
 */
export function inLayout(
  stored: Tensor,
  name: string,
  layout: TakeOptions["layout"],
  from: WeightLayout | undefined = usualLayout(stored.shape.length),
): Tensor {
  if (layout === undefined) return stored;
  const axes = from === undefined ? undefined : axesBetween(from, layout);
  if (axes === undefined || from?.length !== stored.shape.length || axes.includes(-1)) {
    throw new WeightsFault(name, `${name}: layout ${layout} does not suit shape [${stored.shape}]`);
  }
  return layout === from ? stored : transpose(stored, axes);
}
