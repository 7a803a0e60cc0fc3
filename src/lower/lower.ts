import { type Architecture, type Operation, readsOwnResult } from "../architecture/architecture.js";
import { familyOf } from "../operators/families.js";
import type { FunctionError } from "../operators/family.js";
import { GraphBuilder } from "../operators/graph.js";
import { scaled } from "../operators/rounding.js";
import type { Layout } from "../tensor/layout.js";
import { type GraphInitializer, type GraphValue, serializeGraph } from "./serialize-graph.js";

/** One output asked for. */
export interface LowerOutput {
  /** Id of an operation or of an input. */
  readonly tap: string;
  /** Name of the graph's output; unique in the request. */
  readonly name: string;
  /** Order of the axes of a rank-4 value; default that of the architecture. Others have no layout. */
  readonly layout?: Layout;
  /** Number by which a bound is multiplied on its way out; default 1. */
  readonly factor?: number;
}

/** Rounding bounds computed in the same graph (DESIGN.md §6, steps 1 and 2). */
export interface LowerBounds {
  readonly mode: "trigger" | "hard";
  /** Taps whose values count as exact where they are *read*: the port was given the reference's. */
  readonly cut: ReadonlySet<string>;
  readonly functionError: (name: string) => FunctionError;
  /** Bounds asked for: of a tap's own value, whether or not it is in `cut`. */
  readonly outputs: readonly LowerOutput[];
}

/** What to lower. */
export interface LowerOptions {
  /** Ids of the operations of this segment; default all. What they read from outside becomes a feed. */
  readonly operations?: Iterable<string>;
  readonly outputs: readonly LowerOutput[];
  readonly bounds?: LowerBounds;
}

/** An input of the graph. */
export interface Feed extends GraphValue {
  /**
   * `input`: of the architecture; `value`: of an operation of an earlier segment; `state`: what a
   * recurrent layer remembers (zero at first); `bound`: bound of a value of an earlier segment that
   * is not in `cut`, asked for there under {@link boundFeedName}.
   */
  readonly kind: "input" | "value" | "state" | "bound";
  /** Id of the input or operation; the feed's name too, unless an output was given that name. */
  readonly tap: string;
}

/** One ONNX model and what it takes and gives. */
export interface LoweredModel {
  /** The bytes of the model, without weights. */
  readonly model: Uint8Array;
  readonly feeds: readonly Feed[];
  /** External data: the runtime gets the values of `weight` (C order, float32) under `location`. */
  readonly initializers: readonly { readonly location: string; readonly weight: string }[];
  /** Values in the order asked for, then bounds in the order of the operations. */
  readonly outputs: readonly GraphValue[];
  /** Names of requested bounds that are zero because nothing rounds: no output is made for them. */
  readonly exact: readonly string[];
  /** For each state read here: where the value for the next call comes from (an operation of the architecture). */
  readonly states: readonly { readonly feed: string; readonly next: string }[];
}

/** Name of the feed that carries the bound of a value from an earlier segment. */
export function boundFeedName(tap: string): string {
  return `bound:${tap}`;
}

/**
 * An architecture, or the segment of it that `options.operations` names, as one ONNX graph. Only what
 * the outputs need is in it. Values are in the architecture's layout inside; weights stay outside.
 *
 * @throws {RangeError} when an output or operation does not exist, two outputs have one name, or a
 *   bound is asked for of a value that this segment does not compute
 */
export function lower(architecture: Architecture, options: LowerOptions): LoweredModel {
  return new Lowering(architecture, options).run();
}

class Lowering {
  readonly #graph = new GraphBuilder();
  readonly #operations: ReadonlyMap<string, Operation>;
  readonly #inputShapes: ReadonlyMap<string, readonly number[]>;
  readonly #weightShapes: ReadonlyMap<string, readonly number[]>;
  readonly #segment: ReadonlySet<string>;
  readonly #feeds = new Map<string, Feed>();
  readonly #initializers = new Map<string, GraphInitializer>();
  readonly #bounds = new Map<string, string | null>();
  /** Names of the outputs asked for. */
  readonly #taken = new Set<string>();
  readonly #exact: string[] = [];
  readonly #options: LowerOptions;
  readonly #architecture: Architecture;
  readonly #layout: Layout;

  constructor(architecture: Architecture, options: LowerOptions) {
    this.#architecture = architecture;
    this.#layout = architecture.layout ?? "nchw";
    this.#options = options;
    this.#operations = new Map(
      architecture.operations.map((operation) => [operation.id, operation]),
    );
    this.#inputShapes = new Map(architecture.inputs.map(({ name, shape }) => [name, shape]));
    this.#weightShapes = new Map(architecture.weights.map(({ name, shape }) => [name, shape]));
    this.#segment = new Set(options.operations ?? this.#operations.keys());
    for (const id of this.#segment) this.#operation(id);
  }

