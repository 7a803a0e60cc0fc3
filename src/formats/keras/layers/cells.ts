import type { AttributesByKind } from "../../../architecture/attributes.js";
import type { Layer } from "../layer.js";
import { snakeCase } from "../store-keys.js";
import type { Value } from "../value.js";
import { activate } from "./activations.js";
import type { Call } from "./call.js";
import { convolve, padsOf } from "./convolution.js";

/** States of a cell, or of several cells one after the other. */
export type State = readonly Value[];

/** One step of a recurrent layer. */
export interface Cell {
  /** Shapes of its states for a batch of this size. */
  readonly stateShapes: (batch: number) => readonly (readonly number[])[];
  readonly step: (x: Value, states: State) => { readonly output: Value; readonly states: State };
}

/** What a cell is read with: its configuration may stand in the layer itself, its weights never do. */
interface CellPlace {
  readonly call: Call;
  readonly config: Layer;
  readonly weights: Layer;
}

const CELLS: Readonly<Record<string, (place: CellPlace) => Cell>> = {
  SimpleRNNCell: simpleCell,
  LSTMCell: lstmCell,
  GRUCell: gruCell,
  StackedRNNCells: stackedCells,
};

/** The cell of SimpleRNN, LSTM and GRU: their own configuration is the cell's. */
export function cellOfLayer(call: Call, className: keyof typeof CELLS): Cell {
  const { layer } = call;
  const name = snakeCase(String(className));
  const weights = layer.child("cell", {
    name,
    className: String(className),
    module: null,
    config: {},
  });
  return build(String(className), { call, config: layer, weights });
}

/** A cell that stands in a configuration of its own, stored under `key`. */
export function cellFrom(call: Call, key: string, json: Parameters<Layer["childFrom"]>[1]): Cell {
  const cell = call.layer.childFrom(key, json);
  return build(cell.className, { call: { ...call, layer: cell }, config: cell, weights: cell });
}

function build(className: string, place: CellPlace): Cell {
  const of = Object.hasOwn(CELLS, className) ? CELLS[className] : undefined;
  if (of === undefined) {
    throw place.config.refused(
      "unsupported",
      "is a cell that is not read here; use LSTMCell, GRUCell, SimpleRNNCell or StackedRNNCells, or export the model as ONNX",
    );
  }
  const cell = of(place);
  if (place.config === place.weights) place.config.checkKeys();
  return cell;
}

/** Parts that all cells have. */
function common({ call, config, weights }: CellPlace) {
  config.ignore("dropout", "recurrent_dropout", "seed", "unit_forget_bias", "state_size");
  // Read when a step is written, which is after the keys are checked.
  config.ignore("activation", "recurrent_activation");
  const { ops } = call;
  const inner = { ...call, layer: config };
  return {
    units: config.count("units"),
    useBias: config.flag("use_bias", true),
    activation: (x: Value) => activate(inner, x, "activation", "tanh"),
    gate: (x: Value, otherwise = "sigmoid") =>
      activate(inner, x, "recurrent_activation", otherwise),
    matmul: (x: Value, role: string, shape: readonly number[], part: string) =>
      ops.product("bi,io->bo", x, weights.weight(role, shape), part),
    bias: (shape: readonly number[]) => ops.weight(weights.weight("bias", shape)),
  };
}

function simpleCell(place: CellPlace): Cell {
  const { ops } = place.call;
  const { units, useBias, activation, matmul, bias } = common(place);
  return {
    stateShapes: (batch) => [[batch, units]],
    step: (x, [h]) => {
      const input = matmul(x, "kernel", [x.size(-1), units], "input");
      const recurrent = matmul(h as Value, "recurrent_kernel", [units, units], "recurrent");
      const biased = useBias ? ops.add(input, bias([units]), "add_bias") : input;
      const output = activation(ops.add(biased, recurrent));
      return { output, states: [output] };
    },
  };
}

/** Gates in the order input, forget, candidate, output. */
function lstmCell(place: CellPlace): Cell {
  const { ops } = place.call;
  const { units, useBias, activation, gate, matmul, bias } = common(place);
  return {
    stateShapes: (batch) => [
      [batch, units],
      [batch, units],
    ],
    step: (x, [h, c]) => {
      const input = matmul(x, "kernel", [x.size(-1), 4 * units], "input");
      const recurrent = matmul(h as Value, "recurrent_kernel", [units, 4 * units], "recurrent");
      const sum = ops.add(input, recurrent, "gates");
      const gates = ops.split(useBias ? ops.add(sum, bias([4 * units]), "add_bias") : sum, 1, 4);
      return lstmStates({ ops, gate, activation }, gates, c as Value);
    },
  };
}

