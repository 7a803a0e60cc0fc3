import { InputError } from "../errors.js";
import type { PortRun, PortThread } from "../record/port-thread.js";
import { TapStates } from "../references/tap-plan.js";
import { MemoryWatch } from "../runtime/memory.js";
import { commandLine } from "./command-line.js";
import type { LayerByLayerOptions, ResolvedOptions } from "./options.js";
import { builtInModel } from "./original.js";
import type { OpenedWeights } from "./originals/original.js";
import { openWeightsAlone } from "./originals/weights-file-alone.js";
import { isTfjs } from "./port-source.js";
import { type Fault, type LayerByLayerResult, RESULT_SCHEMA } from "./result.js";
import { startPort } from "./start-port.js";

/** Whether there is nothing to run: a port of one's own, a file of weights, and no model that describes them. */
export function isWeightsAlone({ model, original, weights }: ResolvedOptions): boolean {
  const ownPort = !isTfjs(model) && builtInModel(model) === null;
  return original === null && weights?.kind === "file" && ownPort;
}

/** Options that say how a model is run: a user who gives one expects that it is. */
const RUN_OPTIONS = {
  inputs: "--input",
  taps: "--taps",
  shape: "--shape",
  size: "--size",
  preprocess: "--preprocess",
  reference: "--reference",
} as const satisfies Partial<Record<keyof LayerByLayerOptions, string>>;

function refuseRunOptions(options: LayerByLayerOptions): void {
  for (const [name, flag] of Object.entries(RUN_OPTIONS)) {
    const value = options[name as keyof typeof RUN_OPTIONS];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    throw new InputError(
      "option",
      `${flag}: means nothing where only weights are compared; give the model they belong to as --original`,
    );
  }
}

/**
 * Compares the weights alone: the port is built with a file's tensors by their names, and its variables
 * are held against the file, bit for bit. Nothing is run, since nobody says how.
 */
export class WeightsAloneCheck {
  readonly #options: LayerByLayerOptions;
  readonly #resolved: ResolvedOptions;
  readonly #memory = new MemoryWatch(() => [this.#thread?.pid]);
  #thread: PortThread | undefined;
  #weights: OpenedWeights | undefined;

  constructor(options: LayerByLayerOptions, resolved: ResolvedOptions) {
    this.#options = options;
    this.#resolved = resolved;
  }

  /** @throws {InputError} when the file or the port is unusable, or the port shows no variables */
  async run(started: number): Promise<LayerByLayerResult> {
    refuseRunOptions(this.#options);
    const { model: name } = this.#resolved;
    const kind = name.startsWith("runner:") ? "runner" : "file";
    this.#thread = startPort(this.#resolved, { kind, name });
    const { path } = this.#resolved.weights as { readonly path: string };
    const weights = await openWeightsAlone(path);
    this.#weights = weights;
    const read = performance.now() - started;
    const facts = await this.#thread.facts;
    if (!facts.hasVariables) {
      throw new InputError(
        "port",
        `${this.#resolved.model}: has no variables(), so its weights cannot be compared with ${path}; add it, or give the model as --original`,
      );
    }
    const run = await this.#build(weights);
    const timings = { read, lower: 0, reference: 0, port: run.buildMs, compare: 0 };
    return {
      ...this.#result(weights, run, facts.runtime),
      timings: { ...timings, total: performance.now() - started },
      memory: { peak: this.#memory.stop() },
    };
  }

  async close(): Promise<void> {
    this.#memory.stop();
    await this.#thread?.close();
    this.#weights?.store.close();
  }

  #build(weights: OpenedWeights): Promise<PortRun> {
    const context = { width: 0, height: 0, channels: 0, batch: this.#resolved.batch };
    return (this.#thread as PortThread).run(
      {
        mode: "cumulative",
        buildOnly: true,
        context: { ...context, inputs: [], options: {} },
        weights: weights.store.description,
        verify: true,
        plan: { taps: [] },
        states: new TapStates(0).buffer,
        scratchFd: -1,
        inputs: [],
        originalLayout: "nchw",
        images: null,
        tolerance: null,
        pairs: {},
      },
      () => undefined,
    );
  }

  #result(
    weights: OpenedWeights,
    run: PortRun,
    runtime: "tfjs" | "plain",
  ): Omit<LayerByLayerResult, "timings" | "memory"> {
    const faults = this.#faults(run);
    const equal = run.weights.filter(({ state }) => state === "equal").length;
    const none = { compared: 0, total: 0 };
    const nothing = weights.store.specs.length === 0;
    return {
      schema: RESULT_SCHEMA,
      verdict: faults.length > 0 || nothing ? "differs" : "same",
      command: commandLine(this.#options),
      model: this.#resolved.model,
      original: weights.name,
      weights: weights.name,
      inputs: [],
      size: { width: 0, height: 0, channels: 0, batch: this.#resolved.batch },
      inputShapes: {},
      options: {},
      reference: { name: "none", version: "", options: {} },
      backend: runtime === "plain" ? "plain" : this.#resolved.backend,
      tolerance: "bound",
      coverage: {
        taps: none,
        elements: none,
        weights: { compared: equal, total: weights.store.specs.length },
        covered: [],
        uncovered: [],
        unpaired: [],
        excluded: [],
      },
      weightsChecked: "verified",
      alignment: { by: "id", pairs: [] },
      taps: [],
      faults,
      warnings: [
        ...weights.warnings,
        "no --original: the weights alone were compared, no layer was run",
      ],
    };
  }

  #faults({ weightsFault, weights }: PortRun): Fault[] {
    const wrong =
      weightsFault === null
        ? weights
            .filter(({ state }) => state !== "equal")
            .map(({ name, evidence }) => ({ place: name, evidence }))
        : [{ place: weightsFault.weight, evidence: weightsFault.message }];
    const reproduce = commandLine(this.#options);
    return wrong.map(
      ({ place, evidence }): Fault => ({
        component: "weights",
        layer: null,
        place,
        evidence,
        cause: null,
        reproduce,
      }),
    );
  }
}
