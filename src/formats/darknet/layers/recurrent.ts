import { sizeOf } from "../../../tensor/tensor.js";
import type { DarknetActivation } from "../activation.js";
import { darknetActivation } from "../activation.js";
import { asMap, mapOf, type NetworkBuilder, readActivation, type Value } from "../network.js";
import type { SectionReader } from "../section-reader.js";
import { type ConnectedSpec, type ConnectedWeights, connectedWeights, dense } from "./connected.js";
import {
  type ConvolutionSpec,
  type ConvolutionWeights,
  convolution,
  convolutionWeights,
  readPadding,
} from "./convolutional.js";

const LINEAR: DarknetActivation = { kind: "none" };
const LOGISTIC: DarknetActivation = {
  kind: "activation",
  attributes: { function: "logistic", parameters: {} },
};
const TANH: DarknetActivation = {
  kind: "activation",
  attributes: { function: "tanh", parameters: {} },
};

/** What a recurrent layer remembers from the call before: zero at first. */
function remembered(
  network: NetworkBuilder,
  id: string,
  next: string,
  shape: readonly number[],
): Value {
  return network.add("state", id, [], { shape, next }, shape);
}

function merge(
  network: NetworkBuilder,
  id: string,
  mode: "add" | "multiply" | "subtract",
  inputs: readonly Value[],
): Value {
  return network.add("merge", id, inputs, { mode }, (inputs[0] as Value).shape);
}

/** Sum of two or three values, then an activation; the activation is named `id`. */
function gate(
  network: NetworkBuilder,
  id: string,
  inputs: readonly Value[],
  activation: DarknetActivation,
): Value {
  return network.activate(id, merge(network, `${id}/sum`, "add", inputs), activation);
}

/**
 * `[rnn]`: state ← input layer(x) + self layer(state) (+ state with `shortcut`), output = output
 * layer(state). pjreddie's has no `hidden`: the state is as wide as the output.
 */
export function rnn(network: NetworkBuilder, section: SectionReader, id: string): void {
  const modern = network.dialect === "alexeyab";
  const units = section.int("output", 1, 1);
  const hidden = modern ? section.int("hidden", 1, 1) : units;
  const activation = readActivation(section, network.dialect, "logistic");
  const batchNormalize = section.int("batch_normalize", 0) !== 0;
  const self = modern ? selfActivation(section.int("logistic", 0), activation) : activation;
  const input = network.previous;
  const state = remembered(network, `${id}/state`, `${id}/next`, [network.batch, hidden]);
  const spec = { units: hidden, batchNormalize, activation };
  const fromInput = dense(network, `${id}/input`, input, spec);
  const fromSelf = dense(network, `${id}/self`, state, { ...spec, activation: self });
  const next = nextState(network, section, id, [fromInput, fromSelf], state);
  const last = { units, batchNormalize, activation };
  dense(network, id, next, last, connectedWeights(network, `${id}/output`, hidden, last));
}

function selfActivation(logistic: number, activation: DarknetActivation): DarknetActivation {
  if (logistic === 1) return LOGISTIC;
  return logistic === 2 ? (darknetActivation("loggy", "alexeyab") ?? activation) : activation;
}

function nextState(
  network: NetworkBuilder,
  section: SectionReader,
  id: string,
  parts: readonly Value[],
  state: Value,
): Value {
  const kept = section.int("shortcut", 0) !== 0 ? [state] : [];
  return merge(network, `${id}/next`, "add", [...parts, ...kept]);
}

/** `[crnn]`: as {@link rnn}, with convolutions. pjreddie's are always 3×3 with padding 1, and its keys are others. */
export function crnn(network: NetworkBuilder, section: SectionReader, id: string): void {
  const modern = network.dialect === "alexeyab";
  const filters = section.int(modern ? "output" : "output_filters", 1, 1);
  const hidden = section.int(modern ? "hidden" : "hidden_filters", 1, 1);
  const seen = asMap(network, network.previous, `${id}/map`);
  const input = modern ? seen : exchanged(network, seen, `${id}/exchanged`);
  const spec = {
    ...(modern ? readKernel(section) : PJREDDIE_KERNEL),
    batchNormalize: section.int("batch_normalize", 0) !== 0,
    activation: readActivation(section, network.dialect, "logistic"),
  };
  const [, height, width] = mapOf(input);
  const shape = [network.batch, hidden, height, width];
  const state = remembered(network, `${id}/state`, `${id}/next`, shape);
  const fromInput = convolution(network, `${id}/input`, input, { ...spec, filters: hidden });
  const fromSelf = convolution(network, `${id}/self`, state, { ...spec, filters: hidden });
  requireSameMap(section, fromInput, state);
  const next = nextState(network, section, id, [fromInput, fromSelf], state);
  const last = { ...spec, filters };
  const weights = convolutionWeights(network, `${id}/output`, hidden, last);
  convolution(network, id, next, last, weights);
}

