import type { NodeOperation, NodeReader, NodeView } from "./node-view.js";
import { type Step, Steps } from "./steps.js";

/** Recurrent operators, unrolled in time. Gates lie as ONNX has them: LSTM i o f c, GRU z r h. */
export const RECURRENT: Readonly<Record<string, NodeReader>> = {
  GRU: (view) => unrolled(view, 3, ["Sigmoid", "Tanh"], gruStep),
  LSTM: (view) => unrolled(view, 4, ["Sigmoid", "Tanh", "Tanh"], lstmStep),
  RNN: (view) => unrolled(view, 1, ["Tanh"], simpleStep),
};

/** Steps in time, of both directions together, that are unrolled: a dozen operations each. */
const MAX_STEPS = 256;

/** Where the inputs stand. */
const INPUT = {
  x: 0,
  kernel: 1,
  recurrent: 2,
  bias: 3,
  lengths: 4,
  hidden: 5,
  carry: 6,
  peephole: 7,
};

/** One direction, its weights without the axis of directions. */
interface Direction {
  readonly steps: Steps;
  readonly view: NodeView;
  readonly units: number;
  /** Activations by their place in the node's list. */
  readonly activate: readonly ((part: string, x: Step) => Step)[];
  readonly recurrent: Step;
  /** Both halves: added to W·x and to R·h. */
  readonly bias: { readonly input: Step; readonly recurrent: Step } | null;
  /** Weights from the carry to the gates i, o and f. */
  readonly peephole: Step | null;
}

interface State {
  readonly hidden: Step;
  readonly carry: Step;
}

/** From W·x of all gates at one time, and the state before it. */
type TimeStep = (direction: Direction, product: Step, state: State) => State;

function unrolled(
  view: NodeView,
  gates: number,
  functions: readonly string[],
  step: TimeStep,
): readonly NodeOperation[] | null {
  const x = view.operand(INPUT.x);
  const [time = 0, batch = 0] = x?.shape ?? [];
  const units = view.int("hidden_size", 0);
  const names = directionsOf(view);
  const isPlain = hasKnownSettings(view) && isWholeLength(view, time, batch);
  if (x?.shape.length !== 3 || units < 1 || time * names.length > MAX_STEPS || !isPlain)
    return null;
  const steps = new Steps();
  const inputs = new Map<number, Step>();
  for (const position of Object.values(INPUT)) {
    if (!view.has(position) || position === INPUT.lengths) continue;
    const operand = view.operand(position);
    if (operand === undefined) return null;
    inputs.set(position, steps.use(operand));
  }
  const results: DirectionResult[] = [];
  for (const [which, name] of names.entries()) {
    const activate = activationsOf(view, steps, functions, which, names.length);
    if (activate === null) return null;
    const place = { view, inputs, steps, units, activate, gates, which };
    results.push(steps.within(name, () => runDirection(place, name === "reverse", step)));
  }
  return steps.end(resultOf(view, steps, results));
}

function directionsOf(view: NodeView): ("forward" | "reverse")[] {
  const told = view.text("direction", "forward");
  if (told === "bidirectional") return ["forward", "reverse"];
  return [told === "reverse" ? "reverse" : "forward"];
}

/** A limit on the gates' inputs and coupled gates are another arithmetic. */
function hasKnownSettings(view: NodeView): boolean {
  const isPlain = view.int("input_forget", 0) === 0 && view.int("layout", 0) === 0;
  return isPlain && view.float("clip", 0) === 0;
}

/** Lengths that are all those of the input change nothing. */
function isWholeLength(view: NodeView, time: number, batch: number): boolean {
  if (!view.has(INPUT.lengths)) return true;
  const lengths = view.numbers(INPUT.lengths);
  return lengths?.length === batch && lengths.every((length) => length === time);
}

