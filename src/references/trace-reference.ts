import { Ancestry } from "../architecture/ancestry.js";
import type { Architecture } from "../architecture/architecture.js";
import type { FunctionError } from "../operators/family.js";
import { type ScratchFile, writeExactly } from "../runtime/scratch-file.js";
import { convertLayout, type Layout } from "../tensor/layout.js";
import { sizeOf, type Tensor, tensor } from "../tensor/tensor.js";
import type {
  EmbeddedReference,
  KnownValues,
  StepValue,
} from "./onnxruntime/embedded-reference.js";
import type { PreparedTaps } from "./onnxruntime/prepare-taps.js";
import type { PlannedTap } from "./tap-plan.js";
import type { ReferenceTrace } from "./trace.js";

/** What one step of the original makes of the trace's own values before it. */
export interface TraceStep extends StepValue {
  /** The values the step reads: of the taps before it, and of the inputs. */
  readonly known: KnownValues;
}

/**
 * A trace that was recorded elsewhere, looked at step by step: from the values that the trace itself has before a tap,
 * the embedded reference computes that tap alone. So a recording is judged layer by layer, as a port is in isolated mode.
 */
export class TraceReference {
  readonly trace: ReferenceTrace;
  readonly #embedded: EmbeddedReference;
  readonly #architecture: Architecture;
  readonly #ancestry: Ancestry;
  readonly #inputs: KnownValues;
  readonly #traced: ReadonlySet<string>;
  readonly #mended = new Map<string, Tensor>();

  /**
   * @param inputs - of the architecture, by name
   * @param begins - taps at which a step may begin; default: all that the trace has
   */
  constructor(
    trace: ReferenceTrace,
    embedded: EmbeddedReference,
    architecture: Architecture,
    inputs: KnownValues,
    begins: (id: string) => boolean = () => true,
  ) {
    this.trace = trace;
    this.#embedded = embedded;
    this.#architecture = architecture;
    this.#ancestry = new Ancestry(architecture);
    this.#inputs = inputs;
    this.#traced = new Set(trace.taps.filter(begins));
  }

  /** Keeps the value that a tap should have had; steps computed `mended` begin at it. */
  mend(id: string, value: Tensor): void {
    this.#mended.set(id, value);
  }

  /** Whether a tap before this one has a value that should have been another. */
  readsMended(id: string): boolean {
    return this.#before(id).frontier.some((one) => this.#mended.has(one));
  }

  /**
   * Computes one tap from the trace's values before it.
   *
   * @param functionError - of both sides together; `null`: no bound is computed
   * @param from - `recorded`: the trace's values as they are; `mended`: those that were mended, in their place
   */
  async step(
    id: string,
    functionError: ((name: string) => FunctionError) | null,
    from: "recorded" | "mended" = "recorded",
  ): Promise<TraceStep> {
    const { between, frontier } = this.#before(id);
    const known = new Map(this.#inputs);
    for (const one of frontier) {
      const mended = from === "mended" ? this.#mended.get(one) : undefined;
      const value = this.#inputs.has(one) ? undefined : (mended ?? this.trace.read(one));
      if (value !== undefined) known.set(one, value);
    }
    return { known, ...(await this.#embedded.step({ id, between, functionError }, known)) };
  }

  /** The operations between a tap and the trace's taps before it, and those taps. */
  #before(id: string): ReturnType<Ancestry["back"]> {
    const before = new Set(this.#traced);
    before.delete(id);
    return this.#ancestry.back(id, before);
  }

  /**
   * Plays the trace as the reference of a planned run: its values where it has them, elsewhere (a step inside a layer)
   * what the embedded reference makes of them. As `EmbeddedReference.record`.
   */
  async record(
    prepared: PreparedTaps,
    scratch: ScratchFile,
    functionError: ((name: string) => FunctionError) | null,
    onReady: (index: number) => void,
  ): Promise<void> {
    for (const [index, planned] of prepared.plan.taps.entries()) {
      const recorded = this.trace.read(planned.id);
      const needsStep = recorded === undefined || planned.boundOffset !== undefined;
      const step = needsStep ? await this.step(planned.id, functionError) : null;
      const own = this.#architecture.layout ?? "nchw";
      place(scratch, planned, recorded ?? (step as TraceStep).value, own, planned.offset);
      if (planned.boundOffset !== undefined) {
        const shape = (step as TraceStep).value.shape;
        const bound = step?.bound ?? new Float32Array(sizeOf(shape));
        place(scratch, planned, tensor(shape, bound), own, planned.boundOffset);
      }
      onReady(index);
    }
  }
}

function place(
  scratch: ScratchFile,
  planned: PlannedTap,
  value: Tensor,
  own: Layout,
  offset: number,
): void {
  writeExactly(scratch.fd, convertLayout(value, own, planned.layout ?? own).data, offset);
}
