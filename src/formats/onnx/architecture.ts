import type {
  Architecture,
  ArchitectureInput,
  Layer,
  Operation,
  WeightSpec,
} from "../../architecture/architecture.js";
import { sizeOf } from "../../tensor/tensor.js";
import { capturedBy } from "./captured.js";
import type { OnnxModel } from "./model-reader.js";
import { isExact, isQuantizing, nodeOperations } from "./nodes/node-operations.js";
import {
  type NodeContext,
  type NodeOperation,
  NodeView,
  type TracedValue,
} from "./nodes/node-view.js";
import { constant } from "./nodes/pointwise.js";
import type { NodeProto } from "./schema.js";
import { weightsFromOnnx } from "./weights.js";

/** What a run of a model told. */
export interface OnnxTrace {
  /** Values of nodes and inputs by name. */
  readonly values: ReadonlyMap<string, TracedValue>;
  /** Numbers of a value of the run or of a stored tensor; only asked for few. */
  readonly numbers: (name: string) => readonly number[] | undefined;
}

/** Most numbers of a tensor that are looked at: axes, sizes, single constants, small tables. */
const MAX_NUMBERS = 65_536;

/**
 * An ONNX model as operations, one value a tap, named as in the file. A node whose arithmetic is known
 * gets its kinds; any other is `opaque`, and only a run of the model knows its values.
 *
 * @param trace - of a run with the shapes that the model is to have
 */
export function architectureFromOnnx(
  model: OnnxModel,
  inputs: readonly ArchitectureInput[],
  trace: OnnxTrace,
): Architecture {
  return new OnnxReading(model, inputs, trace).architecture();
}

class OnnxReading {
  readonly #model: OnnxModel;
  readonly #inputs: readonly ArchitectureInput[];
  readonly #trace: OnnxTrace;
  readonly #weights: readonly WeightSpec[];
  readonly #context: NodeContext;
  /** Values that come from stored tensors alone, and those of them that come from weights. */
  readonly #fixed = new Set<string>();
  readonly #stored: Set<string>;
  readonly #operations: Operation[] = [];
  readonly #parts = new Set<string>();

  constructor(model: OnnxModel, inputs: readonly ArchitectureInput[], trace: OnnxTrace) {
    this.#model = model;
    this.#inputs = inputs;
    this.#trace = trace;
    this.#weights = weightsFromOnnx(model);
    this.#stored = new Set(this.#weights.map(({ name }) => name));
    const shapes = new Map(this.#weights.map(({ name, shape }) => [name, shape]));
    const types = new Map(model.weights.tensors.map(({ name, dtype }) => [name, dtype]));
    this.#context = {
      value: (name) => trace.values.get(name),
      weight: (name) => (types.get(name) === "float32" ? shapes.get(name) : undefined),
      widened: (name) => shapes.get(name),
      numbers: (name) => this.#numbers(name),
      opset: model.opsets.get("") ?? 1,
    };
  }

