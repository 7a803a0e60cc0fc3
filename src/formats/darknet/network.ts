import type { Layer, Operation, OperationOf, WeightSpec } from "../../architecture/architecture.js";
import type { AttributesByKind, OperationKind } from "../../architecture/attributes.js";
import { InputError, type InputErrorCode } from "../../errors.js";
import { sizeOf } from "../../tensor/tensor.js";
import { type DarknetActivation, darknetActivation } from "./activation.js";
import type { DarknetDialect } from "./dialect.js";
import type { SectionReader } from "./section-reader.js";

/** A value of the network: an operation's output (or the input) and its shape, batch included. */
export interface Value {
  readonly id: string;
  readonly shape: readonly number[];
  /** A flat value that the library still counts as a map: its channels, height and width. */
  readonly map?: readonly [channels: number, height: number, width: number];
}

/** How a tensor lies in the .weights file. */
export interface DarknetRecord {
  /** Name in the weights. */
  readonly name: string;
  /** `stored`; `absent`: the file has no bytes for it (`dontload`, `dontloadscales`), the library keeps its start values. */
  readonly file: "stored" | "absent";
  /** `flipped`: the matrix is stored transposed; `dense`: only in files with major or minor above 1000. */
  readonly transposed: "never" | "flipped" | "dense";
}

/** A head: what decoding needs beside the operation's attributes. */
export interface DarknetHead {
  /** Id of the head's layer. */
  readonly id: string;
  readonly layer: number;
  readonly type: "yolo" | "region" | "gaussian-yolo" | "detection";
  readonly classes: number;
  /** Boxes of one cell in this head. */
  readonly boxes: number;
  /** All anchors of the section, pairs w, h: pixels of the network's input, for region cells. */
  readonly anchors: readonly number[];
  /** Which of the anchors this head owns. */
  readonly mask: readonly number[];
  /** Every other key of the section, as written (thresholds, loss and NMS settings). */
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * What a layer's cost is made of: `squared` Σ(t − x)²; `masked` the same without the places where t is −1234; `smooth`
 * |t − x|² up to 1 and 2|t − x| − 1 beyond; `absolute` Σ|t − x|; `cross-entropy` −log of the softmax's outputs where t is
 * not 0; `logistic` −t log p − (1 − t) log(1 − p); `own`: a head's, known by its recorded delta only.
 */
export type DarknetLossKind =
  | "squared"
  | "masked"
  | "smooth"
  | "absolute"
  | "cross-entropy"
  | "logistic"
  | "own";

/** A layer with a cost of its own. Its `delta` is the negative gradient at what the layer gets. */
export interface DarknetLoss {
  /** Id of the layer. */
  readonly id: string;
  readonly layer: number;
  readonly kind: DarknetLossKind;
  /** What the delta is multiplied with on its way back (the reported cost is not). */
  readonly scale: number;
}

/** Values and weights larger than this are refused: the library's counters are 32-bit integers. */
const MAX_ELEMENTS = 2 ** 31 - 1;

/** Collects the operations, layers and weights of one network while its sections are read in order. */
export class NetworkBuilder {
  readonly dialect: DarknetDialect;
  readonly batch: number;
  readonly input: Value;
  readonly operations: Operation[] = [];
  readonly layers: Layer[] = [];
  readonly weights: WeightSpec[] = [];
  readonly records: DarknetRecord[] = [];
  readonly heads: DarknetHead[] = [];
  readonly losses: DarknetLoss[] = [];
  /** Why the network's gradients are not those of its layers as they are read here: sentences. */
  readonly trainingObstacles: string[] = [];
  /** Output of each layer, by Darknet's index. */
  readonly outputs: Value[] = [];
  /** How a message about the current section begins. */
  place = "";
  #current: Value[] = [];
  #parameters = 0;

  constructor(dialect: DarknetDialect, input: Value) {
    this.dialect = dialect;
    this.input = input;
    this.batch = input.shape[0] ?? 1;
  }

  /** Index of the layer that is being read. */
  get index(): number {
    return this.outputs.length;
  }

  /** What the layer that is being read gets: the previous layer's output. */
  get previous(): Value {
    return this.outputs.at(-1) ?? this.input;
  }

  /** An error about the current section. */
  error(code: InputErrorCode, message: string): InputError {
    return new InputError(code, `${this.place} ${message}`);
  }

