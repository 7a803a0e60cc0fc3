import { InputError } from "../../errors.js";
import { quoted } from "./config.js";
import {
  type Dialect,
  isObject,
  type Json,
  type JsonObject,
  type LayerSpec,
  own,
} from "./config-types.js";
import type { ModelLayer } from "./model-builder.js";
import type { WeightRef } from "./ops.js";

/** A variable that a layer declared while it was built. */
export interface Variable extends WeightRef {
  /** As Keras calls it: `kernel`, `moving_variance`. */
  readonly role: string;
  readonly trainable: boolean;
}

/** Parts of a layer's configuration that say how it was made or trained, not what it computes. */
const IRRELEVANT =
  /_(initializer|regularizer|constraint)$|^(name|trainable|dtype|activity_regularizer|batch_input_shape|batch_shape|input_shape|input_dtype|implementation|quantization_config|lora_rank|lora_alpha|build_input_shape|registered_name)$/;

/**
 * A layer with its configuration and its variables. Calls of one layer share it.
 *
 * What the layer reads of its configuration is remembered: a key nobody asked for is one this reader
 * does not know, and refused, for it may change what the layer computes.
 */
export class Layer {
  readonly name: string;
  readonly className: string;
  readonly module: string | null;
  readonly dialect: Dialect;
  /** Name before its weights: `block/conv`. */
  readonly path: string;
  readonly trainable: boolean;
  readonly variables: Variable[] = [];
  /** Layers inside, by the name of the attribute under which Keras 3 stores their weights. */
  readonly children: Map<string, Layer> = new Map<string, Layer>();
  /** Set where the layer inside another is a whole model. */
  model: ModelLayer | undefined;
  readonly #config: JsonObject;
  readonly #source: string;
  readonly #known = new Set<string>();

  constructor(
    spec: Pick<LayerSpec, "name" | "className" | "module" | "config">,
    place: { readonly dialect: Dialect; readonly prefix: string; readonly source: string },
  ) {
    this.name = spec.name;
    this.className = spec.className;
    this.module = spec.module;
    this.dialect = place.dialect;
    this.path = `${place.prefix}${spec.name}`;
    this.trainable = own(spec.config, "trainable") !== false;
    this.#config = spec.config;
    this.#source = place.source;
  }

  /** What messages call the file. */
  get source(): string {
    return this.#source;
  }

  /** What messages call it. */
  get where(): string {
    return `${this.#source}: layer ${quoted(this.path)} (${this.className})`;
  }

  /** A variable; the same at every call. */
  weight(
    role: string,
    shape: readonly number[],
    options: { readonly trainable?: boolean } = {},
  ): WeightRef {
    const known = this.variables.find((variable) => variable.role === role);
    if (known !== undefined) {
      if (`${known.shape}` === `${shape}`) return known;
      throw this.refused("shape", `is used with ${role} of [${known.shape}] and of [${shape}]`);
    }
    const bad = shape.find((size) => !Number.isSafeInteger(size) || size < 0);
    if (bad !== undefined) throw this.refused("format", `needs ${role} of shape [${shape}]`);
    const variable = {
      role,
      shape,
      name: `${this.path}/${role}`,
      trainable: this.trainable && options.trainable !== false,
    };
    this.variables.push(variable);
    return variable;
  }