/** pjreddie's parser hands width and height over in the wrong order: the same memory is read as a map of the other form. */
function exchanged(network: NetworkBuilder, value: Value, id: string): Value {
  const [channels, height, width] = mapOf(value);
  if (height === width) return value;
  const shape = [channels, width, height];
  return network.add("reshape", id, [value], { shape }, [network.batch, ...shape]);
}

type Kernel = Omit<ConvolutionSpec, "filters" | "batchNormalize" | "activation">;

const PJREDDIE_KERNEL: Kernel = { size: 3, strides: [1, 1], padding: 1, dilation: 1, groups: 1 };

function readKernel(section: SectionReader): Kernel {
  const size = section.int("size", 3, 1, 4096);
  const stride = section.int("stride", 1, 1);
  if (section.int("xnor", 0) !== 0) throw section.error("unsupported", "xnor=1");
  return {
    size,
    strides: [stride, stride],
    padding: readPadding(section, size),
    dilation: section.int("dilation", 1, 1, 4096),
    groups: section.int("groups", 1, 1),
  };
}

function requireSameMap(section: SectionReader, made: Value, state: Value): void {
  if (`${made.shape}` === `${state.shape}`) return;
  throw section.error(
    "shape",
    `makes [${made.shape}] where its state is [${state.shape}]; the convolutions must keep the size (pad=1, stride=1)`,
  );
}

/** Sub-layers of a gated unit by name, built from one spec, registered in the file's order. */
class Gates {
  readonly #network: NetworkBuilder;
  readonly #id: string;
  readonly #spec: ConnectedSpec;
  readonly #weights = new Map<string, ConnectedWeights>();

  /** Names that begin with `u` act on the input, with `w` on the state. */
  constructor(
    network: NetworkBuilder,
    id: string,
    inputs: number,
    spec: ConnectedSpec,
    order: readonly string[],
  ) {
    this.#network = network;
    this.#id = id;
    this.#spec = spec;
    for (const name of order) {
      const from = name.startsWith("u") ? inputs : spec.units;
      this.#weights.set(name, connectedWeights(network, `${id}/${name}`, from, spec));
    }
  }