  architecture(): Architecture {
    for (const [layer, node] of (this.#model.proto.graph?.node ?? []).entries()) {
      this.#read(node, layer);
    }
    const ids = new Set(this.#operations.map(({ id }) => id));
    const outputs = this.#model.outputs.map(({ name }) => name).filter((name) => ids.has(name));
    return {
      name: this.#model.name,
      inputs: this.#inputs,
      layout: "nchw",
      layers: this.#layers(outputs),
      operations: this.#operations,
      outputs,
      weights: this.#weights,
    };
  }

  #read(node: NodeProto, layer: number): void {
    const inputs = [...(node.input ?? []).filter((name) => name !== ""), ...capturedBy(node)];
    const isValue = (name: string) => this.#trace.values.has(name);
    const fixed = inputs.every((name) => this.#fixed.has(name) || !isValue(name));
    const stored = inputs.some((name) => this.#stored.has(name));
    (node.output ?? []).forEach((name, which) => {
      const output = this.#trace.values.get(name);
      if (name === "" || output === undefined) return;
      if (fixed) this.#fixed.add(name);
      if (fixed && stored) this.#stored.add(name);
      const view = new NodeView(node, which, output, this.#context);
      const known = fixed && !stored ? this.#constant(view, name) : null;
      const steps =
        known ?? this.#known(view, inputs) ?? this.#opaque(view, fixed ? [] : inputs, fixed);
      for (const step of steps) this.#add(step, name, layer);
    });
  }

  /** A value that is the same at every run and no weight: its numbers, where they are few. */
  #constant(view: NodeView, name: string): readonly NodeOperation[] | null {
    const { shape } = view.output;
    const values = sizeOf(shape) > MAX_NUMBERS ? undefined : this.#trace.numbers(name);
    return values === undefined || values.length === 0 ? null : constant(view, values);
  }

  /** Half precision and, but for the operators made for them, quantized values are another arithmetic than the known kinds have. */
  #known(view: NodeView, inputs: readonly string[]): readonly NodeOperation[] | null {
    const types = [view.output.type, ...inputs.map((name) => this.#trace.values.get(name)?.type)];
    const isOther = (type: string | undefined) =>
      type !== undefined && NARROW.has(type) && !(isQuantizing(view) && /^u?int8$/.test(type));
    return types.some(isOther) ? null : nodeOperations(view);
  }

  #opaque(view: NodeView, inputs: readonly string[], fixed: boolean): readonly NodeOperation[] {
    const { shape } = view.output;
    const weights = (view.node.input ?? []).filter((one) => this.#stored.has(one));
    return [
      {
        kind: "opaque",
        inputs: inputs.filter((one) => this.#trace.values.has(one)),
        attributes: { operator: operatorOf(view.node), shape, exact: fixed || isExact(view) },
        weights: Object.fromEntries(
          weights
            .filter((one) => !this.#trace.values.has(one))
            .map((one, k) => [`input_${k}`, one]),
        ),
        shape,
      },
    ];
  }

  /** A float that depends on the model's inputs is no setting; whole numbers are sizes and positions. */
  #numbers(name: string): readonly number[] | undefined {
    const value = this.#trace.values.get(name);
    if (value !== undefined && sizeOf(value.shape) > MAX_NUMBERS) return undefined;
    const varies = value?.type.startsWith("float") === true && !this.#fixed.has(name);
    return varies ? undefined : this.#trace.numbers(name);
  }

  /** An operation with its ids: `./part` among the inputs is a part of the same value. */
  #add(step: NodeOperation, value: string, layer: number): void {
    const id = step.part === undefined ? value : `${value}/${step.part}`;
    if (step.part !== undefined) this.#parts.add(id);
    this.#operations.push({
      id,
      kind: step.kind,
      layer,
      inputs: step.inputs.map((name) =>
        name.startsWith("./") ? `${value}/${name.slice(2)}` : name,
      ),
      attributes: step.attributes,
      weights: step.weights ?? {},
      shape: step.shape,
    } as unknown as Operation);
  }

  /**
   * Layers are the values that the model's outputs are computed from. Others (masks nobody reads, sizes
   * on their way into a Reshape) can be tapped too, and nobody asks for them.
   */
  #layers(outputs: readonly string[]): Layer[] {
    const needed = new Set(outputs);
    const parts = new Map<string, string[]>();
    for (const { id, inputs } of this.#operations.toReversed()) {
      if (needed.has(id)) for (const input of inputs) needed.add(input);
    }
    for (const { id } of this.#operations) {
      if (!this.#parts.has(id)) continue;
      const whole = id.slice(0, id.lastIndexOf("/"));
      parts.set(whole, [...(parts.get(whole) ?? []), id]);
    }
    return this.#operations
      .filter(({ id, kind }) => needed.has(id) && !this.#parts.has(id) && kind !== "fill")
      .map(({ id, layer }) => ({
        id,
        index: layer,
        kind: operatorOf(this.#model.proto.graph?.node?.[layer] ?? {}),
        operations: [...(parts.get(id) ?? []), id],
      }));
  }
}

const NARROW: ReadonlySet<string> = new Set([
  "bfloat16",
  "float16",
  "float64",
  "int8",
  "uint8",
  "int16",
  "uint16",
]);

function operatorOf({ domain = "", op_type = "" }: NodeProto): string {
  return domain === "" || domain === "ai.onnx" ? op_type : `${domain}.${op_type}`;
}
