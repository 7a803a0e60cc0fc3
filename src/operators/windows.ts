import type { Pads } from "../architecture/attributes.js";
import type { GraphBuilder } from "./graph.js";

/** How many windows of a dilated kernel fit into a padded size. */
export function windows(padded: number, kernel: number, stride: number, dilation = 1): number {
  const count = Math.floor((padded - (dilation * (kernel - 1) + 1)) / stride) + 1;
  if (!(count >= 1)) {
    throw new RangeError(
      `a kernel of ${kernel} (dilation ${dilation}) does not fit into ${padded}`,
    );
  }
  return count;
}

/** Throws unless groups divide both channel counts. */
export function checkGroups(channels: number, filters: number, groups: number): void {
  if (channels % groups !== 0 || filters % groups !== 0) {
    throw new RangeError(
      `${groups} groups do not divide ${channels} channels and ${filters} filters`,
    );
  }
}

/** Whether the operation has a weight of that role. */
export function hasWeight(
  operation: { readonly weights: Readonly<Record<string, string>> },
  role: string,
): boolean {
  return operation.weights[role] !== undefined;
}

/** A vector [C] as [1, C, 1, 1]. */
export function channelVector(graph: GraphBuilder, vector: string): string {
  return graph.node("Reshape", [vector, graph.ints([1, -1, 1, 1])]);
}

/** Pads that only add; what is negative has been cut off before. */
export function addedPads({ top, left, bottom, right }: Pads): number[] {
  return [top, left, bottom, right].map((pad) => Math.max(pad, 0));
}

/** Cuts off the rows and columns that negative pads take away. */
export function cropNegativePads(
  graph: GraphBuilder,
  input: string,
  { top, left, bottom, right }: Pads,
  [, , height = 1, width = 1]: readonly number[],
): string {
  if (Math.min(top, left, bottom, right) >= 0) return input;
  const starts = [Math.max(-top, 0), Math.max(-left, 0)];
  const ends = [height - Math.max(-bottom, 0), width - Math.max(-right, 0)];
  return graph.node("Slice", [input, graph.ints(starts), graph.ints(ends), graph.ints([2, 3])]);
}
