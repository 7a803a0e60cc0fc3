import type { AttributesByKind, OperationKind } from "../../../architecture/attributes.js";
import type { NodeProto } from "../schema.js";

/** What a run told of a value. */
export interface TracedValue {
  readonly shape: readonly number[];
  /** Element type, as ONNX Runtime calls it: `float32`, `int64`, `bool` … */
  readonly type: string;
}

/** What is known around a node. */
export interface NodeContext {
  /** A value of the run: an input of the model, or what a node made. */
  readonly value: (name: string) => TracedValue | undefined;
  /** Shape of a stored float32 tensor that is one of the model's weights. */
  readonly weight: (name: string) => readonly number[] | undefined;
  /** Shape of a stored tensor of any type that is one of the model's weights; they are widened to float32. */
  readonly widened: (name: string) => readonly number[] | undefined;
  /** Numbers that are the same whatever floats the model is given: sizes, axes, stored constants. */
  readonly numbers: (name: string) => readonly number[] | undefined;
  /** Version of the standard operator set. */
  readonly opset: number;
}

/** One step of what a node computes. The last one is the node's value, those before it are parts of it. */
export interface NodeOperation<K extends OperationKind = OperationKind> {
  readonly kind: K;
  /** Name within the value; absent for the last. */
  readonly part?: string;
  /** Names of values; `./part` is a part of the same value. */
  readonly inputs: readonly string[];
  readonly attributes: AttributesByKind[K];
  readonly weights?: Readonly<Record<string, string>>;
  readonly shape: readonly number[];
}

/** An input as an operation reads it, and what must be there before. */
export interface Operand {
  readonly name: string;
  readonly shape: readonly number[];
  readonly parts: readonly NodeOperation[];
}

/** A node whose operator is read: its attributes with their defaults, its inputs by position. */
export class NodeView {
  readonly node: NodeProto;
  /** Which of the node's outputs is asked for. */
  readonly which: number;
  readonly output: TracedValue;
  readonly #context: NodeContext;

  constructor(node: NodeProto, which: number, output: TracedValue, context: NodeContext) {
    this.node = node;
    this.which = which;
    this.output = output;
    this.#context = context;
  }

  /** Version of the standard operator set. */
  get opset(): number {
    return this.#context.opset;
  }

  /** Whether the node has an input at a position; optional ones may have an empty name. */
  has(position: number): boolean {
    return this.name(position) !== "";
  }

  /** Name of an input, empty where there is none. */
  name(position: number): string {
    return this.node.input?.[position] ?? "";
  }

  /** Number of inputs, empty ones at the end left out. */
  get arity(): number {
    return this.node.input?.length ?? 0;
  }

  /** A value of the run at a position; `undefined` for stored tensors. */
  value(position: number): TracedValue | undefined {
    return this.#context.value(this.name(position));
  }

  /** Shape of a weight at a position; `undefined` for anything else. */
  weight(position: number): readonly number[] | undefined {
    return this.#context.weight(this.name(position));
  }

  /** Numbers of an input that is a setting. */
  numbers(position: number): readonly number[] | undefined {
    return this.has(position) ? this.#context.numbers(this.name(position)) : undefined;
  }

  /** Shapes of what the node's other outputs turned out to be, in order. */
  siblings(): readonly (readonly number[])[] {
    return (this.node.output ?? []).map((name) => this.#context.value(name)?.shape ?? []);
  }

  /** An input as something that can be computed with; `undefined` where it is no float32 or unknown. */
  operand(position: number): Operand | undefined {
    return this.#operand(position, this.weight(position));
  }

  /** The same of quantized values too, as the whole numbers that they are stored as. */
  wholeOperand(position: number): Operand | undefined {
    return this.#operand(position, this.#context.widened(this.name(position)));
  }

  #operand(position: number, weight: readonly number[] | undefined): Operand | undefined {
    const name = this.name(position);
    const value = this.#context.value(name);
    if (value !== undefined) return { name, shape: value.shape, parts: [] };
    const part = `input_${position}`;
    if (weight !== undefined) {
      const attributes = { shape: weight };
      const stored: NodeOperation<"weight"> = {
        kind: "weight",
        part,
        inputs: [],
        attributes,
        weights: { value: name },
        shape: weight,
      };
      return { name: `./${part}`, shape: weight, parts: [stored] };
    }
    const values = this.has(position) ? this.#context.numbers(name) : undefined;
    if (values?.length !== 1) return undefined;
    const constant: NodeOperation<"fill"> = {
      kind: "fill",
      part,
      inputs: [],
      attributes: { shape: [], values },
      shape: [],
    };
    return { name: `./${part}`, shape: [], parts: [constant] };
  }

  /** The first `count` inputs, or `undefined` where one of them cannot be computed with. */
  operands(count: number): readonly Operand[] | undefined {
    const found = Array.from({ length: count }, (_, position) => this.operand(position));
    return found.every((one) => one !== undefined) ? (found as Operand[]) : undefined;
  }

  int(name: string, otherwise: number): number {
    const found = this.#attribute(name)?.i;
    return found === undefined || found === null ? otherwise : Number(found);
  }

  ints(name: string): readonly number[] | undefined {
    const found = this.#attribute(name)?.ints;
    return found === undefined || found === null || found.length === 0
      ? undefined
      : found.map(Number);
  }

  floats(name: string): readonly number[] | undefined {
    const found = this.#attribute(name)?.floats;
    return found === undefined || found === null || found.length === 0 ? undefined : found;
  }

  float(name: string, otherwise: number): number {
    return this.#attribute(name)?.f ?? otherwise;
  }

  text(name: string, otherwise: string): string {
    const found = this.#attribute(name)?.s;
    return found === undefined || found === null || found.length === 0
      ? otherwise
      : Buffer.from(found).toString();
  }

  texts(name: string): readonly string[] {
    return (this.#attribute(name)?.strings ?? []).map((text) => Buffer.from(text).toString());
  }

  /** Whether the file says something of an attribute. */
  tells(name: string): boolean {
    return this.#attribute(name) !== undefined;
  }

  /** An axis of a value of that rank, counted from its front. */
  axis(name: string, otherwise: number, rank: number): number {
    const axis = this.int(name, otherwise);
    return axis < 0 ? axis + rank : axis;
  }

  #attribute(name: string) {
    return (this.node.attribute ?? []).find((attribute) => attribute.name === name);
  }
}

/** Reads a node; `null` where what it does is not among the known kinds. */
export type NodeReader = (view: NodeView) => readonly NodeOperation[] | null;
