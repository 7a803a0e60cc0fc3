import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { InputError } from "../errors.js";
import type { DarknetArchitecture } from "../formats/darknet/architecture.js";
import { writeDarknetWeights } from "../formats/darknet/weights-writer.js";
import { weightsHash } from "../record/golden-writer.js";
import type { ReferenceCache } from "../record/reference-cache.js";
import {
  type Golden,
  openGolden,
  readManifest,
  requireSameUse,
} from "../references/golden/open-golden.js";
import { runnerCommand, torchModule } from "../references/runner/installed.js";
import type { NamedTensors } from "../references/runner/protocol.js";
import { RunnerClient, type RunnerFacts } from "../references/runner/runner-client.js";
import { type RunnerOriginal, RunnerReference } from "../references/runner/runner-reference.js";
import { recordRunner } from "../references/runner/runner-trace.js";
import type { ReferenceTrace } from "../references/trace.js";
import type { Tensor } from "../tensor/tensor.js";
import { cachedParts, cacheKeyOf, fileHash } from "./cached-reference.js";
import type { ResolvedOptions } from "./options.js";
import type { OpenedWeights, Original } from "./originals/original.js";

type Dialect = ResolvedOptions["darknet"];

/** What a reference is run on. */
export interface TraceRequest {
  readonly resolved: ResolvedOptions;
  readonly original: Original;
  /** Path of the original's file. */
  readonly originalPath: string;
  readonly weights: OpenedWeights;
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Longest time of one call, in milliseconds. */
  readonly timeoutMs?: number;
  /** Code inside a model file may run. */
  readonly trust?: boolean;
  readonly signal?: AbortSignal;
  /** Where a runner's values are kept and looked for; default: nowhere. */
  readonly cache?: ReferenceCache;
}

/** A trace, and what its reference says of itself. */
export interface OpenedTrace extends ReferenceTrace {
  /** `darknet`, `keras`, …: who computed it. */
  readonly library: string;
  readonly facts: Pick<RunnerFacts, "version" | "build" | "commit">;
  /** A golden of a training pass, which has gradients to judge; its taps are of that pass and are compared with none. */
  readonly training?: Golden;
}

/**
 * The values that a reference other than the embedded one gives: a golden's, or those of a runner that is run once.
 *
 * @param reference - `golden:DIR`, `darknet`, `runner:COMMAND`, `pytorch:MODULE.py:FUNCTION`
 * @throws {InputError} when a golden is damaged or of something else, or the runner refuses the original
 * @throws {UnavailableError} when the runner is not installed, crashes or hangs
 */
export async function openTrace(reference: string, request: TraceRequest): Promise<OpenedTrace> {
  const folder = goldenFolder(reference);
  if (folder !== null) return goldenTrace(folder, reference, request);
  const client = await startRunner(reference, request);
  try {
    const trace = await keptTrace(reference, client, request);
    return { ...trace, name: reference, library: client.facts.name, facts: client.facts };
  } finally {
    await client.close();
  }
}