/** What an LSTM makes of its gates' sums (input, forget, candidate, output) and of what it carries. */
function lstmStates(
  { ops, gate, activation }: LstmFunctions,
  sums: readonly Value[],
  c: Value,
): ReturnType<Cell["step"]> {
  const [i, f, candidate, o] = sums as [Value, Value, Value, Value];
  const kept = ops.multiply(
    ops.within("forget", () => gate(f)),
    c,
    "kept",
  );
  const added = ops.multiply(
    ops.within("in", () => gate(i)),
    ops.within("candidate", () => activation(candidate)),
    "added",
  );
  const carry = ops.add(kept, added, "carry");
  const output = ops.multiply(
    ops.within("out", () => gate(o)),
    ops.within("hidden", () => activation(carry)),
    "output",
  );
  return { output, states: [output, carry] };
}

interface LstmFunctions {
  readonly ops: Call["ops"];
  readonly gate: (x: Value) => Value;
  readonly activation: (x: Value) => Value;
}

/** Gates in the order update, reset, candidate; `reset_after` multiplies behind the recurrent product and has two biases. */
function gruCell(place: CellPlace): Cell {
  const { ops } = place.call;
  const { units, useBias, activation, gate, matmul, bias } = common(place);
  const resetAfter = place.config.flag(
    "reset_after",
    place.config.dialect === 3 || place.config.className === "CuDNNGRU",
  );
  const biases = (): { input: Value; recurrent: Value } | null => {
    if (!useBias) return null;
    if (!resetAfter) return { input: bias([3 * units]), recurrent: ops.scalar(0) };
    const both = bias([2, 3 * units]);
    const row = (k: number) => ops.view(ops.slice(both, 0, k, k + 1), [3 * units]);
    return { input: row(0), recurrent: row(1) };
  };
  return {
    stateShapes: (batch) => [[batch, units]],
    step: (x, [state]) => {
      const h = state as Value;
      // Declared in Keras' order: kernel, recurrent kernel, bias.
      const product = matmul(x, "kernel", [x.size(-1), 3 * units], "input");
      const recurrentKernel = place.weights.weight("recurrent_kernel", [units, 3 * units]);
      const offsets = biases();
      const input = offsets === null ? product : ops.add(product, offsets.input, "add_bias");
      const [xz, xr, xh] = ops.split(input, 1, 3) as [Value, Value, Value];
      let hh: Value;
      let z: Value;
      if (resetAfter) {
        const inner = ops.product("bi,io->bo", h, recurrentKernel, "recurrent");
        const biased =
          offsets === null ? inner : ops.add(inner, offsets.recurrent, "add_recurrent_bias");
        const [rz, rr, rh] = ops.split(biased, 1, 3) as [Value, Value, Value];
        z = ops.within("update", () => gate(ops.add(xz, rz)));
        const r = ops.within("reset", () => gate(ops.add(xr, rr)));
        hh = ops.within("candidate", () => activation(ops.add(xh, ops.multiply(r, rh))));
      } else {
        const kernel = ops.weight(recurrentKernel);
        const gates = ops.contract("bi,io->bo", h, ops.slice(kernel, 1, 0, 2 * units), "recurrent");
        const [rz, rr] = ops.split(gates, 1, 2) as [Value, Value];
        z = ops.within("update", () => gate(ops.add(xz, rz)));
        const r = ops.within("reset", () => gate(ops.add(xr, rr)));
        const last = ops.slice(kernel, 1, 2 * units, 3 * units);
        const inner = ops.contract("bi,io->bo", ops.multiply(r, h), last, "recurrent_candidate");
        hh = ops.within("candidate", () => activation(ops.add(xh, inner)));
      }
      const kept = ops.multiply(z, h, "kept");
      const output = ops.add(kept, ops.multiply(ops.affine(z, -1, 1), hh, "added"), "output");
      return { output, states: [output] };
    },
  };
}

