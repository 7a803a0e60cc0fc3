import { availableParallelism } from "node:os";
import { alignTaps, type TapAlignment } from "../align/align-taps.js";
import type { ArchitectureInput, Operation } from "../architecture/architecture.js";
import { InputError } from "../errors.js";
import { readModelInputs } from "../inputs/model-inputs.js";
import type { PortJob } from "../record/port-messages.js";
import type { PortRun, PortThread } from "../record/port-thread.js";
import { EmbeddedReference } from "../references/onnxruntime/embedded-reference.js";
import { OnnxRuntimeProcess } from "../references/onnxruntime/onnxruntime-process.js";
import type { PreparedTaps } from "../references/onnxruntime/prepare-taps.js";
import { TapStates } from "../references/tap-plan.js";
import { MemoryWatch } from "../runtime/memory.js";
import type { Tensor } from "../tensor/tensor.js";
import { assembleResult } from "./assemble-result.js";
import { optimizedOutputs } from "./drift.js";
import { onEveryBackend } from "./every-backend.js";
import { type LayerByLayerOptions, type ResolvedOptions, resolveOptions } from "./options.js";
import type { OpenedWeights, Original, OriginalRun } from "./originals/original.js";
import { portSource } from "./port-source.js";
import type { LayerByLayerResult } from "./result.js";
import { functionErrorsOf, layoutOf, type Recorded, type Session } from "./session.js";
import {
  beginningsIn,
  openInDialect,
  openTraces,
  playReference,
  quorumOf,
} from "./session-references.js";
import { startPort } from "./start-port.js";
import { hasNegativeSide } from "./tap-verdict.js";
import { isWeightsAlone, WeightsAloneCheck } from "./weights-alone.js";

/**
 * Runs the original and a port on the same weights and the same input and compares every layer.
 *
 * @returns the same plain data that `difftest layer-by-layer --json` writes
 * @throws {InputError} when an option, a file or the port is unusable (exit status 2)
 * @throws {UnavailableError} when the back-end is not installed or the reference crashed (exit status 3)
 */
export async function layerByLayer(options: LayerByLayerOptions): Promise<LayerByLayerResult> {
  const started = performance.now();
  const resolved = resolveOptions(options);
  if (resolved.everyBackend) return await onEveryBackend(options, layerByLayer);
  const check = isWeightsAlone(resolved)
    ? new WeightsAloneCheck(options, resolved)
    : new LayerByLayerCheck(options, resolved);
  const aborted = onAbort(options.signal);
  try {
    return await Promise.race([check.run(started), aborted.promise]);
  } finally {
    aborted.stop();
    await check.close();
  }
}