  /** Adds an operation of the current layer. */
  add<K extends OperationKind>(
    kind: K,
    id: string,
    inputs: readonly Value[],
    attributes: AttributesByKind[K],
    shape: readonly number[],
    weights: Readonly<Record<string, string>> = {},
  ): Value {
    if (shape.some((size) => !(size >= 1)) || sizeOf(shape) > MAX_ELEMENTS) {
      throw this.error(
        "shape",
        `output would be [${shape}], expected sizes of at least 1 and at most ${MAX_ELEMENTS} values`,
      );
    }
    const operation: OperationOf<K> = {
      id,
      kind,
      layer: this.index,
      inputs: inputs.map((value) => value.id),
      attributes,
      weights,
      shape,
    };
    this.operations.push(operation as Operation);
    this.#current.push({ id, shape });
    return { id, shape };
  }

  /** Adds a tensor of the .weights file, in the file's order, and returns its name. */
  weight(
    layer: string,
    role: string,
    shape: readonly number[],
    record: Partial<Omit<DarknetRecord, "name">> = {},
  ): string {
    const name = `${layer}/${role}`;
    this.#parameters += sizeOf(shape);
    if (this.#parameters > MAX_ELEMENTS) {
      throw this.error(
        "limit",
        `brings the network above ${MAX_ELEMENTS} parameters, which Darknet's counters cannot hold`,
      );
    }
    this.weights.push({ name, shape, role, layer: this.index });
    this.records.push({ name, file: "stored", transposed: "never", ...record });
    return name;
  }

  /** Notes that the layer being read has a cost. */
  addLoss(id: string, kind: DarknetLossKind, scale = 1): void {
    this.losses.push({ id, layer: this.index, kind, scale });
  }

  /** The operation that applies an `activation=` word, `id` being its name; the value itself for linear. */
  activate(id: string, value: Value, activation: DarknetActivation): Value {
    if (activation.kind === "none") return value;
    return activation.kind === "activation"
      ? this.add("activation", id, [value], activation.attributes, value.shape)
      : this.add("channel-normalize", id, [value], activation.attributes, value.shape);
  }

  /** Ends the current layer; the last operation must have the layer's id. `map`: see {@link Value}. */
  finish(id: string, kind: string, map?: Value["map"]): void {
    const output = this.#current.at(-1);
    if (output?.id !== id) throw new Error(`layer ${id} ends with ${output?.id}`);
    const operations = this.#current.map((value) => value.id);
    this.#current = [];
    this.layers.push({ id, index: this.index, kind, operations });
    this.outputs.push(map && output.shape.length === 2 ? { ...output, map } : output);
  }
}

/** Reads `activation=`; an unknown word is ReLU with a warning, as in both libraries. */
export function readActivation(
  section: SectionReader,
  dialect: DarknetDialect,
  fallback: string,
  key = "activation",
): DarknetActivation {
  const word = section.text(key) ?? fallback;
  const known = darknetActivation(word, dialect);
  if (known) return known;
  section.warn(`${key}=${word.slice(0, 40)} is not known to ${dialect}'s Darknet, which uses relu`);
  return { kind: "activation", attributes: { function: "relu", parameters: {} } };
}

/** Channels, height and width of a value as Darknet sees it: flat values are 1×1 maps. */
export function mapOf(value: Value): [channels: number, height: number, width: number] {
  const [, c = 1, h = 1, w = 1] = value.shape;
  return value.map ? [...value.map] : [c, h, w];
}

/** A flat value as a 1×1 map, for layers that read maps. */
export function asMap(network: NetworkBuilder, value: Value, id: string): Value {
  if (value.shape.length === 4) return value;
  const shape = mapOf(value);
  return network.add("reshape", id, [value], { shape }, [network.batch, ...shape]);
}

/** A value for a layer that hands its input's form on: a map where the library still sees one, else the value itself. */
export function asSeen(network: NetworkBuilder, value: Value, id: string): Value {
  return value.map ? asMap(network, value, id) : value;
}

/** A map as one row an image, for layers whose output the library keeps flat. */
export function asFlat(network: NetworkBuilder, value: Value, id: string): Value {
  if (value.shape.length === 2) return value;
  const size = sizeOf(value.shape.slice(1));
  return network.add("reshape", id, [value], { shape: [size] }, [network.batch, size]);
}
