import type { AttributesByKind, OperationKind } from "../../architecture/attributes.js";

/** What a value's numbers mean; all are carried as float32. */
export type ValueType = "float" | "int" | "bool";

/** A tensor on its way through the model being read: an input, or the result of an operation to come. */
export class Value {
  readonly shape: readonly number[];
  readonly type: ValueType;
  /** Type the numbers were last rounded to, `float32` when they were not. */
  readonly precision: string;
  /** Which steps in time count, as Keras passes it along with the tensor: [batch, time…] of 0 and 1. */
  readonly mask: Value | null;
  /** What made it; null for inputs of the model. */
  readonly node: Node | null;
  readonly inputName: string | null;

  constructor(fields: {
    readonly shape: readonly number[];
    readonly type: ValueType;
    readonly precision?: string;
    readonly mask?: Value | null;
    readonly node: Node | null;
    readonly inputName?: string;
  }) {
    this.shape = fields.shape;
    this.type = fields.type;
    this.precision = fields.precision ?? "float32";
    this.mask = fields.mask ?? null;
    this.node = fields.node;
    this.inputName = fields.inputName ?? null;
  }

  /** The same tensor with another mask. */
  withMask(mask: Value | null): Value {
    return mask === this.mask ? this : new Value({ ...this.#fields(), mask });
  }

  /** The same tensor with its numbers taken for another type. */
  as(type: ValueType): Value {
    return type === this.type ? this : new Value({ ...this.#fields(), type });
  }

  get rank(): number {
    return this.shape.length;
  }

  /** Size of an axis; negative axes count from the end. */
  size(axis: number): number {
    return this.shape.at(axis) ?? 1;
  }

  #fields() {
    const { shape, type, precision, mask, node, inputName } = this;
    return { shape, type, precision, mask, node, ...(inputName === null ? {} : { inputName }) };
  }
}

/** An operation whose id is not decided yet: the last of a layer gets the layer's. */
export interface Node<K extends OperationKind = OperationKind> {
  readonly kind: K;
  readonly inputs: readonly Value[];
  readonly attributes: AttributesByKind[K];
  readonly weights: Readonly<Record<string, string>>;
  readonly shape: readonly number[];
  /** What it is called within its layer: `conv`, `time_3/gates`. */
  readonly part: string;
  id: string | null;
}