/** One run: owns its threads, its reference process and its files, and closes them all. */
class LayerByLayerCheck {
  readonly #options: LayerByLayerOptions;
  #resolved: ResolvedOptions;
  #threads: PortThread[] = [];
  #process: OnnxRuntimeProcess | undefined;
  #closed = false;
  #weights: OpenedWeights | undefined;
  readonly #memory = new MemoryWatch(() => [
    this.#process?.pid,
    ...this.#threads.map(({ pid }) => pid),
  ]);
  readonly #timings = { read: 0, lower: 0, reference: 0, port: 0, compare: 0 };

  constructor(options: LayerByLayerOptions, resolved: ResolvedOptions) {
    this.#options = options;
    this.#resolved = resolved;
  }

  async run(started: number): Promise<LayerByLayerResult> {
    const session = await this.#open();
    const recorded = await this.#record(session);
    const comparing = performance.now();
    const result = await assembleResult(session, recorded);
    this.#timings.compare += performance.now() - comparing;
    const total = performance.now() - started;
    return {
      ...result,
      timings: { ...this.#timings, total },
      memory: { peak: this.#memory.stop() },
    };
  }

  /** Ends everything, even what was still being started when the run was aborted. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#memory.stop();
    await Promise.all(this.#threads.map((thread) => thread.close()));
    await this.#process?.close();
    this.#weights?.store.close();
  }

  /** Reads all files while the threads and the reference process start. */
  async #open(): Promise<Session> {
    const { resolved, original } = await this.#timed("read", async () => {
      const opened = await openInDialect(this.#resolved, this.#options.darknet);
      this.#resolved = opened.resolved;
      // All start while the weights are read: each takes a third of a second.
      this.#threads = this.#modes().map(() => this.#thread(opened.original));
      // A port has a processor of its own: one that is shared makes both slower, and the port is the longer.
      const free = availableParallelism() - this.#threads.length;
      this.#process = OnnxRuntimeProcess.launch(Math.max(1, free));
      return opened;
    });
    const weights = await this.#timed("read", () => original.openWeights());
    this.#weights = weights;
    const input = await this.#timed("read", () =>
      readModelInputs(resolved.inputs, inputsOf(original), original.inputOptions),
    );
    this.#refuseWhenClosed();
    const process = this.#process as OnnxRuntimeProcess;
    await process.open(weights.store.description);
    const facts = await (this.#threads[0] as PortThread).facts;
    const { architecture, reference, warnings } = await this.#reference(
      original,
      weights,
      input.tensors,
      process,
    );
    const traces = await this.#timed("reference", () =>
      openTraces({ ...original, architecture }, weights, input.tensors, resolved, this.#options),
    );
    refuseNothing(resolved, this.#options.taps, architecture.operations);
    const opened: Omit<Session, "quorum"> = {
      options: this.#options,
      resolved,
      original: { ...original, architecture, warnings: [...original.warnings, ...warnings] },
      weights,
      input,
      process,
      reference,
      traces,
      facts,
      fullLayers: (original.run === undefined ? original.architecture : architecture).layers.map(
        ({ id }) => id,
      ),
    };
    return { ...opened, quorum: await this.#timed("reference", () => quorumOf(opened)) };
  }

  /** The embedded reference: the original lowered, or run as it is. */
  async #reference(
    original: Original,
    weights: OpenedWeights,
    inputs: ReadonlyMap<string, Tensor>,
    process: OnnxRuntimeProcess,
  ): Promise<OriginalRun> {
    const { run } = original;
    if (run !== undefined) return await this.#timed("reference", () => run(process, inputs));
    const architecture = partOf(original, weights);
    return { architecture, reference: new EmbeddedReference(process, architecture), warnings: [] };
  }

  /** Runs the port in all modes; once more where its taps turn out to be others than one a layer. */
  async #record(session: Session): Promise<Recorded> {
    const layers = session.original.architecture.layers.map(({ id }) => id);
    const first = await this.#attempt(session, layers, { by: "id", pairs: {} });
    const run = longest(first);
    const names = (run?.taps ?? []).map(({ name }) => name);
    const alignment = alignTaps(
      session.original.architecture,
      (run?.taps ?? []).map(({ name, shape }) => ({
        name,
        shape,
        weights: run?.provenance[name] ?? [],
      })),
    );
    const paired = new Set(Object.values(alignment.pairs));
    const asPlanned =
      names.every((name) => layers.includes(name)) && layers.every((id) => paired.has(id));
    if (asPlanned || paired.size === 0 || broken(first)) return { ...first, alignment };
    const taps = session.original.architecture.operations
      .map(({ id }) => id)
      .filter((id) => paired.has(id));
    await Promise.all(this.#threads.map((thread) => thread.close()));
    this.#threads = this.#modes().map(() => this.#thread(session.original));
    await Promise.all(this.#threads.map((thread) => thread.facts));
    return await this.#attempt(session, taps, alignment);
  }

  async #attempt(
    session: Session,
    taps: readonly string[],
    alignment: TapAlignment,
  ): Promise<Recorded> {
    const { architecture } = session.original;
    const { resolved, facts } = session;
    const prepared = await this.#timed("lower", () =>
      session.reference.prepare({
        taps,
        cut: new Set([
          ...beginningsIn(session, taps),
          ...architecture.inputs.map(({ name }) => name),
        ]),
        layout: facts.layout,
        functionError:
          resolved.tolerance.kind === "bound" && resolved.mode !== "cumulative"
            ? functionErrorsOf(session)
            : null,
        scratch: session.process.scratch,
        negativeSide: hasNegativeSide,
      }),
    );
    const states = new TapStates(prepared.plan.taps.length);
    const reference = this.#timed("reference", () =>
      playReference(session, prepared, (index) => states.set(index, 1)),
    ).catch((error: unknown) => {
      states.failRest();
      throw error;
    });
    const runs = Promise.all(
      this.#modes().map((mode, at) =>
        (this.#threads[at] as PortThread).run(
          this.#job(session, prepared, states, alignment, mode),
          () => this.#progress(at, taps.length),
        ),
      ),
    );
    // The reference process is idle by then, the ports are not.
    const optimized = reference.then(() => optimizedOutputs(session));
    // A reference that fails makes the ports fail too; the reason is the reference's.
    const [outputs, done] = await Promise.all([
      optimized,
      runs.catch(async (error: unknown) => {
        await reference;
        throw error;
      }),
    ]);
    this.#timings.port += Math.max(...done.map((run) => run.buildMs + run.forwardMs));
    const of = (mode: "isolated" | "cumulative") => done[this.#modes().indexOf(mode)] ?? null;
    return {
      prepared,
      alignment,
      isolated: of("isolated"),
      cumulative: of("cumulative"),
      optimized: outputs,
    };
  }

  #job(
    session: Session,
    prepared: PreparedTaps,
    states: TapStates,
    alignment: TapAlignment,
    mode: "isolated" | "cumulative",
  ): Omit<PortJob, "handover"> {
    const { resolved, original, input } = session;
    return {
      mode,
      context: {
        ...original.network,
        batch: original.architecture.inputs[0]?.shape[0] ?? resolved.batch,
        inputs: original.architecture.inputs,
        options: original.portOptions,
      },
      weights: session.weights.store.description,
      verify: mode === this.#modes()[0],
      plan: prepared.plan,
      states: states.buffer,
      scratchFd: session.process.scratch.fd,
      inputs: original.architecture.inputs.map(({ name, type = "float", layout }) => {
        const { shape, data } = input.tensors.get(name) as Tensor;
        return { name, shape, data, type, layout: layout ?? layoutOf(session) };
      }),
      originalLayout: layoutOf(session),
      images: input.images,
      tolerance: resolved.tolerance.kind === "given" ? resolved.tolerance : null,
      pairs: alignment.pairs,
    };
  }

  #modes(): readonly ("isolated" | "cumulative")[] {
    return this.#resolved.mode === "both" ? ["isolated", "cumulative"] : [this.#resolved.mode];
  }

  /** An aborted run goes on until its next await: it must start nothing that nobody would end. */
  #refuseWhenClosed(): void {
    if (this.#closed) throw new Error("the run was aborted");
  }

  #thread(original: Original): PortThread {
    this.#refuseWhenClosed();
    return startPort(this.#resolved, portSource(this.#resolved, original));
  }

  #done = 0;
  #progress(thread: number, total: number): void {
    this.#done += 1;
    const modes = this.#modes().length;
    this.#options.onProgress?.({
      stage: "port",
      done: this.#done,
      total: total * modes,
      label: this.#modes()[thread] ?? "",
    });
  }

  async #timed<T>(stage: "read" | "lower" | "reference", work: () => T | Promise<T>): Promise<T> {
    const started = performance.now();
    this.#options.onProgress?.({ stage, done: 0, total: 0 });
    try {
      return await work();
    } finally {
      this.#timings[stage] += performance.now() - started;
    }
  }
}

