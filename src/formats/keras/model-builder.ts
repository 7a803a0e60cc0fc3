import { InputError } from "../../errors.js";
import { isModelClass, quoted, readModelConfig, tensorsIn } from "./config.js";
import type { Argument, CallSpec, LayerSpec, ModelSpec, TensorRef } from "./config-types.js";
import { isObject, own } from "./config-types.js";
import { Layer } from "./layer.js";
import { type Call, type Given, type Result, tensorsOf } from "./layers/call.js";
import { definitionOf } from "./layers/registry.js";
import { Ops } from "./ops.js";
import { storeKeys } from "./store-keys.js";
import { type Node, Value } from "./value.js";

/** A layer's call as it will be told: an id, the original's word, and what it wrote. */
export interface BuiltLayer {
  readonly id: string;
  readonly kind: string;
  readonly nodes: readonly Node[];
}

/** A model with its layers (shared by all its calls). */
export class ModelLayer {
  readonly spec: ModelSpec;
  readonly layers: ReadonlyMap<
    string,
    { readonly spec: LayerSpec; readonly layer: Layer; readonly model?: ModelLayer }
  >;
  /** The layers in the order of the weights, by the name Keras 3 stores them under. */
  readonly stored: readonly { readonly key: string; readonly name: string }[];

  constructor(spec: ModelSpec, prefix: string, source: string) {
    this.spec = spec;
    const place = { dialect: spec.dialect, prefix, source };
    this.layers = new Map(
      spec.layers.map((layer) => {
        const instance = new Layer(layer, place);
        if (layer.model === undefined) return [layer.name, { spec: layer, layer: instance }];
        const model = new ModelLayer(layer.model, `${prefix}${layer.name}/`, source);
        return [layer.name, { spec: layer, layer: instance, model }];
      }),
    );
    this.stored = storeKeys(spec);
  }
}

/** Turns calls of layers into operations. */
export class ModelBuilder {
  readonly ops: Ops = new Ops();
  readonly built: BuiltLayer[] = [];
  readonly #source: string;
  readonly #ids = new Set<string>();

  constructor(source: string, inputs: Iterable<string>) {
    this.#source = source;
    for (const name of inputs) this.#ids.add(name);
  }