  /** A layer inside this one, whose weights Keras 3 stores under `key`. */
  child(key: string, spec: Pick<LayerSpec, "name" | "className" | "module" | "config">): Layer {
    const known = this.children.get(key);
    if (known !== undefined) return known;
    const frozen = this.trainable ? spec.config : { ...spec.config, trainable: false };
    const child = new Layer(
      { ...spec, config: frozen },
      { dialect: this.dialect, prefix: `${this.path}/`, source: this.#source },
    );
    this.children.set(key, child);
    return child;
  }

  /** A layer inside this one, from its serialized configuration. */
  childFrom(key: string, json: Json | undefined): Layer {
    if (!isObject(json)) throw this.refused("format", `has no layer ${key}`);
    const className = own(json, "class_name");
    const config = own(json, "config");
    if (typeof className !== "string" || !isObject(config)) {
      throw this.refused("format", `has a layer ${key} without class_name and config`);
    }
    const name = own(config, "name");
    const module = own(json, "module");
    return this.child(key, {
      name: typeof name === "string" ? name : className.toLowerCase(),
      className,
      module: typeof module === "string" ? module : null,
      config,
    });
  }

  /** Keys that change nothing here. */
  ignore(...keys: readonly string[]): void {
    for (const key of keys) this.#known.add(key);
  }

  /** All of the configuration, unread. */
  configuration(): JsonObject {
    return this.#config;
  }

  raw(key: string): Json | undefined {
    this.#known.add(key);
    return own(this.#config, key);
  }

  number(key: string, otherwise?: number): number {
    const value = this.raw(key) ?? otherwise;
    const number = isObject(value as Json) ? own(value as JsonObject, "value") : value;
    if (typeof number === "number" && Number.isFinite(number)) return number;
    throw this.#wrong(key, value, "a number");
  }

  /** A whole number of at least 1 (or `least`). */
  count(key: string, otherwise?: number, least = 1): number {
    const value = this.number(key, otherwise);
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw this.#wrong(key, value, `a whole number of at least ${least}`);
  }

  /** A number, or null when the file says null or nothing. */
  optionalNumber(key: string): number | null {
    const value = this.raw(key);
    return value === null || value === undefined ? null : this.number(key);
  }

  flag(key: string, otherwise = false): boolean {
    const value = this.raw(key) ?? otherwise;
    if (typeof value === "boolean") return value;
    if (value === 0 || value === 1) return value === 1;
    throw this.#wrong(key, value, "true or false");
  }

  choice<T extends string>(key: string, choices: readonly T[], otherwise?: T): T {
    const value = this.raw(key) ?? otherwise;
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    throw this.#wrong(key, value, `one of ${choices.join(", ")}`);
  }

  string(key: string, otherwise?: string): string {
    const value = this.raw(key) ?? otherwise;
    if (typeof value === "string") return value;
    throw this.#wrong(key, value, "a text");
  }

  /** A number for all axes, or a list with one an axis. */
  sizes(key: string, axes: number, otherwise?: number | readonly number[], least = 1): number[] {
    const value = this.raw(key) ?? otherwise;
    const list =
      typeof value === "number" ? new Array<number>(axes).fill(value) : this.#numbers(key, value);
    if (list.length === axes && list.every((size) => Number.isSafeInteger(size) && size >= least)) {
      return list;
    }
    throw this.#wrong(key, value, `${axes} whole numbers of at least ${least}`);
  }

  numbers(key: string, otherwise?: readonly number[]): number[] {
    return this.#numbers(key, this.raw(key) ?? otherwise);
  }

  /** One number or a list of numbers, as a list. */
  numberList(key: string, otherwise?: number | readonly number[]): number[] {
    const value = this.raw(key) ?? otherwise;
    return typeof value === "number" ? [value] : this.#numbers(key, value);
  }

  #numbers(key: string, value: unknown): number[] {
    if (isObject(value as Json)) {
      const inner = own(value as JsonObject, "config") ?? own(value as JsonObject, "items");
      const nested = isObject(inner as Json) ? own(inner as JsonObject, "value") : inner;
      if (Array.isArray(nested)) return this.#numbers(key, nested);
    }
    if (Array.isArray(value) && value.every((item) => typeof item === "number")) return [...value];
    throw this.#wrong(key, value, "numbers");
  }

  /** Whether channels come first. Keras resolves the default when it saves. */
  channelsFirst(): boolean {
    return (
      this.choice("data_format", ["channels_last", "channels_first"], "channels_last") ===
      "channels_first"
    );
  }

  /** An error that names the layer. */
  refused(
    code: "unsupported" | "format" | "shape" | "unsafe" | "corrupt",
    what: string,
  ): InputError {
    return new InputError(code, `${this.where} ${what}`);
  }

  /**
   * Refuses a configuration with keys that nobody read.
   *
   * @throws {InputError} `unsupported`
   */
  checkKeys(): void {
    const unknown = Object.keys(this.#config).filter(
      (key) => !this.#known.has(key) && !IRRELEVANT.test(key),
    );
    if (unknown.length > 0) {
      throw this.refused(
        "unsupported",
        `has ${unknown.map(quoted).join(", ")} in its configuration, which Keras' ${this.className} does not have; a layer of another version or a class of your own: rebuild the model with Keras' layers`,
      );
    }
  }

  #wrong(key: string, found: unknown, expected: string): InputError {
    const shown = JSON.stringify(found)?.slice(0, 80) ?? "nothing";
    return this.refused("format", `has ${key} ${shown}, expected ${expected}`);
  }
}
