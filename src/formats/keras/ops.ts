import type {
  ActivationFunction,
  AttributesByKind,
  BinaryFunction,
  ElementwiseFunction,
  LinearMap,
  OperationKind,
  ReduceFunction,
} from "../../architecture/attributes.js";
import { sizeOf } from "../../tensor/tensor.js";
import { type Node, Value, type ValueType } from "./value.js";

const COMPARISONS = new Set<BinaryFunction>([
  "equal",
  "not-equal",
  "less",
  "less-equal",
  "greater",
  "greater-equal",
  "and",
  "or",
  "xor",
]);

/** A variable of a layer, as an operation refers to it. */
export interface WeightRef {
  readonly name: string;
  readonly shape: readonly number[];
}

/**
 * Writes operations, one after the other, with shapes computed as it goes.
 *
 * Values of a layer that computes in float16 or bfloat16 are rounded after every operation.
 */
export class Ops {
  readonly nodes: Node[] = [];
  /** Type that results are rounded to: `float32`, `float16`, `bfloat16`. */
  precision = "float32";
  /** Remembered states and what they become: ids are decided later. */
  readonly states: { readonly state: Node<"state">; readonly next: Value }[] = [];
  readonly #scope: string[] = [];

  /** Names what `body` writes: `time_3/…`. */
  within<T>(part: string, body: () => T): T {
    this.#scope.push(part);
    try {
      return body();
    } finally {
      this.#scope.pop();
    }
  }

  /** Writes as if the layer computed in float32, and rounds nothing. */
  exactly<T>(body: () => T): T {
    const { precision } = this;
    this.precision = "float32";
    try {
      return body();
    } finally {
      this.precision = precision;
    }
  }

  emit<K extends OperationKind>(
    kind: K,
    inputs: readonly Value[],
    attributes: AttributesByKind[K],
    shape: readonly number[],
    options: {
      readonly part?: string;
      readonly weights?: Readonly<Record<string, WeightRef>>;
      readonly type?: ValueType;
      readonly copies?: boolean;
    } = {},
  ): Value {
    const weights = Object.entries(options.weights ?? {}).map(([role, { name }]) => [role, name]);
    const node: Node<K> = {
      kind,
      inputs,
      attributes,
      weights: Object.fromEntries(weights),
      shape,
      part: [...this.#scope, options.part ?? kind].join("/"),
      id: null,
    };
    this.nodes.push(node as unknown as Node);
    const type = options.type ?? inputs[0]?.type ?? "float";
    const [first] = inputs;
    const precision = options.copies === true ? (first?.precision ?? "float32") : "float32";
    const value = new Value({ shape, type, precision, node: node as unknown as Node });
    return options.copies === true ? value : this.rounded(value);
  }

  /** The value in the layer's own precision. */
  rounded(value: Value): Value {
    const { precision } = this;
    if (precision === "float32" || value.type !== "float" || value.precision === precision) {
      return value;
    }
    const to = precision === "float16" ? "float16" : "bfloat16";
    const node: Node<"cast"> = {
      kind: "cast",
      inputs: [value],
      attributes: { to },
      weights: {},
      shape: value.shape,
      part: [...this.#scope, "round"].join("/"),
      id: null,
    };
    this.nodes.push(node as unknown as Node);
    const { shape, type, mask } = value;
    return new Value({ shape, type, precision, mask, node: node as unknown as Node });
  }

  weight(weight: WeightRef): Value {
    const part = weight.name.split("/").at(-1) ?? "weight";
    return this.emit("weight", [], { shape: weight.shape }, weight.shape, {
      part,
      weights: { value: weight },
      type: "float",
    });
  }

  fill(shape: readonly number[], values: readonly number[], type: ValueType = "float"): Value {
    return this.emit("fill", [], { shape, values }, shape, { part: "constant", type });
  }

  scalar(value: number, type: ValueType = "float"): Value {
    return this.fill([], [value], type);
  }

  unary(
    name: ElementwiseFunction,
    x: Value,
    parameters: Readonly<Record<string, number>> = {},
    part: string = name,
  ): Value {
    const type = name === "not" || name === "is-nan" ? "bool" : x.type;
    return this.emit("elementwise", [x], { function: name, parameters }, x.shape, { part, type });
  }

  activation(
    name: ActivationFunction,
    x: Value,
    parameters: Readonly<Record<string, number>> = {},
  ): Value {
    return this.emit("activation", [x], { function: name, parameters }, x.shape, {
      part: name,
      type: "float",
    });
  }

  /** x·scale + offset. */
  affine(x: Value, scale: number, offset: number, part = "affine"): Value {
    return this.unary("affine", x, { scale, offset }, part);
  }

  binary(name: BinaryFunction, a: Value, b: Value, part: string = name): Value {
    const shape = broadcast(a.shape, b.shape);
    const type = COMPARISONS.has(name)
      ? "bool"
      : a.type === "float" || b.type === "float" || name === "divide"
        ? "float"
        : "int";
    return this.emit("binary", [a, b], { function: name }, shape, { part, type });
  }

  add(a: Value, b: Value, part?: string): Value {
    return this.binary("add", a, b, part);
  }

  subtract(a: Value, b: Value, part?: string): Value {
    return this.binary("subtract", a, b, part);
  }

  multiply(a: Value, b: Value, part?: string): Value {
    return this.binary("multiply", a, b, part);
  }

  divide(a: Value, b: Value, part?: string): Value {
    return this.binary("divide", a, b, part);
  }

  where(condition: Value, yes: Value, no: Value): Value {
    const shape = broadcast(broadcast(condition.shape, yes.shape), no.shape);
    const type = yes.type === "float" || no.type === "float" ? "float" : yes.type;
    return this.emit("where", [condition, yes, no], {}, shape, { part: "where", type });
  }

  reduce(
    name: ReduceFunction,
    x: Value,
    axes: readonly number[],
    keepAxes = false,
    part: string = name,
  ): Value {
    const all = axes.map((axis) => (axis < 0 ? axis + x.rank : axis)).toSorted((a, b) => a - b);
    const shape = keepAxes
      ? x.shape.map((size, axis) => (all.includes(axis) ? 1 : size))
      : x.shape.filter((_, axis) => !all.includes(axis));
    const type = name === "any" || name === "all" ? "bool" : x.type;
    const attributes = { function: name, axes: all, keepAxes };
    return this.emit("reduce", [x], attributes, shape, { part, type });
  }

  view(x: Value, shape: readonly number[], part = "reshape"): Value {
    if (`${shape}` === `${x.shape}`) return x;
    if (sizeOf(shape) !== sizeOf(x.shape)) {
      throw new RangeError(
        `[${x.shape}] has ${sizeOf(x.shape)} values, [${shape}] ${sizeOf(shape)}`,
      );
    }
    return this.emit("view", [x], { shape }, shape, { part, copies: true });
  }

  transpose(x: Value, permutation: readonly number[]): Value {
    if (permutation.every((axis, k) => axis === k)) return x;
    const shape = permutation.map((axis) => x.size(axis));
    return this.emit("transpose", [x], { permutation }, shape, { copies: true });
  }

  expandDims(x: Value, axis: number): Value {
    const at = axis < 0 ? axis + x.rank + 1 : axis;
    return this.view(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)], "expand_dims");
  }