  /**
   * Writes a model for these inputs and returns its outputs.
   *
   * @param prefix - before the ids of its layers; null when the model is part of a layer that has the only id
   */
  run(model: ModelLayer, inputs: readonly Value[], prefix: string | null): Value[] {
    const { spec } = model;
    const values = new Map<string, readonly Value[]>();
    if (inputs.length !== spec.inputs.length) {
      throw new InputError(
        "format",
        `${this.#source}: model ${quoted(spec.name)} is called with ${inputs.length} tensors, expected ${spec.inputs.length}`,
      );
    }
    for (const [k, ref] of spec.inputs.entries()) {
      values.set(`${ref.layer}\n0`, [inputs[k] as Value]);
    }
    for (const { spec: layer, call, index } of this.#ordered(model, values)) {
      const entry = model.layers.get(layer.name);
      if (entry === undefined) continue;
      const several = layer.calls.length > 1 ? `#call${index}` : "";
      const id = prefix === null ? null : `${prefix}${layer.name}${several}`;
      values.set(`${layer.name}\n${index}`, this.#call(entry, call, values, model, id));
    }
    return spec.outputs.map((ref) => this.#value(ref, values, model));
  }

  /** The calls of a model, each after those whose results it needs. */
  #ordered(model: ModelLayer, given: ReadonlyMap<string, unknown>) {
    const { spec } = model;
    const calls = spec.layers
      .filter(({ className }) => className !== "InputLayer")
      .flatMap((layer) => layer.calls.map((call, index) => ({ spec: layer, call, index })));
    const known = new Set([
      ...given.keys(),
      ...calls.map(({ spec: { name }, index }) => `${name}\n${index}`),
    ]);
    const waiting = new Map<string, number[]>();
    const missing = calls.map(({ spec: layer, call }, k) => {
      const needed = new Set(refsOf(call).map((ref) => this.#known(ref, known, layer, model)));
      for (const key of [...needed]) {
        if (given.has(key)) needed.delete(key);
        else waiting.set(key, [...(waiting.get(key) ?? []), k]);
      }
      return needed.size;
    });
    const ready = new ReadyCalls(missing);
    const ordered: typeof calls = [];
    for (let k = ready.next(); k !== undefined; k = ready.next()) {
      const call = calls[k] as (typeof calls)[number];
      ordered.push(call);
      for (const other of waiting.get(`${call.spec.name}\n${call.index}`) ?? [])
        ready.arrived(other);
    }
    if (ordered.length < calls.length) {
      const stuck = calls.find((call) => !ordered.includes(call))?.spec.name ?? "";
      throw new InputError(
        "format",
        `${this.#source}: layer ${quoted(stuck)} needs its own result: the layers form a loop, expected none`,
      );
    }
    return ordered;
  }

  #known(ref: TensorRef, known: ReadonlySet<string>, layer: LayerSpec, model: ModelLayer): string {
    const key = `${ref.layer}\n${ref.call}`;
    if (known.has(key)) return key;
    const exists = model.layers.has(ref.layer);
    throw new InputError(
      "format",
      `${this.#source}: layer ${quoted(layer.name)} reads ${exists ? `call ${ref.call} of ` : ""}layer ${quoted(ref.layer)}, which the model does not have`,
    );
  }

  #call(
    entry: { readonly spec: LayerSpec; readonly layer: Layer; readonly model?: ModelLayer },
    call: CallSpec,
    values: ReadonlyMap<string, readonly Value[]>,
    model: ModelLayer,
    id: string | null,
  ): readonly Value[] {
    const resolve = (argument: Argument): Given => {
      switch (argument.kind) {
        case "tensor":
          return this.#value(argument.ref, values, model);
        case "list":
          return argument.items.map(resolve);
        case "dict":
          return Object.fromEntries(argument.entries.map(([key, item]) => [key, resolve(item)]));
        case "value":
          return argument.value as Given;
      }
    };
    const args = call.args.map(resolve);
    const kwargs = new Map([...call.kwargs].map(([key, item]) => [key, resolve(item)]));
    const from = this.ops.nodes.length;
    if (entry.model !== undefined) {
      const inner = id === null ? null : `${id}/`;
      const outputs = this.run(entry.model, modelInputs(entry.model, args), inner);
      return id === null
        ? outputs
        : this.#finish(id, entry.spec.className, outputs, this.ops.nodes.length);
    }
    const result = this.#runLayer(entry.layer, entry.spec.registeredName, args, kwargs);
    const results = result instanceof Value ? [result] : result;
    return id === null ? results : this.#finish(id, entry.spec.className, results, from);
  }

  #runLayer(
    layer: Layer,
    registeredName: string | null,
    args: readonly Given[],
    kwargs: ReadonlyMap<string, Given>,
  ): Result {
    const definition = definitionOf(layer, registeredName);
    const outer = this.ops.precision;
    this.ops.precision = precisionOf(layer, outer);
    const cast = (given: Given): Given => {
      if (given instanceof Value) return this.ops.rounded(given);
      return Array.isArray(given) ? given.map(cast) : given;
    };
    const call: Call = {
      layer,
      ops: this.ops,
      args: args.map(cast),
      kwargs,
      run: (child, childArgs, childKwargs = new Map()) =>
        this.ops.within(child.name, () => this.#runChild(child, childArgs, childKwargs)),
    };
    try {
      const result = definition.call(call);
      layer.checkKeys();
      return definition.masks === "keep"
        ? withMask(result, tensorsOf(args[0])[0]?.mask ?? null)
        : result;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw layer.refused("shape", `does not fit what it reads: ${error.message}`);
    } finally {
      this.ops.precision = outer;
    }
  }

  #runChild(layer: Layer, args: readonly Given[], kwargs: ReadonlyMap<string, Given>): Result {
    if (isModelClass(layer.className)) {
      const json = { class_name: layer.className, config: layer.configuration() };
      layer.model ??= new ModelLayer(
        readModelConfig(json, layer.dialect, layer.source),
        `${layer.path}/`,
        layer.source,
      );
      const outputs = this.run(layer.model, modelInputs(layer.model, args), null);
      return outputs.length === 1 ? (outputs[0] as Value) : outputs;
    }
    return this.#runLayer(layer, null, args, kwargs);
  }