  run(): LoweredModel {
    const { outputs, bounds } = this.#options;
    const boundOutputs = bounds?.outputs ?? [];
    const all = [...outputs, ...boundOutputs];
    for (const { name } of all) this.#taken.add(name);
    if (this.#taken.size !== all.length) {
      throw new RangeError("two outputs of one graph have the same name");
    }
    const needed = this.#needed(all.map(({ tap }) => tap));
    for (const { tap } of boundOutputs) {
      if (!needed.has(tap)) throw new RangeError(`${tap} is not computed here`);
    }
    const bounded: GraphValue[] = [];
    for (const operation of this.#architecture.operations) {
      if (!needed.has(operation.id)) continue;
      if (operation.kind === "state") this.#feed("state", operation.id);
      else this.#lower(operation);
      // Right behind the value, so that the runtime can free what only the bound needs.
      const wanted = boundOutputs.filter(({ tap }) => tap === operation.id);
      bounded.push(...wanted.flatMap((output) => this.#emitBound(output)));
    }
    const values = outputs.map((output) => this.#emit(this.#value(output.tap), output));
    return this.#finish([...values, ...bounded]);
  }

  #finish(outputs: readonly GraphValue[]): LoweredModel {
    const feeds = [...this.#feeds.values()];
    const initializers = [...this.#initializers.values()];
    return {
      model: serializeGraph(this.#graph, feeds, outputs, initializers),
      feeds,
      initializers: [...this.#initializers].map(([weight, { location }]) => ({ location, weight })),
      outputs,
      exact: this.#exact,
      states: feeds
        .filter(({ kind }) => kind === "state")
        .map(({ tap }) => ({ feed: tap, next: this.#nextOf(tap) })),
    };
  }

  #nextOf(state: string): string {
    const operation = this.#operation(state);
    return operation.kind === "state" ? operation.attributes.next : state;
  }

  /** The operations of the segment that the taps depend on. */
  #needed(taps: readonly string[]): ReadonlySet<string> {
    const needed = new Set<string>();
    const waiting = [...taps];
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      if (needed.has(id) || !this.#segment.has(id)) continue;
      needed.add(id);
      waiting.push(...this.#operation(id).inputs);
    }
    return needed;
  }

  #lower(operation: Operation): void {
    familyOf(operation.kind).lower(operation, {
      graph: this.#graph,
      inputs: operation.inputs.map((id) => this.#value(id)),
      inputShapes: operation.inputs.map((id) => this.#shape(id)),
      weight: this.#weightOf(operation),
      output: this.#nameOf(operation.id),
    });
  }

  #emitBound(output: LowerOutput): GraphValue[] {
    const bound = this.#bound(output.tap);
    if (bound !== null) {
      return [this.#emit(scaled(this.#graph, bound, output.factor ?? 1), output)];
    }
    this.#exact.push(output.name);
    return [];
  }

  /** Bound of an operation's own value: a name, or `null` where it is exact. */
  #bound(id: string): string | null {
    const known = this.#bounds.get(id);
    if (known !== undefined) return known;
    const { mode, cut, functionError } = this.#options.bounds as LowerBounds;
    const operation = this.#operation(id);
    let bound: string | null = null;
    if (operation.kind !== "state") {
      bound = familyOf(operation.kind).bound(operation, {
        graph: this.#graph,
        inputs: operation.inputs.map((input) => this.#value(input)),
        inputShapes: operation.inputs.map((input) => this.#shape(input)),
        weight: this.#weightOf(operation),
        output: this.#nameOf(id),
        bounds: operation.inputs.map((input) =>
          cut.has(input) && !readsOwnResult(operation, this.#operations.get(input))
            ? null
            : this.#readBound(input),
        ),
        mode,
        functionError,
      });
    }
    this.#bounds.set(id, bound);
    return bound;
  }

  /** Bound of a value that is read and not in `cut`. */
  #readBound(id: string): string | null {
    if (this.#inputShapes.has(id)) return null;
    if (this.#segment.has(id)) return this.#bound(id);
    return this.#feed("bound", id);
  }

  /** Name of a value in the graph; one from outside becomes a feed. */
  #value(id: string): string {
    if (this.#inputShapes.has(id)) return this.#feed("input", id);
    if (!this.#segment.has(id)) return this.#feed("value", id);
    return this.#operation(id).kind === "state" ? this.#feed("state", id) : this.#nameOf(id);
  }

  /** Name of what an operation computes: its id, unless an output with another meaning has that name. */
  #nameOf(id: string): string {
    const plain = (output: LowerOutput) =>
      output.tap === id &&
      ((output.layout ?? this.#layout) === this.#layout || this.#shape(id).length !== 4);
    return this.#taken.has(id) && !this.#options.outputs.some((o) => o.name === id && plain(o))
      ? `value:${id}`
      : id;
  }

  #feed(kind: Feed["kind"], tap: string): string {
    const id = kind === "bound" ? boundFeedName(tap) : tap;
    const name = this.#taken.has(id) ? `feed:${id}` : id;
    if (!this.#feeds.has(name)) this.#feeds.set(name, { kind, tap, name, shape: this.#shape(tap) });
    return name;
  }

  /** Makes a value an output of the graph, in the layout asked for. */
  #emit(value: string, { tap, name, layout = this.#layout }: LowerOutput): GraphValue {
    const shape = this.#shape(tap);
    if (layout !== this.#layout && shape.length === 4) {
      const permutation = layout === "nhwc" ? [0, 2, 3, 1] : [0, 3, 1, 2];
      this.#graph.node("Transpose", [value], { perm: { ints: permutation } }, name);
      return { name, shape: permutation.map((axis) => shape[axis] ?? 1) };
    }
    if (name !== value) this.#graph.node("Identity", [value], {}, name);
    return { name, shape };
  }

  #weightOf(operation: Operation): (role: string) => string {
    return (role) => {
      const weight = operation.weights[role];
      const shape = weight === undefined ? undefined : this.#weightShapes.get(weight);
      if (weight === undefined || shape === undefined) {
        throw new RangeError(`${operation.id} has no weight ${role}`);
      }
      const name = `weight:${weight}`;
      const location = `weight-${this.#initializers.size}`;
      if (!this.#initializers.has(weight))
        this.#initializers.set(weight, { name, shape, location });
      return name;
    };
  }

  #operation(id: string): Operation {
    const operation = this.#operations.get(id);
    if (operation === undefined) throw new RangeError(`there is no operation ${id}`);
    return operation;
  }

  #shape(id: string): readonly number[] {
    return this.#inputShapes.get(id) ?? this.#operation(id).shape;
  }
}