/** The functions of one direction; null where one is not known here, or has a setting of its own. */
function activationsOf(
  view: NodeView,
  steps: Steps,
  otherwise: readonly string[],
  which: number,
  directions: number,
): Direction["activate"] | null {
  if (view.tells("activation_alpha") || view.tells("activation_beta")) return null;
  const told = view.texts("activations");
  const perDirection = told.length / directions;
  const names =
    told.length === 0 ? otherwise : told.slice(which * perDirection, (which + 1) * perDirection);
  const functions = names.map((name) => FUNCTIONS[name.toLowerCase()]);
  if (functions.length !== otherwise.length || functions.includes(undefined)) return null;
  return functions.map((name) => (part, x) => steps.activation(part, name as "tanh", x));
}

const FUNCTIONS: Readonly<Record<string, "logistic" | "tanh" | "relu" | "softsign" | "softplus">> =
  {
    relu: "relu",
    sigmoid: "logistic",
    softplus: "softplus",
    softsign: "softsign",
    tanh: "tanh",
  };

interface DirectionPlace {
  readonly view: NodeView;
  readonly inputs: ReadonlyMap<number, Step>;
  readonly steps: Steps;
  readonly units: number;
  readonly activate: Direction["activate"];
  readonly gates: number;
  readonly which: number;
}

interface DirectionResult {
  /** The hidden state after each time, in the order of the input. */
  readonly hidden: readonly Step[];
  readonly last: State;
}

function runDirection(place: DirectionPlace, backwards: boolean, step: TimeStep): DirectionResult {
  const { view, inputs, steps, units, activate, gates, which } = place;
  const of = (part: string, position: number) => {
    const input = inputs.get(position);
    return input === undefined ? null : steps.at(part, input, 0, which);
  };
  const x = inputs.get(INPUT.x) as Step;
  const [time = 0, batch = 1] = x.shape;
  const kernel = of("kernel", INPUT.kernel) as Step;
  const bias = of("bias", INPUT.bias);
  const half = (part: string, k: number) =>
    steps.slice(part, bias as Step, 0, k * gates * units, (k + 1) * gates * units);
  const direction: Direction = {
    steps,
    view,
    units,
    activate,
    recurrent: of("recurrent_kernel", INPUT.recurrent) as Step,
    bias: bias && { input: half("input_bias", 0), recurrent: half("recurrent_bias", 1) },
    peephole: of("peephole", INPUT.peephole),
  };
  const products = steps.contract("products", "tbi,oi->tbo", [x, kernel]);
  const zero = () =>
    steps.emit("zero", "fill", [], { shape: [batch, units], values: [0] }, [batch, units]);
  const hidden = of("initial_hidden", INPUT.hidden) ?? zero();
  let state: State = { hidden, carry: of("initial_carry", INPUT.carry) ?? hidden };
  if (inputs.has(INPUT.hidden) && !inputs.has(INPUT.carry)) state = { hidden, carry: zero() };
  const order = Array.from({ length: time }, (_, k) => (backwards ? time - 1 - k : k));
  const all: Step[] = new Array(time);
  for (const at of order) {
    state = steps.within(`time_${at}`, () =>
      step(direction, steps.at("product", products, 0, at), state),
    );
    all[at] = state.hidden;
  }
  return { hidden: all, last: state };
}

/** Y of all times [time, directions, batch, units], or the last states [directions, batch, units]. */
function resultOf(view: NodeView, steps: Steps, results: readonly DirectionResult[]): Step {
  const along = (part: string, values: readonly Step[], axis: number) =>
    steps.concat(
      part,
      values.map((value, k) =>
        steps.view(`${part}_${k}`, value, value.shape.toSpliced(axis, 0, 1)),
      ),
      axis,
    );
  if (view.which === 1) {
    return along(
      "last",
      results.map(({ last }) => last.hidden),
      0,
    );
  }
  if (view.which === 2) {
    return along(
      "carried",
      results.map(({ last }) => last.carry),
      0,
    );
  }
  const sequences = results.map(({ hidden }, k) => along(`sequence_${k}`, hidden, 0));
  return along("sequences", sequences, 1);
}

/** A gate's part of a value whose last axis holds all of them. */
function gate({ steps, units }: Direction, part: string, x: Step, which: number): Step {
  return steps.slice(part, x, x.shape.length - 1, which * units, (which + 1) * units);
}