  #value(ref: TensorRef, values: ReadonlyMap<string, readonly Value[]>, model: ModelLayer): Value {
    const results = values.get(`${ref.layer}\n${ref.call}`);
    const value = results?.[ref.result];
    if (value !== undefined) return value;
    const place = `result ${ref.result} of call ${ref.call} of layer ${quoted(ref.layer)}`;
    throw new InputError(
      "format",
      `${this.#source}: model ${quoted(model.spec.name)} needs ${place}, which there is not`,
    );
  }

  /** Names what a layer wrote since `from`: its results are the taps. */
  #finish(id: string, kind: string, results: readonly Value[], from: number): readonly Value[] {
    const own = new Set(this.ops.nodes.slice(from));
    const taken = new Set<Node>();
    const finished = results.map((value) => {
      const { node } = value;
      if (node !== null && own.has(node) && !taken.has(node)) {
        taken.add(node);
        return value;
      }
      const copy = this.ops.identity(value);
      if (copy.node !== null) taken.add(copy.node);
      return copy;
    });
    finished.forEach(({ node }, k) => {
      if (node !== null) node.id = this.#unique(results.length === 1 ? id : `${id}#out${k}`);
    });
    const nodes = this.ops.nodes.slice(from).filter((node) => node.id === null || taken.has(node));
    for (const node of nodes) node.id ??= this.#unique(`${id}/${node.part}`);
    this.built.push({ id, kind, nodes });
    return finished;
  }

  #unique(wanted: string): string {
    let id = wanted;
    for (let k = 1; this.#ids.has(id); k++) id = `${wanted}_${k}`;
    this.#ids.add(id);
    return id;
  }
}

/** Calls whose inputs are there, in the order of the file. */
class ReadyCalls {
  readonly #missing: number[];
  readonly #ready: number[];

  constructor(missing: readonly number[]) {
    this.#missing = [...missing];
    this.#ready = this.#missing.flatMap((count, k) => (count === 0 ? [k] : []));
  }

  next(): number | undefined {
    return this.#ready.shift();
  }

  arrived(k: number): void {
    const left = (this.#missing[k] ?? 0) - 1;
    this.#missing[k] = left;
    if (left === 0) this.#ready.push(k);
  }
}

function refsOf(call: CallSpec): TensorRef[] {
  return [...call.args, ...call.kwargs.values()].flatMap(tensorsIn);
}

/** Tensors for a model's inputs: a list in their order, or a dict by their names. */
function modelInputs(model: ModelLayer, args: readonly Given[]): Value[] {
  const [first] = args;
  if (
    typeof first === "object" &&
    first !== null &&
    !Array.isArray(first) &&
    !(first instanceof Value)
  ) {
    const byName = first as Readonly<Record<string, Given>>;
    const named = model.spec.inputs.map(({ layer }) => byName[layer]);
    if (named.every((value) => value instanceof Value)) return named as Value[];
  }
  return args
    .flatMap(tensorsOf)
    .slice(0, Math.max(model.spec.inputs.length, tensorsOf(first).length));
}

function withMask(result: Result, mask: Value | null): Result {
  return result instanceof Value
    ? result.withMask(mask)
    : result.map((value) => value.withMask(mask));
}

/** Type a layer computes in, by its dtype or policy. */
function precisionOf(layer: Layer, outer: string): string {
  const dtype = layer.raw("dtype");
  const config = isObject(dtype) ? own(dtype, "config") : undefined;
  const name = isObject(config) ? own(config, "name") : dtype;
  switch (name) {
    case "float16":
    case "mixed_float16":
      return "float16";
    case "bfloat16":
    case "mixed_bfloat16":
      return "bfloat16";
    case undefined:
    case null:
      return outer;
    case "float32":
    case "float64":
    case "int32":
    case "int64":
    case "uint8":
    case "bool":
    case "string":
      return "float32";
    default:
      throw layer.refused(
        "unsupported",
        `computes in ${JSON.stringify(name)}; only float16, bfloat16, float32 and float64 are read: save the model in one of them`,
      );
  }
}