  squeeze(x: Value, axis: number): Value {
    const at = axis < 0 ? axis + x.rank : axis;
    return this.view(
      x,
      x.shape.filter((_, k) => k !== at),
      "squeeze",
    );
  }

  expand(x: Value, shape: readonly number[]): Value {
    if (`${shape}` === `${x.shape}`) return x;
    return this.emit("expand", [x], { shape }, shape, { part: "repeat", copies: true });
  }

  concat(values: readonly Value[], axis: number): Value {
    const [first] = values;
    if (first === undefined) throw new RangeError("a concatenation of nothing");
    if (values.length === 1) return first;
    const at = axis < 0 ? axis + first.rank : axis;
    const fits = (value: Value) =>
      value.rank === first.rank &&
      value.shape.every((size, k) => k === at || size === first.size(k));
    if (!values.every(fits)) {
      throw new RangeError(
        `shapes [${values.map(({ shape }) => shape).join("] [")}] along axis ${axis}`,
      );
    }
    const total = values.reduce((sum, value) => sum + value.size(at), 0);
    const shape = first.shape.map((size, k) => (k === at ? total : size));
    const type = values.some((value) => value.type === "float") ? "float" : first.type;
    return this.emit("concat", values, { axis: at }, shape, { type, copies: true });
  }

  take(x: Value, axis: number, indices: readonly number[], part = "take"): Value {
    const at = axis < 0 ? axis + x.rank : axis;
    if (indices.length === x.size(at) && indices.every((index, k) => index === k)) return x;
    const shape = x.shape.map((size, k) => (k === at ? indices.length : size));
    return this.emit("take", [x], { axis: at, indices }, shape, { part, copies: true });
  }

  /** Elements `[start, end)` of an axis. */
  slice(x: Value, axis: number, start: number, end: number, part = "slice"): Value {
    return this.take(x, axis, range(start, end), part);
  }

