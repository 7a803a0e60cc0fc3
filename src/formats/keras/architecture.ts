import type {
  Architecture,
  Layer as ArchitectureLayer,
  Operation,
} from "../../architecture/architecture.js";
import { InputError } from "../../errors.js";
import type { WeightStoreDescription } from "../../weights/weight-store.js";
import { type BindOptions, bindWeights, variablesInOrder } from "./bind-weights.js";
import { quoted } from "./config.js";
import { isObject, type Json, type LayerSpec, own } from "./config-types.js";
import type { KerasModel } from "./keras-file.js";
import { ModelBuilder, ModelLayer } from "./model-builder.js";
import type { Node } from "./value.js";
import { Value, type ValueType } from "./value.js";

/** Sizes that a Keras model leaves open. */
export interface KerasOptions extends BindOptions {
  /** Size of the batch where the model does not say; default 1. */
  readonly batch?: number;
  /** Whole shapes of inputs by name, batch included: for models with other open sizes. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
}

/** A Keras model ready to be lowered. */
export interface KerasArchitecture {
  readonly architecture: Architecture;
  /** What the numbers of each input are. */
  readonly inputTypes: Readonly<Record<string, ValueType>>;
  readonly weights: WeightStoreDescription;
}

/**
 * The architecture of a Keras model: every layer as operations in the order in which it computes,
 * values in Keras' own layout.
 *
 * @throws {InputError} `unsafe` for code in the file, `unsupported` for what cannot be run, else what does not fit
 */
export function architectureFromKeras(
  file: KerasModel,
  options: KerasOptions = {},
): KerasArchitecture {
  const { model: spec, name } = file;
  const model = new ModelLayer(spec, "", name);
  const inputs = spec.inputs.map((ref) => inputValue(model, ref.layer, name, options));
  const builder = new ModelBuilder(
    name,
    inputs.map((input) => input.inputName ?? ""),
  );
  const outputs = builder.run(model, inputs, "");
  const next = new Map<Node, string>(
    builder.ops.states.map(({ state, next: value }) => [state as unknown as Node, idOf(value)]),
  );
  const content =
    typeof file.content === "function" ? file.content(variablesInOrder(model)) : file.content;
  const entries = bindWeights(model, content, name, options);
  const operations = builder.built.flatMap(({ nodes }, layer) =>
    nodes.map((node) => operationOf(node, layer, next)),
  );
  const layers: ArchitectureLayer[] = builder.built.map(({ id, kind, nodes }, index) => ({
    id,
    index,
    kind,
    operations: nodes.map((node) => node.id ?? ""),
  }));
  return {
    architecture: {
      name,
      inputs: inputs.map(({ inputName, shape, type }) => ({ name: inputName ?? "", shape, type })),
      layers,
      operations,
      outputs: outputs.map(idOf),
      weights: entries.map(({ name: weight, shape, role, layer }) => ({
        name: weight,
        shape,
        role,
        layer,
      })),
    },
    inputTypes: Object.fromEntries(inputs.map(({ inputName, type }) => [inputName ?? "", type])),
    weights: { source: { kind: "memory", bytes: content.values }, entries },
  };
}

function operationOf(node: Node, layer: number, next: ReadonlyMap<Node, string>): Operation {
  const { kind, inputs, weights, shape, id } = node;
  const state = next.get(node);
  const attributes = state === undefined ? node.attributes : { ...node.attributes, next: state };
  return {
    id: id ?? "",
    kind,
    layer,
    inputs: inputs.map(idOf),
    attributes,
    weights,
    shape,
  } as unknown as Operation;
}

function idOf(value: Value): string {
  return value.node?.id ?? value.inputName ?? "";
}

function inputValue(
  model: ModelLayer,
  layer: string,
  source: string,
  options: KerasOptions,
): Value {
  const spec = model.layers.get(layer)?.spec;
  if (spec === undefined) {
    throw new InputError(
      "format",
      `${source}: the model's input ${quoted(layer)} is not among its layers`,
    );
  }
  const type = typeOfInput(own(spec.config, "dtype"), spec, source);
  return new Value({
    shape: inputShape(spec, source, options),
    type,
    node: null,
    inputName: layer,
  });
}

function inputShape(
  spec: LayerSpec,
  source: string,
  { batch = 1, shapes }: KerasOptions,
): readonly number[] {
  const given =
    shapes !== undefined && Object.hasOwn(shapes, spec.name) ? shapes[spec.name] : undefined;
  const declared = own(spec.config, "batch_shape") ?? own(spec.config, "batch_input_shape") ?? null;
  if (declared === null || !Array.isArray(declared)) {
    if (given !== undefined) return given;
    throw new InputError(
      "shape",
      `${source}: the model does not say the shape of its input ${quoted(spec.name)}; give it by name`,
    );
  }
  if (given !== undefined) {
    const fits =
      given.length === declared.length &&
      declared.every((size: Json, axis: number) => size === null || size === given[axis]);
    if (fits) return given;
    throw new InputError(
      "shape",
      `${source}: input ${quoted(spec.name)} is given [${given}], expected [${declared.map((size: Json) => size ?? "any").join(", ")}]`,
    );
  }
  return declared.map((size: Json, axis: number) => {
    if (typeof size === "number" && Number.isSafeInteger(size) && size >= 0) return size;
    if (size === null && axis === 0) return batch;
    if (size === null) {
      throw new InputError(
        "shape",
        `${source}: axis ${axis} of input ${quoted(spec.name)} is open ([${declared.map((s: Json) => s ?? "any").join(", ")}]); give its shape`,
      );
    }
    throw new InputError(
      "format",
      `${source}: input ${quoted(spec.name)} has shape ${JSON.stringify(declared)}`,
    );
  });
}

function typeOfInput(dtype: Json | undefined, spec: LayerSpec, source: string): ValueType {
  if (own(spec.config, "sparse") === true || own(spec.config, "ragged") === true) {
    throw new InputError(
      "unsupported",
      `${source}: input ${quoted(spec.name)} is sparse or ragged, which is not read; give the model dense inputs`,
    );
  }
  const name = isObject(dtype) ? "float32" : dtype;
  if (name === "bool") return "bool";
  if (typeof name === "string" && /^u?int\d+$/.test(name)) return "int";
  if (name === "string") {
    throw new InputError(
      "unsupported",
      `${source}: input ${quoted(spec.name)} is text, which is not read; start the model behind its text layers`,
    );
  }
  return "float";
}
