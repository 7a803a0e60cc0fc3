import {
  type Architecture,
  type Layer,
  type Operation,
  readsOwnResult,
  resultsOf,
} from "./architecture.js";

/** Which operations depend on which: asked for often, so computed once for an architecture. */
export class Ancestry {
  readonly operations: ReadonlyMap<string, Operation>;
  readonly #architecture: Architecture;

  constructor(architecture: Architecture) {
    this.#architecture = architecture;
    this.operations = new Map(
      architecture.operations.map((operation) => [operation.id, operation]),
    );
  }

  /**
   * The operations between a tap and the taps before it: what the tap's error is that of.
   *
   * @param tapped - ids whose values are known; the architecture's inputs always are
   * @returns `between`: the operation itself and those behind it up to the frontier, in topological order;
   *   `frontier`: the known ids they read, without the architecture's inputs' states
   */
  back(
    id: string,
    tapped: ReadonlySet<string>,
  ): { readonly between: readonly string[]; readonly frontier: readonly string[] } {
    const between = new Set<string>();
    const frontier = new Set<string>();
    const visit = (at: string): void => {
      const operation = this.operations.get(at);
      if (operation === undefined) {
        frontier.add(at);
        return;
      }
      if (between.has(at)) return;
      between.add(at);
      for (const input of operation.inputs) {
        const known = tapped.has(input) && !readsOwnResult(operation, this.operations.get(input));
        if (known) frontier.add(input);
        else visit(input);
      }
    };
    visit(id);
    const order = this.#architecture.operations.filter((operation) => between.has(operation.id));
    return { between: order.map((operation) => operation.id), frontier: [...frontier] };
  }

  /** Names of all weights that each operation's value depends on. */
  weightsBehind(): ReadonlyMap<string, ReadonlySet<string>> {
    const behind = new Map<string, ReadonlySet<string>>();
    for (const operation of this.#architecture.operations) {
      const names = new Set(Object.values(operation.weights));
      for (const input of operation.inputs)
        for (const name of behind.get(input) ?? []) names.add(name);
      behind.set(operation.id, names);
    }
    return behind;
  }
}

/** What a set of compared taps says about the original's layers. */
export interface LayerCoverage {
  /** Layers without a tap of their own on which a compared tap depends. */
  readonly covered: readonly string[];
  /** Layers that no compared tap depends on. */
  readonly uncovered: readonly string[];
}

/** Sorts the original's layers by whether a compared tap sees them. */
export function layerCoverage(
  architecture: Architecture,
  compared: ReadonlySet<string>,
): LayerCoverage {
  const ancestry = new Ancestry(architecture);
  const seen = new Set<string>();
  for (const id of compared) {
    if (ancestry.operations.has(id))
      for (const one of ancestry.back(id, compared).between) seen.add(one);
  }
  const some = (layer: Layer, ids: ReadonlySet<string>) =>
    resultsOf(layer).some((id) => ids.has(id));
  const without = architecture.layers.filter((layer) => !some(layer, compared));
  return {
    covered: without.filter((layer) => some(layer, seen)).map(({ id }) => id),
    uncovered: without.filter((layer) => !some(layer, seen)).map(({ id }) => id),
  };
}
