import type {
  ActivationFunction,
  AttributesByKind,
  BinaryFunction,
  ElementwiseFunction,
  OperationKind,
  ReduceFunction,
} from "../../../architecture/attributes.js";
import type { NodeOperation, Operand } from "./node-view.js";

/** A value on the way: one of the graph, or a step of the same node. */
export interface Step {
  readonly name: string;
  readonly shape: readonly number[];
}

type Parameters = Readonly<Record<string, number>>;

/** Writes what a node computes step by step, each with its shape. */
export class Steps {
  readonly #steps: NodeOperation[] = [];
  readonly #scope: string[] = [];
  readonly #used = new Set<string>();

  /** An input of the node; what it takes to read it is written once. */
  use({ name, shape, parts }: Operand): Step {
    if (!this.#used.has(name)) this.#steps.push(...parts);
    this.#used.add(name);
    return { name, shape };
  }

  /** Names what `body` writes: `step_3/…`. */
  within<T>(part: string, body: () => T): T {
    this.#scope.push(part);
    try {
      return body();
    } finally {
      this.#scope.pop();
    }
  }

  emit<K extends OperationKind>(
    part: string,
    kind: K,
    inputs: readonly Step[],
    attributes: AttributesByKind[K],
    shape: readonly number[],
    weights: Readonly<Record<string, string>> = {},
  ): Step {
    const path = [...this.#scope, part].join("/");
    const names = inputs.map(({ name }) => name);
    const step: NodeOperation<K> = { kind, part: path, inputs: names, attributes, weights, shape };
    this.#steps.push(step as unknown as NodeOperation);
    return { name: `./${path}`, shape };
  }

  activation(part: string, name: ActivationFunction, x: Step, parameters: Parameters = {}): Step {
    return this.emit(part, "activation", [x], { function: name, parameters }, x.shape);
  }

  elementwise(part: string, name: ElementwiseFunction, x: Step, parameters: Parameters = {}): Step {
    return this.emit(part, "elementwise", [x], { function: name, parameters }, x.shape);
  }

  /** x·scale + offset. */
  affine(part: string, x: Step, scale: number, offset: number): Step {
    return this.elementwise(part, "affine", x, { scale, offset });
  }

  /** Broadcast as numpy does. */
  binary(part: string, name: BinaryFunction, a: Step, b: Step): Step {
    return this.emit(part, "binary", [a, b], { function: name }, broadcast(a.shape, b.shape));
  }

  reduce(
    part: string,
    name: ReduceFunction,
    x: Step,
    axes: readonly number[],
    keepAxes = true,
  ): Step {
    const shape = keepAxes
      ? x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
      : x.shape.filter((_, axis) => !axes.includes(axis));
    return this.emit(part, "reduce", [x], { function: name, axes, keepAxes }, shape);
  }

  view(part: string, x: Step, shape: readonly number[]): Step {
    return this.emit(part, "view", [x], { shape }, shape);
  }

  transpose(part: string, x: Step, permutation: readonly number[]): Step {
    const shape = permutation.map((axis) => x.shape[axis] ?? 1);
    return this.emit(part, "transpose", [x], { permutation }, shape);
  }

  slice(part: string, x: Step, axis: number, start: number, end: number): Step {
    const shape = x.shape.with(axis, end - start);
    return this.emit(part, "slice", [x], { axis, start, end }, shape);
  }

  /** One place of an axis, and the axis gone. */
  at(part: string, x: Step, axis: number, position: number): Step {
    const row = this.slice(`${part}_row`, x, axis, position, position + 1);
    return this.view(part, row, x.shape.toSpliced(axis, 1));
  }

  concat(part: string, inputs: readonly Step[], axis: number): Step {
    const size = inputs.reduce((sum, { shape }) => sum + (shape[axis] ?? 0), 0);
    return this.emit(part, "concat", inputs, { axis }, (inputs[0]?.shape ?? []).with(axis, size));
  }

  /** Sum of products, as in Einstein's notation. */
  contract(part: string, equation: string, factors: readonly Step[]): Step {
    const [left = "", result = ""] = equation.split("->");
    const sizes = new Map<string, number>();
    left.split(",").forEach((letters, k) => {
      [...letters].forEach((letter, axis) => {
        sizes.set(letter, factors[k]?.shape[axis] ?? 1);
      });
    });
    const shape = [...result].map((letter) => sizes.get(letter) ?? 1);
    return this.emit(part, "contract", factors, { equation, kernel: null }, shape);
  }

  /** One number. */
  scalar(part: string, value: number): Step {
    return this.emit(part, "fill", [], { shape: [], values: [value] }, []);
  }

  /** All that was written; this step is the node's value. */
  end({ name, shape }: Step): readonly NodeOperation[] {
    const last = this.#steps.at(-1);
    if (last?.part === undefined || name !== `./${last.part}`) {
      return [...this.#steps, { kind: "identity", inputs: [name], attributes: {}, shape }];
    }
    const { part: _, ...value } = last;
    return [...this.#steps.slice(0, -1), value];
  }
}

function broadcast(a: readonly number[], b: readonly number[]): readonly number[] {
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  const skipped = long.length - short.length;
  return long.map((size, axis) => (size === 1 ? (short[axis - skipped] ?? 1) : size));
}
