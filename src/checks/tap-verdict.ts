import { type Architecture, NEGATIVE_SIDE, type Operation } from "../architecture/architecture.js";
import type { TapComparison } from "../compare/compare-tap.js";
import type { TapRecord } from "../record/tap-examiner.js";
import type { PlannedTap } from "../references/tap-plan.js";
import { shapeInLayout } from "../tensor/layout.js";
import { indexOf } from "../tensor/tensor.js";
import {
  jsonNumber,
  type Sensitivity,
  type TapBasis,
  type TapMode,
  type TapResult,
  type TapVerdict,
} from "./result.js";

/** What is said of one tap beside its numbers. */
export interface Decision {
  readonly verdict: TapVerdict;
  readonly basis: TapBasis | null;
  readonly notes: readonly string[];
  /** Replaces the ratio where the bound is not the planned one (cumulative drift). */
  readonly ratio?: number | null;
  readonly sensitivity?: Sensitivity | null;
}

/** The entry of one reference tap in one mode; `record` is `null` when the port has no such tap. */
export function tapResult(
  operation: Operation,
  planned: PlannedTap | null,
  mode: TapMode,
  record: TapRecord | null,
  decision: Decision,
): TapResult {
  const compared = record?.compared ?? null;
  const same = record !== null && `${record.shape}` === `${operation.shape}`;
  const worst = compared?.worst ?? null;
  const number = (value: number | null | undefined) =>
    value === null || value === undefined ? null : jsonNumber(value);
  return {
    id: operation.id,
    port: record?.name ?? null,
    layer: operation.layer,
    kind: operation.kind,
    shape: operation.shape,
    actualShape: record === null || same ? null : record.shape,
    mode,
    maxAbs: number(compared?.metrics.maxAbs),
    maxRel: number(compared?.metrics.maxRel),
    rmse: number(compared?.metrics.rmse),
    cosine: number(compared?.metrics.cosine),
    ratio: number(decision.ratio !== undefined ? decision.ratio : ratioOf(compared)),
    worst: worst === null || planned === null ? null : originalIndex(worst.index, planned),
    bound: number(worst?.bound),
    actual: number(worst?.actual),
    expected: number(worst?.expected),
    verdict: decision.verdict,
    basis: decision.basis,
    sensitivity: decision.sensitivity ?? null,
    notes: decision.notes,
  };
}

/** Error ÷ bound: infinite where the value is exact and still differs. */
export function ratioOf(compared: TapComparison | null): number | null {
  if (compared === null) return null;
  if (compared.metrics.ratio !== null) return compared.metrics.ratio;
  return compared.metrics.maxAbs > 0 ? Number.POSITIVE_INFINITY : null;
}

/** A flat position in the plan's layout as a multi-index of the original's. */
export function originalIndex(position: number, planned: PlannedTap): readonly number[] {
  const index = indexOf(position, planned.shape);
  const { layout, originalLayout = "nchw" } = planned;
  return layout === undefined ? index : shapeInLayout(index, layout, originalLayout);
}

/** Activations whose negative side has a parameter or a formula of its own, and which keep the sign of their input. */
const SIGNED = new Set([
  "leaky",
  "elu",
  "selu",
  "mish",
  "hard-mish",
  "swish",
  "gelu-tanh",
  "gelu-erf",
  "revleaky",
  "relie",
  "lhtan",
]);

/** Whether the tap looks at the negative side apart. */
export function hasNegativeSide(operation: Operation): boolean {
  if (operation.kind === "activation") return SIGNED.has(operation.attributes.function);
  return operation.inputs.includes(`${operation.id}/${NEGATIVE_SIDE}`);
}

/** Why a tap could not have shown a fault of its operation, or `undefined`. */
export function notExercised(operation: Operation, compared: TapComparison): string | undefined {
  if (!compared.side.hasNonZero)
    return "every value of the reference is 0: nothing of this step shows in it";
  if (hasNegativeSide(operation) && !compared.side.hasNegative) {
    return "no negative value reaches it with this input: its negative side was not exercised; try another --input";
  }
  return undefined;
}

/** The smallest change of slope, epsilon and gain that the bound would have shown, from the tap's own values. */
export function sensitivityOf(
  operation: Operation,
  architecture: Architecture,
  compared: TapComparison,
  varianceOf: (name: string) => Float32Array,
): Sensitivity | null {
  const peak = compared.side.channelPeak.reduce((a, b) => Math.max(a, b), 0);
  if (!(peak > 0)) return null;
  const slope =
    operation.kind === "activation" ? operation.attributes.parameters["slope"] : undefined;
  return {
    gain: 1 / peak,
    slope:
      slope === undefined || !(compared.side.negativePeak > 0)
        ? null
        : slope / compared.side.negativePeak,
    epsilon: epsilonSensitivity(operation, architecture, compared, varianceOf),
  };
}

/** dy/dε of a normalised value is −y/(2(v+ε)): the channel with the best ratio of value to bound shows it first. */
function epsilonSensitivity(
  operation: Operation,
  architecture: Architecture,
  compared: TapComparison,
  varianceOf: (name: string) => Float32Array,
): number | null {
  const norm = normOf(operation, architecture);
  const name = norm?.weights["variance"];
  if (norm?.kind !== "batch-norm" || name === undefined) return null;
  const variance = varianceOf(name);
  let best = Number.POSITIVE_INFINITY;
  for (const [channel, v] of variance.entries()) {
    const peak = compared.side.channelPeak[channel] ?? 0;
    if (peak > 0) best = Math.min(best, (2 * (v + norm.attributes.epsilon)) / peak);
  }
  return Number.isFinite(best) ? best : null;
}

/** The normalisation whose result this tap shows: itself, or what its activation reads. */
function normOf(operation: Operation, architecture: Architecture): Operation | undefined {
  if (operation.kind === "batch-norm") return operation;
  if (operation.kind !== "activation") return undefined;
  const input = architecture.operations.find(({ id }) => id === operation.inputs[0]);
  return input?.kind === "batch-norm" ? input : undefined;
}