/** W·x + R·h and both biases, for all gates. */
function summed(direction: Direction, product: Step, hidden: Step): Step {
  const { steps, recurrent, bias } = direction;
  const sum = steps.binary(
    "sum",
    "add",
    product,
    steps.contract("recurrent", "bh,oh->bo", [hidden, recurrent]),
  );
  if (bias === null) return sum;
  return steps.binary(
    "biased",
    "add",
    steps.binary("bias_in", "add", sum, bias.input),
    bias.recurrent,
  );
}

const simpleStep: TimeStep = (direction, product, { hidden, carry }) => {
  const [activate] = direction.activate;
  const sum = summed(direction, product, hidden);
  return { hidden: activate?.("hidden", sum) as Step, carry };
};

const lstmStep: TimeStep = (direction, product, { hidden, carry }) => {
  const { steps, peephole } = direction;
  const [gates, candidate, output] = direction.activate as [Activate, Activate, Activate];
  const sum = summed(direction, product, hidden);
  const open = (part: string, which: number, seen: Step) => {
    const own = gate(direction, `${part}_sum`, sum, which);
    if (peephole === null) return gates(part, own);
    const weights = gate(direction, `${part}_peephole`, peephole, which);
    const look = steps.binary(`${part}_look`, "multiply", weights, seen);
    return gates(part, steps.binary(`${part}_seen`, "add", own, look));
  };
  const added = steps.binary(
    "added",
    "multiply",
    open("in", 0, carry),
    candidate("candidate", gate(direction, "candidate_sum", sum, 3)),
  );
  const kept = steps.binary("kept", "multiply", open("forget", 2, carry), carry);
  const next = steps.binary("carry", "add", kept, added);
  const out = open("out", 1, next);
  return { hidden: steps.binary("hidden", "multiply", out, output("shown", next)), carry: next };
};

type Activate = Direction["activate"][number];

const gruStep: TimeStep = (direction, product, { hidden, carry }) => {
  const { steps, view } = direction;
  const [gates, candidate] = direction.activate as [Activate, Activate];
  const own = gruProducts(direction, product, hidden);
  const update = gates("update", own.update);
  const reset = gates("reset", own.reset);
  const recurrent =
    view.int("linear_before_reset", 0) === 0
      ? own.candidate(steps.binary("kept_hidden", "multiply", reset, hidden))
      : steps.binary("reset_candidate", "multiply", reset, own.candidate(hidden));
  const fresh = candidate("candidate", steps.binary("candidate_sum", "add", own.input, recurrent));
  const rest = steps.affine("rest", update, -1, 1);
  const next = steps.binary(
    "hidden",
    "add",
    steps.binary("added", "multiply", rest, fresh),
    steps.binary("kept", "multiply", update, hidden),
  );
  return { hidden: next, carry };
};

/** The sums of the gates, and R·h + b of the candidate for an h that is still to be decided. */
function gruProducts(direction: Direction, product: Step, hidden: Step) {
  const { steps, units, recurrent, bias } = direction;
  const rows = (part: string, from: number, to: number) =>
    steps.slice(part, recurrent, 0, from * units, to * units);
  const plus = (part: string, sum: Step, offset: Step | undefined) =>
    offset === undefined ? sum : steps.binary(part, "add", sum, offset);
  const input = plus("input", product, bias?.input);
  const both = steps.contract("recurrent", "bh,oh->bo", [hidden, rows("gate_rows", 0, 2)]);
  const gates = steps.binary("sum", "add", steps.slice("gates", input, 1, 0, 2 * units), both);
  const offset = bias && steps.slice("gate_bias", bias.recurrent, 0, 0, 2 * units);
  const biased = plus("biased", gates, offset ?? undefined);
  return {
    update: gate(direction, "update_sum", biased, 0),
    reset: gate(direction, "reset_sum", biased, 1),
    input: gate(direction, "candidate_input", input, 2),
    candidate: (state: Step) => {
      const inner = steps.contract("inner", "bh,oh->bo", [state, rows("candidate_rows", 2, 3)]);
      const own = bias && steps.slice("candidate_bias", bias.recurrent, 0, 2 * units, 3 * units);
      return plus("inner_biased", inner, own ?? undefined);
    },
  };
}
