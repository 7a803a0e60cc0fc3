/**
 * The thread that runs a port: loads its module, builds it, runs it once and reports every tap.
 *
 * A thread of its own because a port may compute for seconds and its `tap` sleeps until the
 * reference's values are there.
 */
import { parentPort, workerData } from "node:worker_threads";
import { InputError, UnavailableError } from "../errors.js";
import { MODELS } from "../models/registry.js";
import type { PlainTensor, PortTensor, PortVariable } from "../port/port.js";
import { TapStates } from "../references/tap-plan.js";
import { loadBackend } from "../runtime/load-backend.js";
import { convertLayout } from "../tensor/layout.js";
import { sizeOf, tensor } from "../tensor/tensor.js";
import { openWeightStore } from "../weights/open-weight-store.js";
import type { WeightStore } from "../weights/weight-store.js";
import { checkVariables } from "./check-variables.js";
import { Handover } from "./handover.js";
import { checkPort, type LoadedPort, loadPort, oneLine, placeIn } from "./load-port.js";
import type {
  FromPort,
  PipelineRecord,
  PortJob,
  PortStart,
  WeightRecord,
} from "./port-messages.js";
import { CountedWeights, WeightsFault } from "./port-weights.js";
import { ReferenceGone, TapRecorder } from "./recorder.js";
import { RunnerPort } from "./runner-port.js";
import { tensorFor, valuesOf } from "./tensor-kinds.js";
import { TfObserver } from "./tf-observer.js";

/** An exception that the port threw while it ran. */
class ForwardError extends InputError {}

const parent = parentPort;
if (parent === null) throw new Error("port-worker is started as a worker thread only");
const start = workerData as PortStart;
const post = (message: FromPort): void => parent.postMessage(message);

let runner: RunnerPort | undefined;

try {
  const port = await load();
  await prepare(port);
  const job = new Promise<PortJob>((resolve) => parent.once("message", resolve));
  post({
    type: "facts",
    facts: {
      name: port.name,
      original: port.original,
      layout: port.layout,
      runtime: port.runtime,
      foreign: runner !== undefined,
      hasVariables: port.variables !== undefined,
      hasPreprocess: port.preprocess !== undefined,
    },
  });
  await run(port, await job);
} catch (error) {
  post(failure(error));
} finally {
  await runner?.close();
  Atomics.store(new Int32Array(start.runner.pid), 0, 0);
}

async function load(): Promise<LoadedPort> {
  const { source } = start;
  switch (source.kind) {
    case "runner": {
      const { timeoutMs, pid, files } = start.runner;
      const onSpawn = (id: number) => void Atomics.store(new Int32Array(pid), 0, id);
      runner = await RunnerPort.start(source.name, { timeoutMs, onSpawn, files });
      return runner.port;
    }
    case "file":
      return await loadPort(source.name);
    case "tfjs": {
      const { layersPort } = await import("../models/tfjs/layers-port.js");
      return layersPort(source.name, source.topology);
    }
    case "tfjs-folder": {
      const { folderPort } = await import("../models/tfjs/folder-port.js");
      return await folderPort(source.folder, source.layers);
    }
    case "built-in": {
      const model = MODELS.find(({ id }) => id === source.name);
      return checkPort(await model?.load(), source.name);
    }
  }
}

async function prepare(port: LoadedPort): Promise<void> {
  if (port.runtime === "tfjs") await loadBackend(start.backend);
}

async function run(port: LoadedPort, job: PortJob): Promise<void> {
  const store = openWeightStore(job.weights);
  const observer = port.runtime === "tfjs" ? new TfObserver() : undefined;
  try {
    const weights = new CountedWeights(store);
    if (runner !== undefined) runner.mode = job.mode;
    const started = performance.now();
    observer?.watchWeights(weights);
    const model = await port.build(weights, job.context);
    const buildMs = performance.now() - started;
    post({ type: "weights", records: weightRecords(port, model, weights, store, job.verify) });
    if (job.buildOnly === true) {
      post({ type: "done", buildMs, forwardMs: 0, ignored: [], provenance: {} });
      return;
    }
    const recorder = new TapRecorder({
      mode: job.mode,
      plan: job.plan,
      states: new TapStates(job.states),
      scratchFd: job.scratchFd,
      layout: port.layout,
      pairs: job.pairs,
      handover: new Handover(job.handover),
      onTap: (sent) => post({ type: "tap", sent }),
    });
    const input = await inputsOf(port, job);
    const before = performance.now();
    try {
      observer?.watchTaps(recorder);
      await port.forward(model, input as never, recorder.tap);
    } catch (error) {
      throw afterTap(error, recorder.last);
    }
    const forwardMs = performance.now() - before;
    post({
      type: "done",
      buildMs,
      forwardMs,
      ignored:
        observer?.ignored(recorder) ?? (await ignoredBy(runner, input, job)) ?? recorder.unread,
      provenance: observer?.provenance() ?? {},
    });
  } finally {
    observer?.stop();
    store.close();
  }
}

