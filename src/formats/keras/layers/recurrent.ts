import { isObject, type Json, type JsonObject, own } from "../config-types.js";
import { range } from "../ops.js";
import type { Value } from "../value.js";
import {
  type Call,
  type Given,
  inputsOf,
  type LayerDefinition,
  onlyResult,
  type Result,
  tensorArgument,
  tensorsOf,
} from "./call.js";
import { type Cell, cellFrom, cellOfLayer, convLstmCell, type State } from "./cells.js";

/** Steps in time of one layer; one step is a few operations, so a graph for more than this has millions. */
const MAX_STEPS = 20_000;

/** What the recurrent layers have in common. */
function recur(call: Call, cell: Cell, x: Value, states: readonly Value[]): Result {
  const { layer, ops } = call;
  const sequences = layer.flag("return_sequences");
  const returnState = layer.flag("return_state");
  const backwards = layer.flag("go_backwards");
  const zeroOutput = layer.flag("zero_output_for_mask");
  const stateful = layer.flag("stateful");
  // Unrolled, Keras runs backwards with the mask turned round, and zeroes what comes out by the mask as it was.
  const zeroedLate = layer.flag("unroll") && backwards && zeroOutput && sequences;
  layer.ignore("use_cudnn");
  if (layer.flag("time_major")) {
    throw layer.refused(
      "unsupported",
      "is time_major, which is not read; transpose the input instead",
    );
  }
  const steps = x.size(1);
  if (steps < 1 || steps > MAX_STEPS) {
    throw layer.refused("shape", `reads ${steps} steps in time, expected 1 to ${MAX_STEPS}`);
  }
  const mask = tensorArgument(call, "mask") ?? x.mask;
  const shapes = cell.stateShapes(x.size(0));
  if (states.length > 0 && states.length !== shapes.length) {
    throw layer.refused(
      "format",
      `is given ${states.length} initial states, expected ${shapes.length}`,
    );
  }
  const initial = shapes.map((shape, k) =>
    stateful ? ops.remembered(shape) : (states[k] ?? ops.fill(shape, [0])),
  );
  if (stateful && states.length > 0) {
    throw layer.refused(
      "unsupported",
      "is stateful and given an initial state, which is not read; use one of both",
    );
  }
  const order = backwards ? range(0, steps).reverse() : range(0, steps);
  const kept = (value: Value, before: Value | null, time: number): Value =>
    mask === null
      ? value
      : ops.where(keepAt(call, mask, time, value.rank), value, before ?? ops.scalar(0));
  let current: State = initial;
  let previous: Value | null = null;
  const outputs: Value[] = [];
  for (const [k, time] of order.entries()) {
    ops.within(`step_${k}`, () => {
      const at = ops.view(ops.slice(x, 1, time, time + 1, "input"), [
        x.size(0),
        ...x.shape.slice(2),
      ]);
      const result = cell.step(at, current);
      const output = kept(result.output, zeroOutput && !zeroedLate ? null : previous, time);
      current = result.states.map((state, s) => kept(state, current[s] as Value, time));
      if (sequences) outputs.push(ops.expandDims(zeroedLate ? kept(output, null, k) : output, 1));
      previous = output;
    });
  }
  if (stateful) {
    for (const [k, state] of initial.entries()) ops.remember(state, current[k] as Value);
  }
  const output = sequences
    ? ops.concat(outputs, 1).withMask(mask)
    : (previous as unknown as Value).withMask(null);
  return returnState ? [output, ...current.map((state) => state.withMask(null))] : output;
}

/** Whether a step counts, for each example, in a shape that broadcasts. */
function keepAt(call: Call, mask: Value, time: number, rank: number): Value {
  const { ops } = call;
  const at = ops.slice(mask, 1, time, time + 1, "mask");
  return ops.view(at, [mask.size(0), ...new Array<number>(rank - 1).fill(1)]);
}

/** The sequence, and initial states behind it (Keras 2) or by name (Keras 3). */
function inputsOfRecurrent(call: Call): { x: Value; states: Value[] } {
  const [x, ...behind] = inputsOf(call);
  if (x === undefined) throw call.layer.refused("format", "is called without a sequence");
  if (call.kwargs.get("constants") !== undefined && call.kwargs.get("constants") !== null) {
    throw call.layer.refused(
      "unsupported",
      "is given constants, which are not read; concatenate them to the sequence",
    );
  }
  const given = tensorsOf(call.kwargs.get("initial_state"));
  const second = tensorsOf(call.args[1]);
  return { x, states: [behind, given, second].find((list) => list.length > 0) ?? [] };
}

function recurrent(className: string): LayerDefinition {
  return {
    call: (call) => {
      const { x, states } = inputsOfRecurrent(call);
      return recur(call, cellOfLayer(call, className), x, states);
    },
  };
}

function rnn(call: Call): Result {
  const { x, states } = inputsOfRecurrent(call);
  const json = call.layer.raw("cell");
  // Several cells may stand in a list without a StackedRNNCells around it.
  const cell = Array.isArray(json)
    ? cellFrom(call, "cell", {
        class_name: "StackedRNNCells",
        config: { name: "stacked_rnn_cells", cells: json },
      })
    : cellFrom(call, "cell", json);
  call.layer.ignore("num_constants");
  return recur(call, cell, x, states);
}