/** A pattern that no tap has is a slip of the pen, not a wish to compare nothing. */
function refuseNothing(
  { wantsTap }: ResolvedOptions,
  pattern: string | undefined,
  operations: readonly Operation[],
): void {
  if (operations.some(({ id }) => wantsTap(id))) return;
  throw new InputError(
    "option",
    `--taps: "${pattern}", no tap of the original has such an id; difftest inspect --taps lists them`,
  );
}

/** The part of the original that has weights: all of it, unless `--partial` accepted a file that ends early. */
function partOf(
  { architecture }: Original,
  { lastLayer }: OpenedWeights,
): Original["architecture"] {
  if (lastLayer === null) return architecture;
  const within = ({ layer }: Operation) => layer <= lastLayer;
  const operations = architecture.operations.filter(within);
  const read = new Set(operations.flatMap(({ inputs }) => inputs));
  return {
    ...architecture,
    layers: architecture.layers.filter(({ index }) => index <= lastLayer),
    operations,
    outputs: operations.map(({ id }) => id).filter((id) => !read.has(id)),
    weights: architecture.weights.filter(({ layer }) => layer <= lastLayer),
  };
}

function inputsOf({ architecture, name }: Original): readonly ArchitectureInput[] {
  if (architecture.inputs.length > 0) return architecture.inputs;
  throw new InputError("format", `${name}: the network has no input`);
}

/** The run that showed most taps: a cumulative one may have ended early. */
function longest({ isolated, cumulative }: Recorded): PortRun | null {
  if (isolated === null || cumulative === null) return isolated ?? cumulative;
  return isolated.taps.length > cumulative.taps.length ? isolated : cumulative;
}

/** Whether a run ended before it had shown all its taps. */
function broken({ isolated, cumulative }: Recorded): boolean {
  return [isolated, cumulative].some((run) => run?.weightsFault != null);
}

function onAbort(signal: AbortSignal | undefined): {
  readonly promise: Promise<never>;
  readonly stop: () => void;
} {
  let stop = (): void => undefined;
  const promise = new Promise<never>((_, reject) => {
    const fail = () =>
      reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
    if (signal?.aborted) fail();
    signal?.addEventListener("abort", fail, { once: true });
    stop = () => signal?.removeEventListener("abort", fail);
  });
  promise.catch(() => undefined);
  return { promise, stop };
}
