import { InputError } from "../../errors.js";
import {
  type Argument,
  type CallSpec,
  type Dialect,
  isObject,
  type Json,
  type JsonObject,
  type LayerSpec,
  type ModelSpec,
  own,
  type TensorRef,
} from "./config-types.js";

/** Names under which the dialects store models. */
const MODEL_CLASSES = new Set(["Functional", "Model", "Sequential"]);
/** Whether a class is a whole model used as a layer. */
export function isModelClass(className: string): boolean {
  return MODEL_CLASSES.has(className);
}

/** Models in models; the deepest published one has three levels. Only stops a hostile file. */
const MAX_NESTING = 50;
/** Layers of one model; the largest of keras.applications has 1,041. */
const MAX_LAYERS = 20_000;

/**
 * A model's configuration, of Keras 2 or 3, as one list of layers with all calls spelled out.
 *
 * @param source - what messages call the file
 * @throws {InputError} `format` where the configuration is not one of a Keras model
 */
export function readModelConfig(config: Json, dialect: Dialect, source: string): ModelSpec {
  return new ConfigReading(dialect, source).model(config, 0);
}

/** The dialect that a configuration is written in, seen by its form. */
export function dialectOfConfig(config: Json): Dialect {
  const text = JSON.stringify(config);
  if (/"module": ?"tf_keras/.test(text) || /"batch_input_shape"/.test(text)) return 2;
  if (/"keras_history"|"DTypePolicy"|"batch_shape"/.test(text)) return 3;
  return 2;
}

class ConfigReading {
  readonly #dialect: Dialect;
  readonly #source: string;

  constructor(dialect: Dialect, source: string) {
    this.#dialect = dialect;
    this.#source = source;
  }

  model(json: Json, depth: number): ModelSpec {
    if (!isObject(json))
      throw this.#wrong("the model", json, "an object with class_name and config");
    const className = own(json, "class_name");
    const config = own(json, "config");
    if (depth > MAX_NESTING) throw this.#wrong("models nested", depth, `at most ${MAX_NESTING}`);
    if (typeof className !== "string") throw this.#wrong("class_name", className, "a name");
    if (!MODEL_CLASSES.has(className)) {
      throw new InputError(
        "unsupported",
        `${this.#source}: the model is a ${quoted(className)}, expected Functional or Sequential; a subclassed model keeps its code elsewhere: export it as ONNX, or rebuild it with the functional API`,
      );
    }
    if (className === "Sequential") return this.#sequential(className, config, depth);
    if (!isObject(config)) throw this.#wrong("config", config, "an object");
    return this.#functional(className, config, depth);
  }

  #functional(className: string, config: JsonObject, depth: number): ModelSpec {
    const layers = this.#layers(own(config, "layers"), depth);
    const offsets = new Map(layers.map((layer) => [layer.name, this.#callOffset(layer)]));
    const refs = (key: string) =>
      tensorsIn(this.#argument(own(config, key) ?? null, this.#source, key)).map((ref) =>
        this.#endOf(shifted(ref, offsets), layers),
      );
    return {
      name: this.#name(config, className),
      className,
      dialect: this.#dialect,
      trainable: own(config, "trainable") !== false,
      layers: layers.map((layer) => ({
        ...layer,
        calls: layer.calls.map((call) => shiftedCall(call, offsets)),
      })),
      inputs: refs("input_layers"),
      outputs: refs("output_layers"),
      listsInputs: true,
    };
  }

  /** Keras 3 counts a nested functional model's making as its first call too, but only in the model's inputs and outputs. */
  #endOf(ref: TensorRef, layers: readonly LayerSpec[]): TensorRef {
    if (this.#dialect !== 3) return ref;
    const layer = layers.find(({ name }) => name === ref.layer);
    if (layer?.model === undefined || layer.className === "Sequential") return ref;
    const call = ref.call - 1;
    return { ...ref, call: call < 0 ? layer.calls.length - 1 : call };
  }

  #sequential(className: string, config: Json | undefined, depth: number): ModelSpec {
    // Keras before 2.2.3 wrote the list of layers itself.
    const list = Array.isArray(config)
      ? config
      : isObject(config)
        ? own(config, "layers")
        : undefined;
    const layers = this.#layers(list, depth);
    const name = isObject(config) ? this.#name(config, className) : "sequential";
    const first = layers[0];
    if (first === undefined) throw this.#wrong(`${name}: layers`, list, "at least one layer");
    const input = first.className === "InputLayer" ? first : this.#impliedInput(first, config);
    const chain = first === input ? layers.slice(1) : layers;
    let previous: TensorRef = { layer: input.name, call: 0, result: 0 };
    const called = chain.map((layer) => {
      const call: CallSpec = { args: [{ kind: "tensor", ref: previous }], kwargs: new Map() };
      previous = { layer: layer.name, call: 0, result: 0 };
      return { ...layer, calls: [call] };
    });
    return {
      name,
      className,
      dialect: this.#dialect,
      trainable: !(isObject(config) && own(config, "trainable") === false),
      layers: [input, ...called],
      inputs: [{ layer: input.name, call: 0, result: 0 }],
      outputs: [previous],
      listsInputs: false,
    };
  }

  /** A Sequential without an InputLayer: its shape stands in the first layer or in the model. */
  #impliedInput(first: LayerSpec, config: Json | undefined): LayerSpec {
    const shape =
      own(first.config, "batch_input_shape") ??
      own(first.config, "batch_shape") ??
      (isObject(config) ? own(config, "build_input_shape") : undefined) ??
      null;
    return {
      name: `${first.name}_input`,
      className: "InputLayer",
      module: null,
      registeredName: null,
      config: { batch_shape: shape, dtype: own(first.config, "input_dtype") ?? "float32" },
      calls: [],
    };
  }

  #layers(list: Json | undefined, depth: number): LayerSpec[] {
    if (!Array.isArray(list)) throw this.#wrong("layers", list, "a list");
    if (list.length > MAX_LAYERS) throw this.#wrong("layers", list.length, `at most ${MAX_LAYERS}`);
    const layers = list.map((layer: Json) => this.#layer(layer, depth));
    const names = new Set<string>();
    for (const { name } of layers) {
      if (names.has(name)) {
        throw new InputError(
          "format",
          `${this.#source}: two layers are named ${quoted(name)}, expected different names; which weights belong to which is not said`,
        );
      }
      names.add(name);
    }
    return layers;
  }

  #layer(json: Json, depth: number): LayerSpec {
    if (!isObject(json)) throw this.#wrong("a layer", json, "an object");
    const className = own(json, "class_name");
    const config = own(json, "config");
    if (typeof className !== "string") throw this.#wrong("class_name", className, "a name");
    const given = own(json, "name") ?? (isObject(config) ? own(config, "name") : undefined);
    const isModel = MODEL_CLASSES.has(className);
    if (!isObject(config) && !isModel)
      throw this.#wrong(`${className}: config`, config, "an object");
    const name = typeof given === "string" ? given : className.toLowerCase();
    const model = isModel ? this.model(json, depth + 1) : undefined;
    return {
      name: model !== undefined && typeof given !== "string" ? model.name : name,
      className,
      module: text(own(json, "module")),
      registeredName: text(own(json, "registered_name")),
      config: isObject(config) ? config : {},
      calls: this.#calls(own(json, "inbound_nodes"), name),
      ...(model === undefined ? {} : { model }),
    };
  }

  #calls(nodes: Json | undefined, layer: string): CallSpec[] {
    if (nodes === undefined || nodes === null) return [];
    if (!Array.isArray(nodes))
      throw this.#wrong(`${quoted(layer)}: inbound_nodes`, nodes, "a list");
    return nodes.map((node: Json) =>
      isObject(node) && own(node, "args") !== undefined
        ? this.#call3(node, layer)
        : this.#call2(node, layer),
    );
  }

  /** Keras 3: `{ args, kwargs }` with tensors as `__keras_tensor__`. */
  #call3(node: JsonObject, layer: string): CallSpec {
    const args = own(node, "args");
    const kwargs = own(node, "kwargs") ?? {};
    if (!Array.isArray(args) || !isObject(kwargs)) {
      throw this.#wrong(`${quoted(layer)}: inbound_nodes`, node, "args and kwargs");
    }
    return {
      args: args.map((arg: Json) => this.#argument(arg, layer, "args")),
      kwargs: new Map(
        Object.entries(kwargs).map(([key, value]) => [key, this.#argument(value, layer, key)]),
      ),
    };
  }

  /** Keras 2: a tensor, or a list or dict of tensors, each `[layer, call, result, kwargs]`. */
  #call2(node: Json, layer: string): CallSpec {
    const kwargs = new Map<string, Argument>();
    const read = (json: Json): Argument => {
      if (isTensor2(json)) {
        const extra = json[3];
        if (isObject(extra)) {
          for (const [key, value] of Object.entries(extra)) {
            kwargs.set(key, this.#argument(value, layer, key));
          }
        }
        return this.#argument(json.slice(0, 3), layer, "inbound_nodes");
      }
      if (Array.isArray(json)) return { kind: "list", items: json.map((item: Json) => read(item)) };
      if (isObject(json)) {
        return {
          kind: "dict",
          entries: Object.entries(json).map(([key, item]) => [key, read(item)] as const),
        };
      }
      return { kind: "value", value: json };
    };
    const argument = read(node);
    const single = argument.kind === "list" && argument.items.length === 1;
    return { args: [single ? (argument.items[0] as Argument) : argument], kwargs };
  }

  #argument(json: Json, layer: string, key: string): Argument {
    if (isObject(json)) {
      if (own(json, "class_name") === "__keras_tensor__") return this.#tensor3(json, layer);
      if (own(json, "class_name") === "__tensor__" || own(json, "class_name") === "__numpy__") {
        const value = own(json, "config");
        return { kind: "value", value: isObject(value) ? (own(value, "value") ?? null) : null };
      }
      return {
        kind: "dict",
        entries: Object.entries(json).map(
          ([name, item]) => [name, this.#argument(item, layer, key)] as const,
        ),
      };
    }
    if (!Array.isArray(json)) return { kind: "value", value: json };
    if (json[0] === "_CONSTANT_VALUE") return { kind: "value", value: json[2] ?? null };
    if (isTensor2(json)) {
      const [name, call, result] = json;
      return { kind: "tensor", ref: { layer: name, call, result } };
    }
    return { kind: "list", items: json.map((item: Json) => this.#argument(item, layer, key)) };
  }

  #tensor3(json: JsonObject, layer: string): Argument {
    const config = own(json, "config");
    const history = isObject(config) ? own(config, "keras_history") : undefined;
    if (!Array.isArray(history) || !isTensor2(history)) {
      throw this.#wrong(`${quoted(layer)}: keras_history`, history, "[layer, call, result]");
    }
    const [name, call, result] = history;
    return { kind: "tensor", ref: { layer: name, call, result } };
  }

  /**
   * Keras 2 counts a nested model's making as its first call when it has inputs of its own, and leaves
   * that call out of the file: the file's numbers then begin at 1.
   */
  #callOffset(layer: LayerSpec): number {
    if (this.#dialect !== 2 || layer.model === undefined) return 0;
    const first = layer.model.layers[0];
    const ownInput = first?.className === "InputLayer" && own(first.config, "batch_shape") !== null;
    return ownInput ? 1 : 0;
  }

  #name(config: JsonObject, className: string): string {
    const name = own(config, "name");
    return typeof name === "string" ? name : className.toLowerCase();
  }

  #wrong(what: string, found: unknown, expected: string): InputError {
    const shown = JSON.stringify(found)?.slice(0, 80) ?? "nothing";
    return new InputError("format", `${this.#source}: ${what} ${shown}, expected ${expected}`);
  }
}

