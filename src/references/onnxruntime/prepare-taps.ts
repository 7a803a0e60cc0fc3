import { Ancestry } from "../../architecture/ancestry.js";
import type { Architecture, Operation } from "../../architecture/architecture.js";
import { boundFeedName, type LoweredModel, type LowerOutput, lower } from "../../lower/lower.js";
import type { FunctionError } from "../../operators/family.js";
import { TRIGGER_FACTOR } from "../../operators/rounding.js";
import type { ScratchFile } from "../../runtime/scratch-file.js";
import type { Layout } from "../../tensor/layout.js";
import { sizeOf } from "../../tensor/tensor.js";
import type { PlannedTap, TapPlan } from "../tap-plan.js";
import type { OutputRequest } from "./protocol.js";

/**
 * Largest weights, and values with their bounds, of one segment, in bytes: what is resident at once.
 * The runtime holds a segment's weights twice while it loads them.
 */
const SEGMENT_WEIGHT_BYTES = 48 << 20;
const SEGMENT_VALUE_BYTES = 64 << 20;

/** What to record. */
export interface TapRequest {
  readonly architecture: Architecture;
  /** Ids to record, in the architecture's order. */
  readonly taps: readonly string[];
  /** Taps at which the port is given the reference's value: there bounds begin at 0. */
  readonly cut: ReadonlySet<string>;
  /** Layout in which rank-4 values are written. */
  readonly layout: Layout;
  /** Error of transcendentals; `null`: no bounds are computed. */
  readonly functionError: ((name: string) => FunctionError) | null;
  readonly scratch: ScratchFile;
  readonly negativeSide: (operation: Operation) => boolean;
}

/** One graph of the run, and which taps it makes ready. */
export interface PreparedSegment {
  readonly lowered: LoweredModel;
  readonly outputs: readonly OutputRequest[];
  /** Indices in the plan. */
  readonly ready: readonly number[];
  /** Kept values that no later segment reads. */
  readonly drop: readonly string[];
}

/** The whole run: where the values will lie, and the graphs that compute them. */
export interface PreparedTaps {
  readonly plan: TapPlan;
  readonly segments: readonly PreparedSegment[];
}

/** Plans a run of the reference: segments small enough that memory does not grow with depth. */
export function prepareTaps(request: TapRequest): PreparedTaps {
  const { architecture, taps, cut, functionError } = request;
  const ancestry = new Ancestry(architecture);
  const index = new Map(taps.map((id, at) => [id, at]));
  const planned: PlannedTap[] = [];
  const segments: PreparedSegment[] = [];
  const groups = segmentsOf(architecture);
  const lastUse = lastReaders(architecture, groups);
  for (const [at, operations] of groups.entries()) {
    const here = new Set(operations);
    const own = operations.filter((id) => index.has(id));
    const crossing = operations.filter((id) => (lastUse.get(id) ?? at) > at);
    const inexact = crossing.filter((id) => functionError !== null && !cut.has(id));
    const values: LowerOutput[] = [
      ...own.map((id) => ({ tap: id, name: `tap:${id}`, layout: request.layout })),
      // Under its own name: another would cost a copy.
      ...crossing.map((id) => ({ tap: id, name: id })),
    ];
    const bounds: LowerOutput[] = [
      ...own.map((id) => ({
        tap: id,
        name: `bound:${id}:out`,
        layout: request.layout,
        factor: TRIGGER_FACTOR,
      })),
      ...inexact.map((id) => ({ tap: id, name: `keep:${boundFeedName(id)}` })),
    ];
    if (values.length === 0) continue;
    const lowered = lower(architecture, {
      operations,
      outputs: values,
      ...(functionError === null
        ? {}
        : { bounds: { mode: "trigger", cut, functionError, outputs: bounds } as const }),
    });
    const shapes = new Map(lowered.outputs.map(({ name, shape }) => [name, shape]));
    const outputs: OutputRequest[] = [];
    for (const id of own) {
      const tap = placeTap(request, ancestry, id, shapes);
      planned[index.get(id) as number] = tap.planned;
      outputs.push(...tap.outputs);
    }
    outputs.push(...crossing.map((id) => ({ name: id, keep: id })));
    for (const name of shapes.keys())
      if (name.startsWith("keep:")) outputs.push({ name, keep: name.slice(5) });
    segments.push({
      lowered,
      outputs,
      ready: own.map((id) => index.get(id) as number),
      drop: [...lastUse]
        .filter(([id, last]) => last === at && !here.has(id))
        .flatMap(([id]) => [id, boundFeedName(id)]),
    });
  }
  return { plan: { taps: planned }, segments };
}

