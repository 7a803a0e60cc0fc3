/** Short words for ONNX nodes (opset 17) on truth values and on values with channels in any place. */
import type { GraphBuilder } from "./graph.js";

/** ONNX's number of each element type. */
const TYPES = { float: 1, int64: 7, bool: 9, float16: 10, double: 11, bfloat16: 16 };

/** The value in another element type. */
export function castTo(
  graph: GraphBuilder,
  value: string,
  type: keyof typeof TYPES,
  output?: string,
): string {
  return graph.node("Cast", [value], { to: { int: TYPES[type] } }, output);
}

/** Numbers as truth values: what is not 0. */
export function truthOf(graph: GraphBuilder, value: string): string {
  return castTo(graph, value, "bool");
}

/** Truth values as 0 and 1. */
export function numberOf(graph: GraphBuilder, truth: string, output?: string): string {
  return castTo(graph, truth, "float", output);
}

/** Permutation that puts the channels second; `undefined` when they are there. */
export function channelsSecond(rank: number, channelAxis: number): number[] | undefined {
  if (channelAxis === 1) return undefined;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return [0, channelAxis, ...axes.filter((axis) => axis !== 0 && axis !== channelAxis)];
}

/** The permutation that undoes another. */
export function inverse(permutation: readonly number[]): number[] {
  return permutation.map((_, axis) => permutation.indexOf(axis));
}

/** Applies nodes that expect the channels second, and puts them back where they were. */
export function withChannelsSecond(
  graph: GraphBuilder,
  value: string,
  rank: number,
  channelAxis: number,
  apply: (value: string, output?: string) => string,
  output?: string,
): string {
  const permutation = channelsSecond(rank, channelAxis);
  if (permutation === undefined) return apply(value, output);
  const moved = graph.node("Transpose", [value], { perm: { ints: permutation } });
  const back = { perm: { ints: inverse(permutation) } };
  return graph.node("Transpose", [apply(moved)], back, output);
}

/** Sizes of the axes that are neither batch nor channels. */
export function spaceOf(shape: readonly number[], channelAxis: number): number[] {
  return shape.filter((_, axis) => axis !== 0 && axis !== channelAxis);
}

/** A shape from its parts. */
export function shapeWith(
  batch: number,
  space: readonly number[],
  channels: number,
  channelAxis: number,
): number[] {
  return channelAxis === 1 ? [batch, channels, ...space] : [batch, ...space, channels];
}

/** A number a channel, under a shape that is repeated over the other axes. */
export function channelColumn(
  graph: GraphBuilder,
  vector: string,
  {
    shape,
    attributes,
  }: { readonly shape: readonly number[]; readonly attributes: ChannelAttributes },
): string {
  const { channelAxis, filters } = attributes;
  return graph.node("Reshape", [
    vector,
    graph.ints(shape.map((_, axis) => (axis === channelAxis ? filters : 1))),
  ]);
}

interface ChannelAttributes {
  readonly channelAxis: number;
  readonly filters: number;
}
