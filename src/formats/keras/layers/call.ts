import type { Layer } from "../layer.js";
import type { Ops } from "../ops.js";
import { Value } from "../value.js";

/** What a layer is called with, tensors in place of references: also lists, texts, numbers. */
export type Given =
  | Value
  | null
  | undefined
  | boolean
  | number
  | string
  | readonly Given[]
  | { readonly [key: string]: Given };

/** What a layer makes: one tensor, or several in order. */
export type Result = Value | readonly Value[];

/** One call of a layer. */
export interface Call {
  readonly layer: Layer;
  readonly ops: Ops;
  readonly args: readonly Given[];
  readonly kwargs: ReadonlyMap<string, Given>;
  /** Calls a layer inside this one. */
  readonly run: (
    layer: Layer,
    args: readonly Given[],
    kwargs?: ReadonlyMap<string, Given>,
  ) => Result;
}

/** How a class of layers is read: its configuration and inputs become operations. */
export interface LayerDefinition {
  readonly call: (call: Call) => Result;
  /** `keep`: the result has the mask of the first input; `drop` (default): none, or what the call itself sets. */
  readonly masks?: "keep" | "drop";
}

/** All tensors in what was given, in order. */
export function tensorsOf(given: Given): Value[] {
  if (given instanceof Value) return [given];
  if (Array.isArray(given)) return given.flatMap((item: Given) => tensorsOf(item));
  if (typeof given === "object" && given !== null) {
    return Object.values(given as Readonly<Record<string, Given>>).flatMap(tensorsOf);
  }
  return [];
}

/** The tensors of the first argument. */
export function inputsOf({ args }: Call): Value[] {
  return tensorsOf(args[0]);
}

/**
 * The only tensor of the first argument.
 *
 * @throws {InputError} when there are none or several
 */
export function inputOf(call: Call): Value {
  const inputs = inputsOf(call);
  const [first] = inputs;
  if (first === undefined || inputs.length > 1) {
    throw call.layer.refused("format", `is called with ${inputs.length} tensors, expected 1`);
  }
  return first;
}

/** The only result of a call inside. */
export function onlyResult(call: Call, result: Result): Value {
  if (result instanceof Value) return result;
  const [first] = result;
  if (first === undefined || result.length > 1) {
    throw call.layer.refused(
      "format",
      `contains a layer with ${result.length} results, expected 1`,
    );
  }
  return first;
}

/** A tensor given by keyword, or undefined. */
export function tensorArgument(call: Call, name: string): Value | undefined {
  const given = call.kwargs.get(name);
  return given instanceof Value ? given : undefined;
}

/** An axis counted from the front. */
export function axisOf(call: Call, axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (Number.isInteger(at) && at >= 0 && at < rank) return at;
  throw call.layer.refused("format", `has axis ${axis}, but a value of ${rank} axes`);
}

/** Axis of the channels: 1 or the last. */
export function channelAxisOf(call: Call, rank: number): number {
  return call.layer.channelsFirst() ? 1 : rank - 1;
}

/** Sizes of the axes between batch and channels. */
export function spaceOf(value: Value, channelAxis: number): number[] {
  return value.shape.filter((_, axis) => axis !== 0 && axis !== channelAxis);
}

/** The axes between batch and channels. */
export function spaceAxes(rank: number, channelAxis: number): number[] {
  return Array.from({ length: rank }, (_, axis) => axis).filter(
    (axis) => axis !== 0 && axis !== channelAxis,
  );
}

/** A vector over the channels in a shape that broadcasts. */
export function alongAxis(rank: number, axis: number, size: number): number[] {
  return Array.from({ length: rank }, (_, k) => (k === axis ? size : 1));
}