function convLstm(rank: number): LayerDefinition {
  return {
    call: (call) => {
      const { x, states } = inputsOfRecurrent(call);
      if (x.rank !== rank + 3) {
        throw call.layer.refused("shape", `reads [${x.shape}], expected ${rank + 3} axes`);
      }
      return recur(call, convLstmCell(call, rank, x), x, states);
    },
  };
}

/** A copy of a layer's configuration with other values. */
function changed(json: Json | undefined, changes: JsonObject): Json {
  if (!isObject(json)) return json ?? null;
  const config = own(json, "config");
  return { ...json, config: { ...(isObject(config) ? config : {}), ...changes } };
}

/** Reads forwards and backwards; what the second returns for each step is turned round again. */
function bidirectional(call: Call): Result {
  const { layer, ops } = call;
  const json = layer.raw("layer");
  const config = isObject(json) ? own(json, "config") : undefined;
  if (!isObject(config)) throw layer.refused("format", "contains no layer");
  const flag = (key: string) => own(config, key) === true;
  const name = String(own(config, "name") ?? "rnn");
  const sequences = flag("return_sequences");
  const forced = { zero_output_for_mask: sequences };
  const plain = (prefix: string) =>
    layer.dialect === 3 && name.startsWith(prefix) ? name : `${prefix}${name}`;
  // Keras 2 turns the direction round, Keras 3 sets it.
  const backwards = layer.dialect === 2 ? !flag("go_backwards") : true;
  const given = layer.raw("backward_layer");
  const forward = layer.childFrom(
    "forward_layer",
    changed(json, { ...forced, name: plain("forward_") }),
  );
  const other =
    given === null || given === undefined
      ? changed(json, { ...forced, name: plain("backward_"), go_backwards: backwards })
      : changed(given, forced);
  const backward = layer.childFrom("backward_layer", other);
  const mode = layer.raw("merge_mode");
  const { x, states } = inputsOfRecurrent(call);
  const half = states.length / 2;
  const mask = tensorArgument(call, "mask");
  const kwargs = (own: readonly Value[]) =>
    new Map<string, Given>([
      ...(own.length > 0 ? [["initial_state", own] as const] : []),
      ...(mask === undefined ? [] : [["mask", mask] as const]),
    ]);
  const forwards = resultsOf(call.run(forward, [x], kwargs(states.slice(0, half))));
  const reversed = resultsOf(call.run(backward, [x], kwargs(states.slice(half))));
  const y = forwards[0] as Value;
  const yReversed = sequences ? ops.reverse(reversed[0] as Value, 1) : (reversed[0] as Value);
  const after = [...forwards.slice(1), ...reversed.slice(1)];
  const outputMask = sequences ? (mask ?? x.mask) : null;
  const merged = mergeDirections(call, mode, y, yReversed).map((value) =>
    value.withMask(outputMask),
  );
  const all = [...merged, ...after];
  return all.length === 1 ? (all[0] as Value) : all;
}

function mergeDirections(call: Call, mode: Json | undefined, y: Value, z: Value): Value[] {
  const { ops, layer } = call;
  switch (mode) {
    case "concat":
      return [ops.concat([y, z], y.rank - 1)];
    case "sum":
      return [ops.add(y, z)];
    case "ave":
      return [ops.affine(ops.add(y, z), 0.5, 0)];
    case "mul":
      return [ops.multiply(y, z)];
    case null:
      return [y, z];
    default:
      throw layer.refused("format", `has merge_mode ${JSON.stringify(mode)}`);
  }
}

function resultsOf(result: Result): readonly Value[] {
  return Array.isArray(result) ? result : [result as Value];
}

/** The same layer at every step: the steps are laid among the examples, which no layer mixes. */
function timeDistributed(call: Call): Value {
  const { layer, ops } = call;
  const [x] = inputsOf(call);
  if (x === undefined || x.rank < 3) throw layer.refused("shape", "is called without a sequence");
  const inner = layer.childFrom("layer", layer.raw("layer"));
  const [batch = 1, steps = 1, ...rest] = x.shape;
  const result = onlyResult(call, call.run(inner, [ops.view(x, [batch * steps, ...rest])]));
  const value = ops.view(result, [batch, steps, ...result.shape.slice(1)]);
  return value.withMask(tensorArgument(call, "mask") ?? x.mask);
}

export const recurrentLayers: Readonly<Record<string, LayerDefinition>> = {
  SimpleRNN: recurrent("SimpleRNNCell"),
  LSTM: recurrent("LSTMCell"),
  GRU: recurrent("GRUCell"),
  // Their weights are converted where they are found.
  CuDNNLSTM: recurrent("LSTMCell"),
  CuDNNGRU: recurrent("GRUCell"),
  RNN: { call: rnn },
  ConvLSTM1D: convLstm(1),
  ConvLSTM2D: convLstm(2),
  ConvLSTM3D: convLstm(3),
  Bidirectional: { call: bidirectional },
  TimeDistributed: { call: timeDistributed },
};