  reverse(x: Value, axis: number): Value {
    return this.take(x, axis, range(0, x.size(axis)).reverse(), "reverse");
  }

  /** Equal parts along an axis. */
  split(x: Value, axis: number, parts: number): Value[] {
    const size = x.size(axis) / parts;
    return range(0, parts).map((k) => this.slice(x, axis, k * size, (k + 1) * size, `part_${k}`));
  }

  pad(x: Value, before: readonly number[], after: readonly number[], value = 0): Value {
    if ([...before, ...after].every((amount) => amount === 0)) return x;
    const shape = x.shape.map((size, k) => size + (before[k] ?? 0) + (after[k] ?? 0));
    return this.emit("pad", [x], { before, after, value }, shape, { copies: true });
  }

  gather(table: Value, rows: Value): Value {
    const shape = [...rows.shape, ...table.shape.slice(1)];
    return this.emit("gather", [table, rows], {}, shape, { type: table.type, copies: true });
  }

  /** Sum of products of two values: `abc,acd->abd`. */
  contract(equation: string, a: Value, b: Value, part = "product"): Value {
    const attributes = { equation, kernel: null };
    return this.emit("contract", [a, b], attributes, contractShape(equation, [a.shape, b.shape]), {
      part,
      type: "float",
    });
  }

  /** Sum of products with a stored kernel. */
  product(equation: string, x: Value, kernel: WeightRef, part = "product"): Value {
    if (this.precision !== "float32") return this.contract(equation, x, this.weight(kernel), part);
    const attributes = { equation, kernel: kernel.shape };
    const shape = contractShape(equation, [x.shape, kernel.shape]);
    return this.emit("contract", [x], attributes, shape, {
      part,
      weights: { kernel },
      type: "float",
    });
  }

  resample(x: Value, axis: number, matrix: LinearMap, part = "resample"): Value {
    const at = axis < 0 ? axis + x.rank : axis;
    const shape = x.shape.map((size, k) => (k === at ? matrix.rows : size));
    return this.emit("resample", [x], { axis: at, matrix }, shape, { part, type: "float" });
  }

  cast(x: Value, to: AttributesByKind["cast"]["to"], type: ValueType): Value {
    return this.emit("cast", [x], { to }, x.shape, { part: "cast", type });
  }

  sort(x: Value, axis: number): Value {
    const at = axis < 0 ? axis + x.rank : axis;
    return this.emit("sort", [x], { axis: at }, x.shape, { copies: true });
  }

  /** What a stateful layer kept of the call before; say what that is with {@link remember}. */
  remembered(shape: readonly number[]): Value {
    return this.emit("state", [], { shape, next: "" }, shape, { part: "state", type: "float" });
  }

  /** Says which value a remembered state becomes. */
  remember(state: Value, next: Value): void {
    if (state.node !== null) this.states.push({ state: state.node as Node<"state">, next });
  }

  identity(x: Value): Value {
    return this.emit("identity", [x], {}, x.shape, { copies: true }).withMask(x.mask);
  }

  /** e^x over its sum along axes, the maximum subtracted first. */
  softmax(x: Value, axes: readonly number[]): Value {
    return this.within("softmax", () => {
      const shifted = this.subtract(x, this.reduce("maximum", x, axes, true), "shifted");
      const powers = this.activation("exp", shifted);
      return this.divide(powers, this.reduce("sum", powers, axes, true));
    });
  }
}

/** `start … end − 1`. */
export function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, k) => start + k);
}

function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return range(0, rank).map((k) => {
    const x = a[a.length - rank + k] ?? 1;
    const y = b[b.length - rank + k] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new RangeError(`shapes [${a}] and [${b}] do not fit each other`);
    }
    return x === 1 ? y : x;
  });
}

function contractShape(equation: string, shapes: readonly (readonly number[])[]): number[] {
  const [left = "", result = ""] = equation.split("->");
  const sizes = new Map<string, number>();
  left.split(",").forEach((letters, k) => {
    const shape = shapes[k] ?? [];
    if (letters.length !== shape.length) {
      throw new RangeError(`"${letters}" of ${equation} does not fit [${shape}]`);
    }
    shape.forEach((size, axis) => {
      const letter = letters[axis] ?? "";
      const known = sizes.get(letter) ?? size;
      if (known !== size)
        throw new RangeError(`"${letter}" of ${equation} is ${known} and ${size}`);
      sizes.set(letter, size);
    });
  });
  return [...result].map((letter) => sizes.get(letter) ?? 1);
}
