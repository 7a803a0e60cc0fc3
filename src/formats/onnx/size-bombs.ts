import { InputError } from "../../errors.js";
import { readTensor } from "../tensor-file.js";
import { storedInitializer } from "./initializer.js";
import type { OnnxModel } from "./model-reader.js";
import { type NodeProto, ONNX_EXTERNAL, type TensorProto } from "./schema.js";

/**
 * Most elements of one value. As float32 that is 2 GiB, the largest array that passes between processes; the largest
 * activations of published models (a batch of attention scores) stay below a tenth of it.
 */
export const MAX_ELEMENTS = 2 ** 29;

/** Operators that make as much as they are told to: which input tells it. */
const TOLD_SIZES: Readonly<Record<string, number>> = {
  ConstantOfShape: 0,
  Expand: 1,
  Resize: 3,
  Tile: 1,
};

/**
 * Refuses a model of a few bytes that asks for gigabytes: sizes that stand in the file as such are multiplied before
 * anything is run. Sizes that are computed are met by the limit on what comes out.
 *
 * @throws {InputError} `limit` naming the node and the size
 */
export function refuseSizeBombs(model: OnnxModel): void {
  const stored = storedTensors(model);
  for (const node of model.proto.graph?.node ?? []) {
    const position = TOLD_SIZES[node.op_type ?? ""];
    const name = position === undefined ? "" : (node.input?.[position] ?? "");
    const sizes = sizesIn(stored.get(name), model.name);
    const elements = sizes.reduce((product, size) => product * Math.max(size, 1), 1);
    if (elements <= MAX_ELEMENTS) continue;
    throw new InputError(
      "limit",
      `${model.name}: ${nameOf(node)} is told to make a value of ${sizes.join("x")}, expected at most ${MAX_ELEMENTS} elements (2 GiB)`,
    );
  }
}

function nameOf({ op_type: operator, name }: NodeProto): string {
  return name ? `${operator} "${name}"` : `a node ${operator}`;
}

/** Initializers, and the tensors of `Constant` nodes, by the name of their value. */
function storedTensors({ proto }: OnnxModel): ReadonlyMap<string, TensorProto> {
  const constants = (proto.graph?.node ?? [])
    .filter(({ op_type: operator }) => operator === "Constant")
    .flatMap(({ output, attribute }): [string, TensorProto][] => {
      const tensor = attribute?.find(({ name }) => name === "value")?.t;
      return tensor ? [[output?.[0] ?? "", tensor]] : [];
    });
  const initializers = (proto.graph?.initializer ?? []).map(
    (one) => [one.name ?? "", one] as const,
  );
  return new Map([...initializers, ...constants]);
}

/** A shape has as many numbers as a value has axes: longer tensors are none. */
const MOST_AXES = 64;

function sizesIn(tensor: TensorProto | undefined, source: string): number[] {
  if (tensor === undefined || (tensor.dims?.[0] ?? 0) > MOST_AXES) return [];
  // In a file of its own nobody keeps a handful of numbers; if so, what comes out is limited all the same.
  if (tensor.data_location === ONNX_EXTERNAL) return [];
  const stored = storedInitializer(tensor, null, source);
  if (!("bytes" in stored) || stored.dtype === "string") return [];
  return Array.from(readTensor(stored, source).data as ArrayLike<number>, Number);
}
