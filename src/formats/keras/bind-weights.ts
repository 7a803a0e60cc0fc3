import type { WeightSpec } from "../../architecture/architecture.js";
import { InputError } from "../../errors.js";
import type { WeightEntry } from "../../weights/weight-store.js";
import { quoted } from "./config.js";
import { convertCudnn } from "./cudnn.js";
import type { Hdf5Content, Hdf5Layer, Hdf5Weight } from "./hdf5-protocol.js";
import type { Layer, Variable } from "./layer.js";
import type { ModelLayer } from "./model-builder.js";

/** How a weights-only file is matched to a model. */
export interface BindOptions {
  /** By the names of the layers instead of their order (Keras' `by_name=True`). */
  readonly byName?: boolean;
}

/** Roles in the words that all formats share. */
const ROLES: Readonly<Record<string, string>> = {
  gamma: "scale",
  beta: "bias",
  moving_mean: "mean",
  moving_variance: "variance",
};

/**
 * Finds each variable of a model in the file, and checks that the file holds nothing else.
 *
 * @throws {InputError} naming the layer: a weight missing, one too many, or of another shape
 */
export function bindWeights(
  model: ModelLayer,
  content: Hdf5Content,
  source: string,
  options: BindOptions = {},
): WeightEntry[] {
  const found = bindBy(model, content, source, options);
  const indices = new Map([...model.layers.keys()].map((name, index) => [name, index]));
  return found.map(({ variable, weight, top }) => ({
    ...specOf(variable, indices.get(top) ?? 0),
    offset: weight.offset * 4,
    storage: "plain",
  }));
}

function bindBy(
  model: ModelLayer,
  content: Hdf5Content,
  source: string,
  options: BindOptions,
): Bound[] {
  if (content.layout === "store") return bindStore(model, content, source);
  if (content.layout === "list") return bindList(model, content, source);
  return bindLayers(model, content, source, options);
}

/** Values in the order of the variables, layer by layer as they were made. */
function bindList(model: ModelLayer, { store }: Hdf5Content, source: string): Bound[] {
  const wanted = listPlaces(model);
  if (wanted.length !== store.length) {
    throw new InputError(
      "shape",
      `${source}: ${store.length} weights are given, the model has ${wanted.length}`,
    );
  }
  return wanted.map(({ variable, top }, k) => {
    const weight = store[k] as Hdf5Weight;
    checkShape(variable, weight, source);
    return { variable, weight, top };
  });
}

function listPlaces(model: ModelLayer, top?: string): Omit<Bound, "weight">[] {
  return [...model.layers.entries()].flatMap(([name, entry]) =>
    entry.model === undefined
      ? variablesOf(entry.layer).map((variable) => ({ variable, top: top ?? name }))
      : listPlaces(entry.model, top ?? name),
  );
}

/** Names and shapes of a model's variables, layer by layer as they were made: the order of Keras 3's `model.weights`. */
export function variablesInOrder(model: ModelLayer): readonly Variable[] {
  return listPlaces(model).map(({ variable }) => variable);
}

function specOf(variable: Variable, layer: number): WeightSpec {
  return {
    name: variable.name,
    shape: variable.shape,
    role: ROLES[variable.role] ?? variable.role,
    layer,
  };
}

interface Bound {
  readonly variable: Variable;
  readonly weight: Hdf5Weight;
  /** Layer of the outermost model. */
  readonly top: string;
}

/** All variables of a layer, its own before those of the layers inside. */
function variablesOf(layer: Layer): Variable[] {
  const inner = layer.model === undefined ? [] : modelVariables(layer.model);
  return [...layer.variables, ...[...layer.children.values()].flatMap(variablesOf), ...inner];
}

/** In the order that Keras 2 writes: what is trained, then what is not; of a frozen model layer by layer. */
function inFileOrder(entry: Entry): Variable[] {
  const all = entry.model === undefined ? variablesOf(entry.layer) : modelVariables(entry.model);
  return [
    ...all.filter(({ trainable }) => trainable),
    ...all.filter(({ trainable }) => !trainable),
  ];
}

type Entry = NonNullable<ReturnType<ModelLayer["layers"]["get"]>>;

/** Layer by layer; within a layer trained variables first. */
function modelVariables(model: ModelLayer): Variable[] {
  return [...model.layers.values()].flatMap(inFileOrder);
}

function bindLayers(
  model: ModelLayer,
  content: Hdf5Content,
  source: string,
  { byName = false }: BindOptions,
): Bound[] {
  const wanted = [...model.layers.entries()]
    .map(([name, entry]) => ({ name, variables: inFileOrder(entry) }))
    .filter(({ variables }) => variables.length > 0);
  const stored = content.layers.filter(({ weights }) => weights.length > 0);
  const pairs =
    byName || content.wholeModel
      ? pairByName(wanted, stored, source)
      : pairByOrder(wanted, stored, source);
  return pairs.flatMap(({ name, variables, layer }) => {
    const weights = convertCudnn(layer.weights, variables, content.values);
    if (weights.length !== variables.length) {
      throw new InputError(
        "shape",
        `${source}: layer ${quoted(name)} has ${weights.length} weights in the file, expected ${variables.length}: ${variables.map(({ role }) => role).join(", ")}`,
      );
    }
    return variables.map((variable, k) => {
      const weight = weights[k] as Hdf5Weight;
      checkShape(variable, weight, source);
      return { variable, weight, top: name };
    });
  });
}

