/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object; keys come from a file and may be `constructor` or `__proto__`: read them with `own`. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Whether a value is an object, not a list. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A property the object itself has. */
export function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Which Keras gave the file its meaning: 2 (and before) or 3. */
export type Dialect = 2 | 3;

/** One tensor a layer made: which call of the layer, which of its results. */
export interface TensorRef {
  readonly layer: string;
  readonly call: number;
  readonly result: number;
}

/** What a layer is called with. */
export type Argument =
  | { readonly kind: "tensor"; readonly ref: TensorRef }
  | { readonly kind: "list"; readonly items: readonly Argument[] }
  | { readonly kind: "dict"; readonly entries: readonly (readonly [string, Argument])[] }
  | { readonly kind: "value"; readonly value: Json };

/** One use of a layer. */
export interface CallSpec {
  readonly args: readonly Argument[];
  readonly kwargs: ReadonlyMap<string, Argument>;
}

/** A layer as the file describes it, both dialects alike. */
export interface LayerSpec {
  readonly name: string;
  readonly className: string;
  /** Where the class comes from: `keras.layers`, `keras.src.ops.numpy`, `builtins`. */
  readonly module: string | null;
  readonly registeredName: string | null;
  readonly config: JsonObject;
  readonly calls: readonly CallSpec[];
  /** Set for models used as layers. */
  readonly model?: ModelSpec;
}

/** A model: its layers in the order of the file, which is the order of its weights. */
export interface ModelSpec {
  readonly name: string;
  readonly className: string;
  readonly dialect: Dialect;
  readonly trainable: boolean;
  readonly layers: readonly LayerSpec[];
  readonly inputs: readonly TensorRef[];
  readonly outputs: readonly TensorRef[];
  /** Whether Keras counts its `InputLayer`s among its layers (a Sequential does not). */
  readonly listsInputs: boolean;
}