/** Reserves room for a tap's values and bounds. */
function placeTap(
  { architecture, cut, layout, scratch, negativeSide }: TapRequest,
  ancestry: Ancestry,
  id: string,
  shapes: ReadonlyMap<string, readonly number[]>,
): { readonly planned: PlannedTap; readonly outputs: readonly OutputRequest[] } {
  const operation = ancestry.operations.get(id) as Operation;
  const shape = shapes.get(`tap:${id}`) as readonly number[];
  const bytes = 4 * sizeOf(shape);
  const offset = scratch.allocate(bytes);
  const boundOffset = shapes.has(`bound:${id}:out`) ? scratch.allocate(bytes) : undefined;
  const outputs: OutputRequest[] = [{ name: `tap:${id}`, offset, bytes }];
  if (boundOffset !== undefined)
    outputs.push({ name: `bound:${id}:out`, offset: boundOffset, bytes });
  const without = new Set(cut);
  without.delete(id);
  return {
    planned: {
      id,
      layer: operation.layer,
      shape,
      layout: shape.length === 4 ? layout : undefined,
      originalLayout: architecture.layout ?? "nchw",
      offset,
      boundOffset,
      frontier: ancestry.back(id, without).frontier,
      output: architecture.outputs.includes(id),
      negativeSide: negativeSide(operation),
    },
    outputs,
  };
}

/** Groups of whole layers, each within the limits (or a single layer beyond them). */
export function segmentsOf(architecture: Architecture): string[][] {
  const weights = new Map(architecture.weights.map(({ name, shape }) => [name, 4 * sizeOf(shape)]));
  const groups: string[][] = [];
  let [weightBytes, valueBytes] = [Number.POSITIVE_INFINITY, 0];
  for (let at = 0; at < architecture.operations.length; ) {
    const layer = architecture.operations[at]?.layer;
    const operations: Operation[] = [];
    while (architecture.operations[at]?.layer === layer && at < architecture.operations.length) {
      operations.push(architecture.operations[at] as Operation);
      at += 1;
    }
    const names = operations.flatMap((operation) => Object.values(operation.weights));
    const w = names.reduce((sum, name) => sum + (weights.get(name) ?? 0), 0);
    const v = operations.reduce((sum, { shape }) => sum + 8 * sizeOf(shape), 0);
    if (weightBytes + w > SEGMENT_WEIGHT_BYTES || valueBytes + v > SEGMENT_VALUE_BYTES) {
      groups.push([]);
      [weightBytes, valueBytes] = [0, 0];
    }
    groups.at(-1)?.push(...operations.map(({ id }) => id));
    weightBytes += w;
    valueBytes += v;
  }
  return groups;
}

/** The last segment that reads each value. */
function lastReaders(
  architecture: Architecture,
  groups: readonly (readonly string[])[],
): Map<string, number> {
  const segment = new Map(groups.flatMap((ids, at) => ids.map((id) => [id, at] as const)));
  const last = new Map<string, number>();
  for (const operation of architecture.operations) {
    const at = segment.get(operation.id) ?? 0;
    for (const input of operation.inputs) {
      if (segment.has(input)) last.set(input, Math.max(last.get(input) ?? 0, at));
    }
  }
  return last;
}