/** Each cell reads the output of the one before; states one after the other. */
function stackedCells({ call, config }: CellPlace): Cell {
  const list = config.raw("cells");
  if (!Array.isArray(list) || list.length === 0) throw config.refused("format", "has no cells");
  config.ignore("reverse_state_order");
  const counts = new Map<string, number>();
  const cells = list.map((json) => {
    const className =
      typeof json === "object" && json !== null
        ? (json as { class_name?: unknown }).class_name
        : "";
    const base = snakeCase(String(className));
    const count = counts.get(base) ?? 0;
    counts.set(base, count + 1);
    return cellFrom(
      { ...call, layer: config },
      `cells/${count === 0 ? base : `${base}_${count}`}`,
      json,
    );
  });
  const shapes = (batch: number) => cells.map((cell) => cell.stateShapes(batch));
  return {
    stateShapes: (batch) => shapes(batch).flat(),
    step: (x, states) => {
      let output = x;
      let next = 0;
      const after: Value[] = [];
      for (const [k, cell] of cells.entries()) {
        const count = cell.stateShapes(1).length;
        const result = call.ops.within(`cell_${k}`, () =>
          cell.step(output, states.slice(next, next + count)),
        );
        next += count;
        output = result.output;
        after.push(...result.states);
      }
      return { output, states: after };
    },
  };
}

/** The two convolutions of a ConvLSTM, and what they come to. */
interface LstmConvolutions {
  readonly filters: number;
  readonly channels: number;
  readonly kernel: readonly number[];
  readonly channelAxis: number;
  /** Of the input: all gates at once. */
  readonly ofInput: AttributesByKind["conv-nd"];
  /** Of the state, whose size it keeps. */
  readonly ofState: AttributesByKind["conv-nd"];
  /** Of a state, and of what comes out. */
  readonly shape: (batch: number) => number[];
}

function lstmConvolutions({ layer }: Call, rank: number, input: Value): LstmConvolutions {
  const filters = layer.count("filters");
  const kernel = layer.sizes("kernel_size", rank);
  const strides = layer.sizes("strides", rank, 1);
  const dilations = layer.sizes("dilation_rate", rank, 1);
  const padding = layer.choice("padding", ["valid", "same"], "valid");
  const channelAxis = layer.channelsFirst() ? 1 : rank + 1;
  const channels = input.shape[layer.channelsFirst() ? 2 : rank + 2] ?? 1;
  const space = input.shape.slice(2).filter((_, axis) => axis !== channelAxis - 1);
  const ones = kernel.map(() => 1);
  const pads = padsOf(padding, space, kernel, strides, dilations);
  const size = space.map((length, k) => {
    const span = ((kernel[k] ?? 1) - 1) * (dilations[k] ?? 1) + 1;
    const padded = length + (pads.before[k] ?? 0) + (pads.after[k] ?? 0);
    return Math.floor((padded - span) / (strides[k] ?? 1)) + 1;
  });
  const kept = padsOf("same", size, kernel, ones, ones);
  const base = {
    filters: 4 * filters,
    kernel,
    groups: 1,
    channelAxis,
    kernelOrder: "in-out",
  } as const;
  return {
    filters,
    channels,
    kernel,
    channelAxis,
    ofInput: { ...base, strides, dilations, padsBefore: pads.before, padsAfter: pads.after },
    ofState: {
      ...base,
      strides: ones,
      dilations: ones,
      padsBefore: kept.before,
      padsAfter: kept.after,
    },
    shape: (batch) => (channelAxis === 1 ? [batch, filters, ...size] : [batch, ...size, filters]),
  };
}

/** ConvLSTM: an LSTM whose products are convolutions; the recurrent one keeps the size. */
export function convLstmCell(call: Call, rank: number, input: Value): Cell {
  const { layer, ops } = call;
  const weights = layer.child("cell", {
    name: "conv_lstm_cell",
    className: "ConvLSTMCell",
    module: null,
    config: {},
  });
  layer.ignore("dropout", "recurrent_dropout", "seed", "unit_forget_bias", "rank");
  const parts = lstmConvolutions(call, rank, input);
  const { filters, channels, kernel, channelAxis, ofInput, ofState, shape } = parts;
  const useBias = layer.flag("use_bias", true);
  const gate = (x: Value) => activate(call, x, "recurrent_activation", "hard_sigmoid");
  const activation = (x: Value) => activate(call, x, "activation", "tanh");
  return {
    stateShapes: (batch) => [shape(batch), shape(batch)],
    step: (x, [h, c]) => {
      const inputKernel = weights.weight("kernel", [...kernel, channels, 4 * filters]);
      const recurrentKernel = weights.weight("recurrent_kernel", [...kernel, filters, 4 * filters]);
      const bias = useBias ? weights.weight("bias", [4 * filters]) : null;
      const fromX = convolve(ops, x, ofInput, inputKernel, bias, "input");
      const fromH = convolve(ops, h as Value, ofState, recurrentKernel, null, "recurrent");
      const gates = ops.split(ops.add(fromX, fromH, "gates"), channelAxis, 4);
      return lstmStates({ ops, gate, activation }, gates, c as Value);
    },
  };
}
