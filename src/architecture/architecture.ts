import type { DenseLayout, KernelLayout, Layout } from "../tensor/layout.js";
import type { AttributesByKind, OperationKind } from "./attributes.js";

/** One operation: a node of the graph, whose output can be tapped. */
export interface OperationOf<K extends OperationKind> {
  /** Unique; the tap id. The last operation of a layer has the layer's id (`conv_0`), those before it `conv_0/conv`, `conv_0/norm`. */
  readonly id: string;
  readonly kind: K;
  /** Index of the layer it belongs to, in the original's own numbering. */
  readonly layer: number;
  /** Ids of the operations (or of the architecture's inputs) it reads, in order. */
  readonly inputs: readonly string[];
  readonly attributes: AttributesByKind[K];
  /** Role (`kernel`, `bias`, `scale` …) → name in the weights (`conv_0/kernel`). */
  readonly weights: Readonly<Record<string, string>>;
  /** Shape of the output, batch included: in {@link Architecture.layout}, or [batch, n]. */
  readonly shape: readonly number[];
}

/** Any operation, told apart by `kind`. */
export type Operation = { [K in OperationKind]: OperationOf<K> }[OperationKind];

/** One layer as the original's author wrote it: one or several operations. */
export interface Layer {
  /** Id of its output, e.g. `conv_0`: short kind and index. */
  readonly id: string;
  readonly index: number;
  /** The original's own word: `convolutional`, `shortcut`, `yolo`. */
  readonly kind: string;
  /** Ids of its operations in order; the last is the layer's output. */
  readonly operations: readonly string[];
}

/** Part of an operation that holds what becomes of its negative inputs: of a ReLU whose slopes are weights. */
export const NEGATIVE_SIDE: string = "negative_side";

/** What comes out of a layer: the operation of its name, or one for each of several results. */
export function resultsOf({ id, operations }: Layer): readonly string[] {
  return operations.includes(id) ? [id] : operations.filter((one) => one.startsWith(`${id}#out`));
}

/**
 * Whether an operation reads a result of its own layer. A layer of several results computes them together: whoever
 * taps them cannot go on with one of them while computing another.
 */
export function readsOwnResult(reader: Operation, read: Operation | undefined): boolean {
  return read !== undefined && read.layer === reader.layer && /#out\d+$/.test(read.id);
}

/** One named tensor of the original's weights, and where its values lie. */
export interface WeightSpec {
  /** `conv_0/kernel`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** What it is: decides how it is synthesized and checked (a variance may not be negative). */
  readonly role: string;
  /** Layer it belongs to. */
  readonly layer: number;
  /** Order of a kernel's axes; default `oihw` and `oi`. Absent too where a tensor's axes have no such names. */
  readonly layout?: KernelLayout | DenseLayout;
}

/** What the numbers of an input mean; all are carried as float32. */
export type InputType = "float" | "int" | "bool";

/** A tensor that a model is given. */
export interface ArchitectureInput {
  readonly name: string;
  /** Batch included, in {@link Architecture.layout}. */
  readonly shape: readonly number[];
  /** Default `float`. */
  readonly type?: InputType;
  /** Order of the axes of this input where it is not {@link Architecture.layout}. */
  readonly layout?: Layout;
}

/** What the original's files describe, nothing implicit. */
export interface Architecture {
  /** File or model name, for reports. */
  readonly name: string;
  /** In the original's order. */
  readonly inputs: readonly ArchitectureInput[];
  /** Order of the axes of rank-4 values; default `nchw`. Values of other ranks have none. */
  readonly layout?: Layout;
  readonly layers: readonly Layer[];
  /** In topological order. */
  readonly operations: readonly Operation[];
  /** Ids of the operations whose values are the model's result. */
  readonly outputs: readonly string[];
  /** In the order of the file. */
  readonly weights: readonly WeightSpec[];
}