/** A name from a file, safe to print. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}

function text(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function isTensor2(json: Json): json is readonly [string, number, number, ...Json[]] {
  return (
    Array.isArray(json) &&
    json.length >= 3 &&
    json.length <= 4 &&
    typeof json[0] === "string" &&
    json[0] !== "_CONSTANT_VALUE" &&
    Number.isInteger(json[1]) &&
    Number.isInteger(json[2])
  );
}

/** All tensors of an argument, in order. */
export function tensorsIn(argument: Argument): TensorRef[] {
  switch (argument.kind) {
    case "tensor":
      return [argument.ref];
    case "list":
      return argument.items.flatMap(tensorsIn);
    case "dict":
      return argument.entries.flatMap(([, item]) => tensorsIn(item));
    case "value":
      return [];
  }
}

function shifted(ref: TensorRef, offsets: ReadonlyMap<string, number>): TensorRef {
  const offset = offsets.get(ref.layer) ?? 0;
  return offset === 0 ? ref : { ...ref, call: Math.max(0, ref.call - offset) };
}

function shiftedCall(call: CallSpec, offsets: ReadonlyMap<string, number>): CallSpec {
  const move = (argument: Argument): Argument => {
    switch (argument.kind) {
      case "tensor":
        return { kind: "tensor", ref: shifted(argument.ref, offsets) };
      case "list":
        return { kind: "list", items: argument.items.map(move) };
      case "dict":
        return {
          kind: "dict",
          entries: argument.entries.map(([key, item]) => [key, move(item)] as const),
        };
      case "value":
        return argument;
    }
  };
  return {
    args: call.args.map(move),
    kwargs: new Map([...call.kwargs].map(([key, value]) => [key, move(value)])),
  };
}