  apply(name: string, input: Value): Value {
    const weights = this.#weights.get(name) as ConnectedWeights;
    return dense(this.#network, `${this.#id}/${name}`, input, this.#spec, weights);
  }
}

function readGates(
  network: NetworkBuilder,
  section: SectionReader,
  id: string,
  order: readonly string[],
): { gates: Gates; shape: readonly number[] } {
  const units = section.int("output", 1, 1);
  const batchNormalize = section.int("batch_normalize", 0) !== 0;
  const spec = { units, batchNormalize, activation: LINEAR };
  const inputs = sizeOf(network.previous.shape.slice(1));
  return {
    gates: new Gates(network, id, inputs, spec, order),
    shape: [network.batch, units],
  };
}

/** File order of the gates; in pjreddie's file the ones on the state come first. */
const GRU_ORDER = {
  alexeyab: ["uz", "ur", "uh", "wz", "wr", "wh"],
  pjreddie: ["wz", "wr", "wh", "uz", "ur", "uh"],
} as const;

/**
 * `[gru]`: z, r = σ(u x + w state); h = f(u x + w (r · state)); state = z · state + (1 − z) · h.
 * f is logistic in both libraries as built; pjreddie's reads `tanh=1`.
 */
export function gru(network: NetworkBuilder, section: SectionReader, id: string): void {
  const { gates, shape } = readGates(network, section, id, GRU_ORDER[network.dialect]);
  const tanh = network.dialect === "pjreddie" && section.int("tanh", 0) !== 0;
  const input = network.previous;
  const state = remembered(network, `${id}/state`, id, shape);
  const of = (name: string, from: Value, activation: DarknetActivation): Value => {
    const parts = [gates.apply(`u${name}`, input), gates.apply(`w${name}`, from)];
    return gate(network, `${id}/${name}`, parts, activation);
  };
  const z = of("z", state, LOGISTIC);
  const r = of("r", state, LOGISTIC);
  const kept = merge(network, `${id}/kept`, "multiply", [state, r]);
  const h = of("h", kept, tanh ? TANH : LOGISTIC);
  const change = merge(network, `${id}/difference`, "subtract", [state, h]);
  const weighted = merge(network, `${id}/weighted`, "multiply", [z, change]);
  merge(network, id, "add", [h, weighted]);
}

const LSTM_ORDER = {
  alexeyab: ["wf", "wi", "wg", "wo", "uf", "ui", "ug", "uo"],
  pjreddie: ["wi", "wf", "wo", "wg", "ui", "uf", "uo", "ug"],
} as const;

/** `[lstm]`: f, i, o = σ(w h + u x), g = tanh(…); c = f · c + i · g; h = o · tanh(c). */
export function lstm(network: NetworkBuilder, section: SectionReader, id: string): void {
  const { gates, shape } = readGates(network, section, id, LSTM_ORDER[network.dialect]);
  const input = network.previous;
  const h = remembered(network, `${id}/state`, id, shape);
  const c = remembered(network, `${id}/cell`, `${id}/next`, shape);
  const of = (name: string, activation: DarknetActivation): Value => {
    const parts = [gates.apply(`w${name}`, h), gates.apply(`u${name}`, input)];
    return gate(network, `${id}/${name}`, parts, activation);
  };
  const f = of("f", LOGISTIC);
  const i = of("i", LOGISTIC);
  const g = of("g", TANH);
  const o = of("o", LOGISTIC);
  const next = nextCell(network, id, { f, i, g, c });
  const squashed = network.activate(`${id}/squashed`, next, TANH);
  merge(network, id, "multiply", [o, squashed]);
}

function nextCell(
  network: NetworkBuilder,
  id: string,
  { f, i, g, c }: Record<"f" | "i" | "g" | "c", Value>,
  name = "next",
): Value {
  const kept = merge(network, `${id}/kept`, "multiply", [f, c]);
  const added = merge(network, `${id}/added`, "multiply", [i, g]);
  return merge(network, `${id}/${name}`, "add", [kept, added]);
}

/**
 * `[conv_lstm]`: as {@link lstm} with convolutions, `peephole` ones that read the cell (vf, vi the
 * old one, vo the new one), and a cell that is kept within ±`state_constrain` between calls.
 */
export function convLstm(network: NetworkBuilder, section: SectionReader, id: string): void {
  const filters = section.int("output", 1, 1);
  const spec: ConvolutionSpec = {
    ...readKernel(section),
    filters,
    batchNormalize: section.int("batch_normalize", 0) !== 0,
    activation: readActivation(section, network.dialect, "linear"),
  };
  const peephole = section.int("peephole", 0) !== 0;
  if (section.int("bottleneck", 0) !== 0) {
    throw section.error("unsupported", "bottleneck=1 makes the library itself stop on the CPU");
  }
  const limit = section.int("state_constrain", 32, 0);
  section.ignore("shortcut", "lstm_activation", "time_normalizer");
  const input = asMap(network, network.previous, `${id}/map`);
  const apply = convGates(network, id, mapOf(input)[0], spec, peephole);
  const [, height, width] = mapOf(input);
  const shape = [network.batch, filters, height, width];
  const h = remembered(network, `${id}/state`, id, shape);
  const c = remembered(network, `${id}/cell`, limit ? `${id}/constrained` : `${id}/next`, shape);
  const of = (name: string, cell: Value | null, activation: DarknetActivation): Value => {
    const parts = [apply(`w${name}`, h), apply(`u${name}`, input)];
    requireSameMap(section, parts[1] as Value, h);
    if (cell) parts.push(apply(`v${name}`, cell));
    return gate(network, `${id}/${name}`, parts, activation);
  };
  const f = of("f", peephole ? c : null, LOGISTIC);
  const i = of("i", peephole ? c : null, LOGISTIC);
  const g = of("g", null, TANH);
  const next = nextCell(network, id, { f, i, g, c });
  const o = of("o", peephole ? next : null, LOGISTIC);
  if (limit) {
    const parameters = { minimum: -limit, maximum: limit };
    const attributes = { function: "clipped-relu", parameters } as const;
    network.add("activation", `${id}/constrained`, [next], attributes, shape);
  }
  const squashed = network.activate(`${id}/squashed`, next, TANH);
  merge(network, id, "multiply", [o, squashed]);
}

function convGates(
  network: NetworkBuilder,
  id: string,
  channels: number,
  spec: ConvolutionSpec,
  peephole: boolean,
): (name: string, input: Value) => Value {
  const order = ["wf", "wi", "wg", "wo", "uf", "ui", "ug", "uo"];
  const weights = new Map<string, ConvolutionWeights>();
  for (const name of [...(peephole ? ["vf", "vi", "vo"] : []), ...order]) {
    const from = name.startsWith("u") ? channels : spec.filters;
    weights.set(name, convolutionWeights(network, `${id}/${name}`, from, spec));
  }
  return (name, input) =>
    convolution(network, `${id}/${name}`, input, spec, weights.get(name) as ConvolutionWeights);
}