interface Wanted {
  readonly name: string;
  readonly variables: readonly Variable[];
}

type Pair = Wanted & { readonly layer: Hdf5Layer };

function pairByName(
  wanted: readonly Wanted[],
  stored: readonly Hdf5Layer[],
  source: string,
): Pair[] {
  const layers = new Map(stored.map((layer) => [layer.name, layer]));
  const known = new Set(wanted.map(({ name }) => name));
  const surplus = stored.filter(({ name }) => !known.has(name));
  if (surplus.length > 0) {
    const names = surplus.map(({ name }) => quoted(name)).join(", ");
    throw new InputError(
      "name",
      `${source}: holds weights of ${names}, which the model does not have`,
    );
  }
  return wanted.map((want) => {
    const layer = layers.get(want.name);
    if (layer !== undefined) return { ...want, layer };
    throw new InputError("name", `${source}: has no weights of layer ${quoted(want.name)}`);
  });
}

/** As Keras does without `by_name`: the layers that have weights, in order, whatever their names. */
function pairByOrder(
  wanted: readonly Wanted[],
  stored: readonly Hdf5Layer[],
  source: string,
): Pair[] {
  if (wanted.length !== stored.length) {
    throw new InputError(
      "shape",
      `${source}: holds ${stored.length} layers with weights, the model has ${wanted.length}`,
    );
  }
  const names = new Set(stored.map(({ name }) => name));
  const sameNames = wanted.every(({ name }) => names.has(name));
  const moved = wanted.find(({ name }, k) => stored[k]?.name !== name);
  if (sameNames && moved !== undefined) {
    throw new InputError(
      "name",
      `${source}: layer ${quoted(moved.name)} stands at another place in the file than in the model, though both have the same names; load it by name`,
    );
  }
  return wanted.map((want, k) => ({ ...want, layer: stored[k] as Hdf5Layer }));
}

function checkShape(variable: Variable, weight: Hdf5Weight, source: string): void {
  if (`${weight.shape}` === `${variable.shape}`) return;
  throw new InputError(
    "shape",
    `${source}: ${weight.name} has shape [${weight.shape}], expected [${variable.shape}] for ${quoted(variable.name)}`,
  );
}

function bindStore(model: ModelLayer, content: Hdf5Content, source: string): Bound[] {
  const weights = new Map(content.store.map((weight) => [normalPath(weight.name), weight]));
  const unused = new Set(weights.keys());
  const bound = storePlaces(model).map(({ path, variable, top }) => {
    const weight = weights.get(path);
    if (weight === undefined) {
      throw new InputError(
        "corrupt",
        `${source}: has no ${path}, expected ${quoted(variable.name)} of shape [${variable.shape}]`,
      );
    }
    unused.delete(path);
    checkShape(variable, weight, source);
    return { variable, weight, top };
  });
  if (unused.size > 0) {
    throw new InputError(
      "corrupt",
      `${source}: holds ${[...unused].slice(0, 5).join(", ")}, which the model does not have`,
    );
  }
  return bound;
}

/** Keras 2.12 to 2.15 stored the first `.keras` files with other words and leading underscores. */
function normalPath(path: string): string {
  return path
    .split("/")
    .map((part) => (part === "_layer_checkpoint_dependencies" ? "layers" : part.replace(/^_+/, "")))
    .join("/");
}

interface Place {
  readonly path: string;
  readonly variable: Variable;
  readonly top: string;
}

/** Where Keras 3 stores each variable: `layers/dense_1/vars/0`. */
function storePlaces(model: ModelLayer, prefix = "", top?: string): Place[] {
  return model.stored.flatMap(({ key, name }) => {
    const entry = model.layers.get(name);
    if (entry === undefined) return [];
    const path = `${prefix}layers/${key}`;
    const outer = top ?? name;
    return entry.model === undefined
      ? layerPlaces(entry.layer, path, outer)
      : storePlaces(entry.model, `${path}/`, outer);
  });
}

function layerPlaces(layer: Layer, path: string, top: string): Place[] {
  const own = layer.variables.map((variable, k) => ({ path: `${path}/vars/${k}`, variable, top }));
  const inner = [...layer.children].flatMap(([key, child]) =>
    layerPlaces(child, `${path}/${key}`, top),
  );
  const model = layer.model === undefined ? [] : storePlaces(layer.model, `${path}/`, top);
  return [...own, ...inner, ...model];
}
