import type { Architecture, Operation } from "../../architecture/architecture.js";
import type { Mistake, Mistakes, Suspect } from "./mistake.js";

/** Gates of ONNX' operators, in the order in which their rows lie. */
const GATES: Readonly<Record<string, readonly string[]>> = {
  GRU: ["update", "reset", "candidate"],
  LSTM: ["input", "output", "forget", "candidate"],
};

/** Where other libraries have them: PyTorch i f g o, Keras i f c o; PyTorch's GRU r z n. */
const KNOWN: Readonly<Record<string, string>> = {
  "input, forget, candidate, output": " (that of Keras and PyTorch)",
  "reset, update, candidate": " (that of PyTorch)",
};

/** Weights of a recurrent operator: rows of gates in another order, half of the bias lost. */
export const weightMistakes: Mistakes<"weight"> = (suspect) => {
  const { operation, architecture } = suspect;
  const layer = architecture.layers.find(({ operations }) => operations.includes(operation.id));
  const gates = GATES[layer?.kind ?? ""];
  // All matrices of the node are tried together, once: with the first of them, W.
  if (gates === undefined || !operation.id.endsWith("/input_1")) return [];
  const node = operation.id.slice(0, -"/input_1".length);
  const names = [1, 2, 3].flatMap((position) => {
    const one = architecture.operations.find(({ id }) => id === `${node}/input_${position}`);
    return one?.weights["value"] ?? [];
  });
  return [
    ...orders(gates).map((order): Mistake => {
      const told = order.map((which) => gates[which]).join(", ");
      return {
        cause: `gates are in the order ${told}${KNOWN[told] ?? ""}, expected ${gates.join(", ")}`,
        weights: Object.fromEntries(
          names.map((name, k) => [name, reordered(suspect, name, order, k === 2 ? 2 : 1)]),
        ),
      };
    }),
    ...biasHalves(suspect, names[2]),
    ...(layer?.kind === "GRU" ? resetPlaces(architecture, node) : []),
  ];
};

/** Every order but the right one; those of other libraries first. */
function orders(gates: readonly string[]): number[][] {
  const all = permutations(gates.map((_, which) => which)).slice(1);
  const isKnown = (order: readonly number[]) =>
    order.map((which) => gates[which]).join(", ") in KNOWN ? 0 : 1;
  return all.sort((a, b) => isKnown(a) - isKnown(b));
}

function permutations(items: readonly number[]): number[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, k) =>
    permutations(items.toSpliced(k, 1)).map((rest) => [item, ...rest]),
  );
}

/**
 * What the reference must be given to do as a port that takes the rows for gates in this order.
 *
 * @param halves - how many times all gates lie behind each other, for one direction: twice in a bias
 */
function reordered(
  { weightNamed }: Suspect<"weight">,
  name: string,
  order: readonly number[],
  halves: number,
): Float32Array {
  const { data, shape } = weightNamed(name);
  const block = data.length / (shape[0] ?? 1) / halves / order.length;
  const result = new Float32Array(data.length);
  for (let at = 0; at < data.length; at += block * order.length) {
    order.forEach((gate, place) => {
      result.set(data.subarray(at + place * block, at + (place + 1) * block), at + gate * block);
    });
  }
  return result;
}

/** ONNX adds two biases, one of W·x and one of R·h. */
function biasHalves({ weightNamed }: Suspect<"weight">, name: string | undefined): Mistake[] {
  if (name === undefined) return [];
  const { data, shape } = weightNamed(name);
  const half = data.length / (shape[0] ?? 1) / 2;
  const without = (lost: number) =>
    data.map((value, k) => (Math.floor(k / half) % 2 === lost ? 0 : value));
  return [
    { cause: "the recurrent half of the bias is not added", weights: { [name]: without(1) } },
    { cause: "the input's half of the bias is not added", weights: { [name]: without(0) } },
    { cause: "no bias is added", weights: { [name]: new Float32Array(data.length) } },
  ];
}

/** The reset gate before the recurrent product where it belongs behind it, and the other way round. */
function resetPlaces({ operations }: Architecture, node: string): Mistake[] {
  const own = operations.filter(({ id }) => id.startsWith(`${node}/`));
  const behind = own.some(({ id }) => id.endsWith("/reset_candidate"));
  const edited = own.flatMap((one) => (behind ? resetBefore(one, own) : resetBehind(one, own)));
  if (edited.length === 0) return [];
  const [is, expected] = behind ? ["before", "behind"] : ["behind", "before"];
  return [
    {
      cause: `the reset gate is applied ${is} the recurrent product, expected ${expected} it (linear_before_reset)`,
      operations: edited,
    },
  ];
}

/** R·(r ⊙ h) + b in place of r ⊙ (R·h + b): the edit of one step in time. */
function resetBefore(one: Operation, own: readonly Operation[]): Operation[] {
  const [time, part] = placeOf(one);
  const reset = `${time}/reset`;
  if (part === "inner") {
    const [hidden = "", rows = ""] = one.inputs;
    const kept = `${time}/kept_hidden`;
    return [
      { ...productOfTwo(one, own, hidden), id: kept, inputs: [reset, hidden] },
      { ...one, inputs: [kept, rows] },
    ];
  }
  if (part !== "reset_candidate") return [];
  const inner = one.inputs[1] ?? "";
  return [{ ...one, kind: "identity", inputs: [inner], attributes: {} } as Operation];
}

/** r ⊙ (R·h + b) in place of R·(r ⊙ h) + b. */
function resetBehind(one: Operation, own: readonly Operation[]): Operation[] {
  const [time, part] = placeOf(one);
  const reset = `${time}/reset`;
  if (part === "kept_hidden") {
    const hidden = one.inputs[1] ?? "";
    return [{ ...one, kind: "identity", inputs: [hidden], attributes: {} } as Operation];
  }
  if (part !== "candidate_sum") return [];
  const [input = "", inner = ""] = one.inputs;
  const gated = `${time}/reset_candidate`;
  return [
    { ...productOfTwo(one, own, inner), id: gated, inputs: [reset, inner] },
    { ...one, inputs: [input, gated] },
  ];
}

/** `node/forward/time_3` and the step's own name. */
function placeOf({ id }: Operation): readonly [string, string] {
  const at = id.lastIndexOf("/");
  return [id.slice(0, at), id.slice(at + 1)];
}

function productOfTwo(like: Operation, own: readonly Operation[], of: string): Operation {
  const shape = own.find(({ id }) => id === of)?.shape ?? like.shape;
  const attributes = { function: "multiply" };
  return { ...like, kind: "binary", attributes, weights: {}, shape } as unknown as Operation;
}
