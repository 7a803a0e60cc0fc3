import { at, makes, type Plain, sum } from "./plain-tensors.js";

type Weights = Readonly<Record<string, Plain>>;
type Row = readonly number[];

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** What a gate adds up; the block of rows that a port takes for it. */
interface Gate {
  readonly input: Row;
  readonly recurrent: (hidden: Row) => number[];
}

function gateOf(weights: Weights, cell: string, units: number, row: Row, block: number): Gate {
  const bias = weights[`${cell}.bias`] as Plain;
  const gates = (bias.shape[1] ?? 0) / units / 2;
  const all = Array.from({ length: units }, (_, unit) => unit);
  const half = (which: number, unit: number) =>
    which === 1 && makes("half-bias") ? 0 : at(bias, [0, (which * gates + block) * units + unit]);
  const times = (role: string, unit: number, values: Row) =>
    sum(
      values.length,
      (i) =>
        (values[i] ?? 0) * at(weights[`${cell}.${role}`] as Plain, [0, block * units + unit, i]),
    );
  return {
    input: all.map((unit) => times("w", unit, row) + half(0, unit)),
    recurrent: (hidden) => all.map((unit) => times("r", unit, hidden) + half(1, unit)),
  };
}

type State = { readonly hidden: Row; readonly carry: Row };
type Cell = (row: Row, state: State) => State;

/** Runs a cell over time: [time, 1, batch, units]. */
function recur(x: Plain, units: number, cell: Cell): Plain {
  const [time = 0, batch = 0, inputs = 0] = x.shape;
  const data = new Float32Array(time * batch * units);
  const zero = new Array<number>(units).fill(0);
  for (let b = 0; b < batch; b++) {
    let state: State = { hidden: zero, carry: zero };
    for (let t = 0; t < time; t++) {
      const row = Array.from({ length: inputs }, (_, i) => at(x, [t, b, i]));
      state = cell(row, state);
      data.set(state.hidden, (t * batch + b) * units);
    }
  }
  return { data, shape: [time, 1, batch, units] };
}

/** ONNX' LSTM, forward; gates i o f c. */
export function lstmOverTime(weights: Weights, x: Plain, units: number): Plain {
  const blocks = makes("gates") ? [0, 3, 1, 2] : [0, 1, 2, 3];
  return recur(x, units, (row, { hidden, carry }) => {
    const sums = blocks.map((block) => {
      const { input, recurrent } = gateOf(weights, "lstm", units, row, block);
      const own = recurrent(hidden);
      return input.map((value, unit) => value + (own[unit] ?? 0));
    });
    const of = (which: number, unit: number) => sums[which]?.[unit] ?? 0;
    const next = carry.map(
      (old, unit) => sigmoid(of(2, unit)) * old + sigmoid(of(0, unit)) * Math.tanh(of(3, unit)),
    );
    return {
      hidden: next.map((value, unit) => sigmoid(of(1, unit)) * Math.tanh(value)),
      carry: next,
    };
  });
}

/** ONNX' GRU with linear_before_reset, forward; gates z r h. */
export function gruOverTime(weights: Weights, x: Plain, units: number): Plain {
  return recur(x, units, (row, { hidden, carry }) => {
    const [z, r, h] = [0, 1, 2].map((block) => gateOf(weights, "gru", units, row, block)) as [
      Gate,
      Gate,
      Gate,
    ];
    const open = ({ input, recurrent }: Gate) => {
      const own = recurrent(hidden);
      return input.map((value, unit) => sigmoid(value + (own[unit] ?? 0)));
    };
    const [update, reset] = [open(z), open(r)];
    const gated = makes("reset")
      ? h.recurrent(hidden.map((value, unit) => value * (reset[unit] ?? 0)))
      : h.recurrent(hidden).map((value, unit) => value * (reset[unit] ?? 0));
    const next = hidden.map((old, unit) => {
      const candidate = Math.tanh((h.input[unit] ?? 0) + (gated[unit] ?? 0));
      return (1 - (update[unit] ?? 0)) * candidate + (update[unit] ?? 0) * old;
    });
    return { hidden: next, carry };
  });
}
