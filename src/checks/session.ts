import type { TapAlignment } from "../align/align-taps.js";
import type { ModelInputs } from "../inputs/model-inputs.js";
import type { PortFacts } from "../record/port-messages.js";
import type { PortRun } from "../record/port-thread.js";
import type {
  EmbeddedReference,
  FunctionErrors,
} from "../references/onnxruntime/embedded-reference.js";
import type { OnnxRuntimeProcess } from "../references/onnxruntime/onnxruntime-process.js";
import type { PreparedTaps } from "../references/onnxruntime/prepare-taps.js";
import type { PlannedTap } from "../references/tap-plan.js";
import { functionErrorOf } from "../runtime/function-errors.js";
import { readExactly } from "../runtime/scratch-file.js";
import { convertLayout, type Layout } from "../tensor/layout.js";
import { sizeOf, type Tensor, tensor } from "../tensor/tensor.js";
import type { LayerByLayerOptions, ResolvedOptions } from "./options.js";
import type { OpenedWeights, Original } from "./originals/original.js";
import type { Quorum } from "./quorum.js";
import type { OpenedTrace } from "./reference-traces.js";

/** The reference on the original, ready to be asked. */
export interface Session {
  readonly options: LayerByLayerOptions;
  readonly resolved: ResolvedOptions;
  readonly original: Original;
  readonly weights: OpenedWeights;
  readonly input: ModelInputs;
  readonly process: OnnxRuntimeProcess;
  readonly reference: EmbeddedReference;
  /** References beside the embedded one, in the order asked for. */
  readonly traces: readonly OpenedTrace[];
  /** What came of holding them against each other; `null` when only the embedded one was asked for. */
  readonly quorum: Quorum | null;
  readonly facts: PortFacts;
  /** Ids of all layers of the original, also of those that `--partial` leaves out. */
  readonly fullLayers: readonly string[];
}

/** What one attempt recorded: the plan it went by, and one run of the port a mode. */
export interface Recorded {
  readonly prepared: PreparedTaps;
  readonly alignment: TapAlignment;
  readonly isolated: PortRun | null;
  readonly cumulative: PortRun | null;
  /** The model's outputs, computed with all optimizations of the reference's runtime; `null` where drift is not judged by them. */
  readonly optimized: ReadonlyMap<string, Tensor> | null;
}

/** Error of transcendentals, port and reference together. */
export function functionErrorsOf({ reference, facts, resolved }: Session): FunctionErrors {
  const own = facts.foreign ? "foreign" : "plain";
  const port = facts.runtime === "tfjs" ? resolved.backend : own;
  return reference.functionError(functionErrorOf(port));
}

/** Layout of the original's rank-4 values. */
export function layoutOf({ original }: Session): Layout {
  return original.architecture.layout ?? "nchw";
}

/** The reference's value of a tap, or of an input, in the original's layout. */
export function valueOfTap(session: Session, recorded: Recorded, id: string): Tensor {
  const planned = recorded.prepared.plan.taps.find((tap) => tap.id === id);
  if (planned !== undefined) return readTap(session, planned, planned.offset);
  const input = session.input.tensors.get(id);
  if (input === undefined) throw new Error(`${id} is neither a tap nor an input`);
  return input;
}

/** The bound of a tap, in the original's layout; `null` where the value is exact. */
export function boundOfTap(session: Session, planned: PlannedTap): Float32Array | null {
  return planned.boundOffset === undefined
    ? null
    : readTap(session, planned, planned.boundOffset).data;
}

function readTap(session: Session, planned: PlannedTap, offset: number): Tensor {
  const data = new Float32Array(sizeOf(planned.shape));
  readExactly(session.process.scratch.fd, data, offset);
  const layout = layoutOf(session);
  return convertLayout(tensor(planned.shape, data), planned.layout ?? layout, layout);
}