/** What a program ignores is found by a probe, of an isolated run only: in others nothing is given back. */
async function ignoredBy(
  program: RunnerPort | undefined,
  inputs: Record<string, PortTensor>,
  { mode, plan, pairs }: PortJob,
): Promise<readonly string[] | undefined> {
  if (program === undefined) return undefined;
  if (mode === "cumulative") return [];
  return await program.ignored(inputs as Record<string, PlainTensor>, plan, pairs);
}

/** The model's inputs: of an image the port's own preprocessing where it has one, else the reference's arrays. */
async function inputsOf(port: LoadedPort, job: PortJob): Promise<Record<string, PortTensor>> {
  const [first] = job.inputs;
  const own = await preprocessed(port, job);
  if (own !== undefined && first !== undefined)
    post({ type: "pipeline", record: { ...own, expectedShape: first.shape } });
  const names = inputNames(port, job);
  return Object.fromEntries(
    job.inputs.map((input, k) => {
      const fits = k === 0 && own !== undefined && `${own.shape}` === `${input.shape}`;
      const data = job.mode !== "isolated" && fits ? own.values : input.data;
      const given = convertLayout(tensor(input.shape, data), input.layout, port.layout);
      return [names[k], tensorFor(port.runtime, given.data, given.shape, input.type)];
    }),
  );
}

/** The port's names of the original's inputs: the same, or those it declares, in its order. */
function inputNames(port: LoadedPort, { inputs }: PortJob): string[] {
  const original = inputs.map(({ name }) => name);
  const own = port.inputs?.map(({ name }) => name) ?? original;
  if (own.length !== original.length) {
    throw new InputError(
      "port",
      `${start.source.name}: inputs are ${own.join(", ")}, the original has ${original.join(", ")}`,
    );
  }
  // Where the names are the original's in another order, they say which is which.
  return original.every((name) => own.includes(name)) ? original : own;
}

/** What the port's preprocessing makes of the images, in the original's layout, one after the other along the batch. */
async function preprocessed(
  port: LoadedPort,
  { images, context, inputs, originalLayout }: PortJob,
): Promise<Omit<PipelineRecord, "expectedShape"> | undefined> {
  if (port.preprocess === undefined || images === null) return undefined;
  const parts: { shape: readonly number[]; data: Float32Array }[] = [];
  for (const image of images) {
    const made = valuesOf(await port.preprocess(image, context), "preprocess");
    const batched = made.shape.length === 3 ? [1, ...made.shape] : made.shape;
    const layout = inputs[0]?.layout ?? originalLayout;
    parts.push(convertLayout(tensor(batched, made.data), port.layout, layout));
  }
  const first = parts[0] as { shape: readonly number[] };
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part.data, at);
    at += part.data.length;
  }
  return { shape: [parts.length, ...first.shape.slice(1)], values };
}

function weightRecords(
  port: LoadedPort,
  model: unknown,
  weights: CountedWeights,
  store: WeightStore,
  verify: boolean,
): WeightRecord[] {
  const variables = verify
    ? (port.variables?.(model as never) as Record<string, PortVariable> | undefined)
    : undefined;
  if (port.ownWeights === true) {
    return store.specs.map(({ name, shape }) => ({
      name,
      state: "own",
      evidence: "",
      elements: sizeOf(shape),
    }));
  }
  return checkVariables(store, weights.taken, variables);
}

/** Adds to an exception of the port where in its run it happened. */
function afterTap(error: unknown, last: string | undefined): unknown {
  if (
    error instanceof InputError ||
    error instanceof WeightsFault ||
    error instanceof ReferenceGone ||
    error instanceof UnavailableError
  )
    return error;
  const where = last === undefined ? "before its first tap" : `after tap "${last}"`;
  return new ForwardError(
    "port",
    `${start.source.name}: forward failed ${where}: ${oneLine(error)}`,
    { cause: error },
  );
}

function failure(error: unknown): FromPort {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const base = { type: "failed", message: oneLine(error), stack, place: "" } as const;
  if (error instanceof WeightsFault)
    return { ...base, kind: "weights", code: error.weight, place: placeOf(error) };
  if (error instanceof ReferenceGone)
    return { ...base, kind: "reference", code: "reference-crashed" };
  if (error instanceof UnavailableError) return { ...base, kind: "unavailable", code: error.code };
  if (error instanceof InputError) {
    const kind = error instanceof ForwardError ? "forward" : "input";
    const place = placeOf(error.cause ?? error);
    // Whoever could not load the module has looked the place up already.
    return { ...base, kind, code: error.code, place: base.message.includes(place) ? "" : place };
  }
  if (start.source.kind !== "built-in") {
    const message = `${start.source.name}: ${oneLine(error)}`;
    return { ...base, message, kind: "input", code: "port", place: placeOf(error) };
  }
  return { ...base, kind: "bug", code: "bug" };
}

function placeOf(error: unknown): string {
  return start.source.kind === "file" ? placeIn(error, fileOf(start.source.name)) : "";
}

function fileOf(name: string): string {
  return name.startsWith("/") ? name : `${process.cwd()}/${name.replace(/^\.\//, "")}`;
}