/** Starts the runner of a reference. @throws {UnavailableError} when it is not installed */
export function startRunner(reference: string, request: TraceRequest): Promise<RunnerClient> {
  return RunnerClient.start(runnerCommand(reference), {
    ...(request.timeoutMs === undefined ? {} : { timeoutMs: request.timeoutMs }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
}

/** What was recorded when all but the port was the same, or else what the runner gives now. */
async function keptTrace(
  reference: string,
  client: RunnerClient,
  request: TraceRequest,
): Promise<ReferenceTrace> {
  const { cache } = request;
  const key = cache === undefined ? null : cacheKeyOf(reference, client.facts, request);
  const kept = key === null ? null : cache?.read(key);
  if (kept != null) return kept;
  const scratch = mkdtempSync(join(tmpdir(), "difftest-reference-"));
  try {
    const trace = await runnerTrace(client, request, scratch);
    if (key !== null) cache?.write(key, cachedParts(client.facts, request, trace));
    return trace;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Folder of a `golden:DIR`, or `null` for another reference. */
function goldenFolder(reference: string): string | null {
  return reference.startsWith("golden:") ? reference.slice("golden:".length) : null;
}

/** Whose rules a Darknet golden was recorded by; `undefined` where it has no rules of that kind. */
export function goldenDialect(reference: string): Dialect | undefined {
  const folder = goldenFolder(reference);
  if (folder === null) return undefined;
  const { darknet } = readManifest(folder).reference.options;
  return darknet === "alexeyab" || darknet === "pjreddie" ? darknet : undefined;
}

function goldenTrace(folder: string, reference: string, request: TraceRequest): OpenedTrace {
  const recorded = goldenDialect(reference);
  if (recorded !== undefined && recorded !== request.resolved.darknet) {
    throw new InputError(
      "option",
      `${reference}: was recorded by ${recorded}'s rules, the original is read by ${request.resolved.darknet}'s; add --darknet ${recorded}`,
    );
  }
  const golden = openGolden(folder);
  requireSameUse(golden, {
    original: fileHash(request.originalPath),
    weights: weightsHash(request.weights.store),
    inputs: request.inputs,
  });
  requireSameShapes(reference, golden, request.original);
  const { name, version, build, commit } = golden.manifest.reference;
  const facts = {
    version,
    ...(build === undefined ? {} : { build }),
    ...(commit === undefined ? {} : { commit }),
  };
  const trace = { ...golden, name: reference, library: name, facts };
  if (golden.manifest.training === undefined) return trace;
  return { ...trace, taps: [], read: () => undefined, training: golden };
}

/** A golden recorded at another size has the same original and other shapes. */
function requireSameShapes(
  reference: string,
  { manifest }: ReturnType<typeof openGolden>,
  { architecture }: Original,
): void {
  const operations = new Map(architecture.operations.map((one) => [one.id, one]));
  for (const { id, shape } of manifest.taps) {
    const operation = operations.get(id);
    if (operation !== undefined && `${operation.shape}` === `${shape}`) continue;
    const found = operation === undefined ? "no such tap" : `shape [${operation.shape}]`;
    throw new InputError(
      "shape",
      `${reference}: its tap ${id} has shape [${shape}], this run has ${found}; record it again with the same options`,
    );
  }
}

async function runnerTrace(
  client: RunnerClient,
  request: TraceRequest,
  scratch: string,
): Promise<ReferenceTrace> {
  const { architecture } = request.original;
  const reference = await openInRunner(client, request, scratch);
  return await recordRunner(
    reference,
    request.inputs,
    architecture.operations,
    architecture.layout ?? "nchw",
  );
}

/**
 * Opens the original with its weights in a runner.
 *
 * @param scratch - folder for a file of made-up weights
 */
export async function openInRunner(
  client: RunnerClient,
  request: TraceRequest,
  scratch: string,
): Promise<RunnerReference> {
  const { original, resolved } = request;
  const module = torchModule(client.name);
  if (module !== null) return await openModule(client, module, request);
  requireDialect(client, resolved.darknet, original.architecture);
  const { tensors, ...weights } = weightsFor(request, scratch);
  const opened: RunnerOriginal = {
    original: resolve(request.originalPath),
    ...weights,
    ...sizeFor(original, resolved),
    ...(request.trust === true ? { trust: true } : {}),
  };
  return await RunnerReference.open(client, opened, tensors);
}

/** A PyTorch module that somebody wrote of the original: it gets the original's weights by their names. */
async function openModule(
  client: RunnerClient,
  module: string,
  { original, weights, trust }: TraceRequest,
): Promise<RunnerReference> {
  const { specs } = weights.store;
  const opened = {
    original: resolve(module),
    shapes: shapesOf(original),
    ...(trust === true ? { trust } : {}),
  };
  return await RunnerReference.open(
    client,
    opened,
    new Map(specs.map(({ name }) => [name, weights.store.read(name)])),
  );
}

/** A library has one dialect; values by the other's rules would only show the difference of the two. */
function requireDialect(
  client: RunnerClient,
  wanted: string,
  architecture: Original["architecture"],
): void {
  const own = client.facts.fields["dialect"];
  if (!isDarknet(architecture) || typeof own !== "string" || own === wanted) return;
  throw new InputError(
    "option",
    `reference ${client.name}: is ${own}'s library, the original is read by ${wanted}'s rules; add --darknet ${own}`,
  );
}

function isDarknet(architecture: Original["architecture"]): architecture is DarknetArchitecture {
  return "records" in architecture;
}

/** Weights files that the original's own library reads. */
const OWN_WEIGHTS = /\.(h5|hdf5|keras|safetensors|pt|pth)$/i;

/** Weights as the file given, which the library shall read itself; others as a file made for it, or as tensors. */
function weightsFor(
  { weights, resolved, original, originalPath }: TraceRequest,
  scratch: string,
): Pick<RunnerOriginal, "weights"> & { readonly tensors?: NamedTensors } {
  const { architecture } = original;
  const given = resolved.weights?.kind === "file" ? resolved.weights.path : undefined;
  if (isDarknet(architecture)) {
    if (given !== undefined) return { weights: resolve(given) };
    const path = join(scratch, "made-up.weights");
    writeDarknetWeights(path, architecture, (name) => weights.store.read(name).data);
    return { weights: path };
  }
  if (given !== undefined && OWN_WEIGHTS.test(given)) return { weights: resolve(given) };
  if (weights.name === originalPath) return {};
  const { specs } = weights.store;
  return { tensors: new Map(specs.map(({ name }) => [name, weights.store.read(name)])) };
}

function sizeFor(
  { architecture, network }: Original,
  resolved: ResolvedOptions,
): Pick<RunnerOriginal, "batch" | "width" | "height" | "shapes"> {
  const batch = architecture.inputs[0]?.shape[0] ?? resolved.batch;
  if (isDarknet(architecture)) return { batch, width: network.width, height: network.height };
  return { batch, shapes: shapesOf({ architecture }) };
}

function shapesOf({
  architecture,
}: Pick<Original, "architecture">): RunnerOriginal["shapes"] & object {
  return Object.fromEntries(architecture.inputs.map(({ name, shape }) => [name, shape]));
}
