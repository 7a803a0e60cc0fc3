import { InputError } from "../../errors.js";
import type { Hdf5Content, Hdf5Layer, Hdf5Weight } from "./hdf5-protocol.js";
import type { DatasetInfo, Hdf5Session } from "./hdf5-session.js";

/** Most links looked at in one file; NASNetLarge has about 10,000. Only stops a broken file. */
const MAX_LINKS = 200_000;
/** Deepest group of Keras 3's weights: three levels a nested model, so about 20 models in each other. */
const MAX_DEPTH = 64;
/** Deflate packs at most 1032 to 1: a file that claims more was not written by compression. */
const MAX_RATIO = 1100;
/** Below this many values the ratio does not matter. */
const SMALL_VALUES = 2 ** 24;

/** A dataset found, its values not yet read. */
interface Found {
  readonly name: string;
  readonly path: string;
  readonly info: DatasetInfo;
}

/**
 * Everything a Keras HDF5 file says: its text attributes, and the weights in the order of its own
 * attributes `layer_names` and `weight_names` (links come in alphabetical order and say nothing).
 *
 * @throws {InputError} naming file, layer and what is missing
 */
export function readKerasContent(session: Hdf5Session): Hdf5Content {
  const attributes: Record<string, string> = {};
  for (const name of session.attributeNames("/")) {
    const text = session.text("/", name);
    if (text !== undefined) attributes[name] = text;
  }
  const wholeModel = session.kindOf("/model_weights") === "group";
  const root = wholeModel ? "/model_weights" : "/";
  const layerNames = chunkedTexts(session, root, "layer_names");
  if (layerNames === undefined) {
    const empty = session.kindOf("/layers") !== "group" && session.kindOf("/vars") !== "group";
    return empty ? noWeights(attributes) : readStore(session, attributes);
  }
  return readLayers(session, root, layerNames, attributes, wholeModel);
}

function noWeights(attributes: Record<string, string>): Hdf5Content {
  const values = new SharedArrayBuffer(0);
  return {
    layout: "none",
    attributes,
    wholeModel: false,
    layers: [],
    store: [],
    storeNames: {},
    values,
  };
}

function readLayers(
  session: Hdf5Session,
  root: string,
  layerNames: readonly string[],
  attributes: Record<string, string>,
  wholeModel: boolean,
): Hdf5Content {
  const prefix = root === "/" ? "" : root;
  const found = layerNames.map((layer) => {
    const group = `${prefix}/${layer}`;
    if (session.kindOf(group) !== "group") {
      throw new InputError(
        "corrupt",
        `${session.name}: layer "${layer}" of layer_names has no group`,
      );
    }
    const names = chunkedTexts(session, group, "weight_names") ?? [];
    return { layer, weights: names.map((name) => findWeight(session, group, layer, name)) };
  });
  const all = found.flatMap(({ weights }) => weights);
  const { values, weights } = readValues(session, all);
  let next = 0;
  const layers: Hdf5Layer[] = found.map(({ layer, weights: own }) => {
    const from = next;
    next += own.length;
    return { name: layer, weights: weights.slice(from, next) };
  });
  return { layout: "layers", attributes, wholeModel, layers, store: [], storeNames: {}, values };
}

function findWeight(session: Hdf5Session, group: string, layer: string, name: string): Found {
  const path = `${group}/${name}`;
  if (session.kindOf(path) !== "dataset") {
    throw new InputError(
      "corrupt",
      `${session.name}: weight "${name}" of layer "${layer}" is named in weight_names but not stored`,
    );
  }
  return { name, path, info: session.dataset(path) };
}

function readStore(session: Hdf5Session, attributes: Record<string, string>): Hdf5Content {
  const walk = new StoreWalk(session);
  walk.group("", 0);
  const { values, weights } = readValues(session, walk.found);
  return {
    layout: "store",
    attributes,
    wholeModel: false,
    layers: [],
    store: weights,
    storeNames: walk.names,
    values,
  };
}

/** Collects the datasets below a group. */
class StoreWalk {
  readonly found: Found[] = [];
  readonly names: Record<string, string> = {};
  #links = 0;
  readonly #session: Hdf5Session;

  constructor(session: Hdf5Session) {
    this.#session = session;
  }

  group(path: string, depth: number): void {
    const { name: source } = this.#session;
    if (depth > MAX_DEPTH) {
      throw new InputError("limit", `${source}: groups nested deeper than ${MAX_DEPTH} at ${path}`);
    }
    if (path.endsWith("/vars")) this.#takeName(path);
    for (const key of this.#session.keys(`/${path}`)) {
      this.#links += 1;
      if (this.#links > MAX_LINKS) {
        throw new InputError(
          "limit",
          `${source}: more than ${MAX_LINKS} links; a cycle of groups?`,
        );
      }
      const child = path === "" ? key : `${path}/${key}`;
      if (!isForeign(child)) this.#child(child, depth);
    }
  }

  #child(path: string, depth: number): void {
    const kind = this.#session.kindOf(`/${path}`);
    if (kind === "group") this.group(path, depth + 1);
    else if (kind === "dataset") {
      this.found.push({ name: path, path: `/${path}`, info: this.#session.dataset(`/${path}`) });
    }
  }

  #takeName(path: string): void {
    const name = this.#session.text(`/${path}`, "name");
    if (name !== undefined) this.names[path] = name;
  }
}

/** Parts of Keras 3's file that hold no weights of the model: the optimizer's slots, metrics, seeds. */
function isForeign(path: string): boolean {
  return (
    /^(optimizer|metrics|_?loss_tracker|seed_generators?)(\/|$)/.test(path) ||
    /(^|\/)seed_generators?(\/|$)/.test(path)
  );
}

function readValues(
  session: Hdf5Session,
  found: readonly Found[],
): { values: SharedArrayBuffer; weights: Hdf5Weight[] } {
  let total = 0;
  const weights = found.map(({ name, info }) => {
    const offset = total;
    total += info.count;
    return { name, shape: info.shape, dtype: info.dtype, offset };
  });
  if (
    !Number.isSafeInteger(total) ||
    total > Math.max(SMALL_VALUES, session.byteLength * MAX_RATIO)
  ) {
    throw new InputError(
      "limit",
      `${session.name}: claims ${total} weights, more than a file of ${session.byteLength} bytes can hold`,
    );
  }
  const values = new SharedArrayBuffer(total * 4);
  for (const [k, { path, info }] of found.entries()) {
    session.read(path, info, new Float32Array(values, (weights[k]?.offset ?? 0) * 4, info.count));
  }
  return { values, weights };
}

/**
 * A list of strings that Keras splits when it passes HDF5's 64512 bytes an attribute: `layer_names`,
 * or `layer_names0`, `layer_names1` …
 */
function chunkedTexts(session: Hdf5Session, path: string, attribute: string): string[] | undefined {
  const whole = session.texts(path, attribute);
  if (whole !== undefined) return whole;
  const names = new Set(session.attributeNames(path));
  const parts: string[] = [];
  let k = 0;
  for (; names.has(`${attribute}${k}`); k++) {
    parts.push(...(session.texts(path, `${attribute}${k}`) ?? []));
  }
  return k === 0 ? undefined : parts;
}
