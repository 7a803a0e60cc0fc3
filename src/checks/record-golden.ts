import { basename } from "node:path";
import { InputError } from "../errors.js";
import { readModelInputs } from "../inputs/model-inputs.js";
import {
  checkGoldenFolder,
  type GoldenParts,
  weightsHash,
  writeGolden,
} from "../record/golden-writer.js";
import type { GoldenManifest } from "../references/golden/manifest.js";
import { EmbeddedReference } from "../references/onnxruntime/embedded-reference.js";
import { OnnxRuntimeProcess } from "../references/onnxruntime/onnxruntime-process.js";
import { ownVersion } from "../runtime/own-version.js";
import { readExactly } from "../runtime/scratch-file.js";
import { sizeOf, type Tensor, tensor } from "../tensor/tensor.js";
import { fileHash } from "./cached-reference.js";
import { EMBEDDED } from "./embedded.js";
import { type LayerByLayerOptions, resolveOptions } from "./options.js";
import { builtInModel, configPath } from "./original.js";
import { openOriginalFile } from "./originals/formats.js";
import { recordTraining } from "./record-training.js";
import { openTrace, type TraceRequest } from "./reference-traces.js";

/** Options of `recordGolden`, spelled as on the command line. */
export interface RecordOptions
  extends Pick<
    LayerByLayerOptions,
    | "original"
    | "weights"
    | "inputs"
    | "shape"
    | "preprocess"
    | "byName"
    | "size"
    | "batch"
    | "taps"
    | "lenient"
    | "darknet"
    | "letterbox"
    | "signal"
  > {
  /** A built-in model, whose original is recorded; or `original`. */
  readonly model?: string;
  /** `onnxruntime` (default), `darknet`, `runner:COMMAND`. */
  readonly reference?: string;
  /** Folder to write. */
  readonly out: string;
  /** Longest time of one call to a runner, in milliseconds. */
  readonly timeoutMs?: number;
  readonly trust?: boolean;
  /** A .npy file of the truth in the library's own form: then a training pass is recorded, gradients included. */
  readonly truth?: string;
  /** Why it is kept, for people. */
  readonly note?: string;
}

/**
 * Runs the original in a reference and writes what every tap gave as a golden. The same call gives the same bytes.
 *
 * @throws {InputError} when an option, a file or the folder is unusable
 * @throws {UnavailableError} when the reference is not installed or fails
 */
export async function recordGolden(options: RecordOptions): Promise<GoldenManifest> {
  const reference = options.reference ?? EMBEDDED;
  if (reference.startsWith("golden:")) {
    throw new InputError("option", `--reference ${reference}: is a recording already`);
  }
  checkGoldenFolder(options.out);
  const resolved = resolveOptions({ ...options, model: options.model ?? "" });
  const path = originalPath(options);
  const name = basename(path);
  const model = options.model === undefined ? null : builtInModel(options.model);
  const original = await openOriginalFile({ path, name, model, options: resolved });
  const weights = await original.openWeights();
  try {
    if (weights.lastLayer !== null) {
      throw new InputError("option", `${weights.name}: a part of the weights cannot be recorded`);
    }
    const inputs = await readModelInputs(
      resolved.inputs,
      original.architecture.inputs,
      original.inputOptions,
    );
    const request: TraceRequest = {
      resolved,
      original,
      originalPath: path,
      weights,
      inputs: inputs.tensors,
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      ...(options.trust === undefined ? {} : { trust: options.trust }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
    const recorded =
      options.truth === undefined
        ? await recordedBy(reference, request)
        : await recordTraining(reference, request, options.truth);
    return writeGolden(options.out, {
      recorder: { name: "difftest", version: ownVersion() },
      original: { file: name, sha256: fileHash(path) },
      weights: { source: sourceOf(weights.name), sha256: weightsHash(weights.store) },
      inputs: [...inputs.tensors].map(([input, value], at) => ({
        name: input,
        source: inputSource(options, input, at),
        value,
      })),
      ...recorded,
      ...(options.note === undefined ? {} : { note: options.note }),
    });
  } finally {
    weights.store.close();
  }
}

type Recorded = Pick<GoldenParts, "reference" | "taps" | "layout" | "outputs">;

/** What a reference gives. An original that runs as it is tells its layers only then, whoever is recorded. */
async function recordedBy(reference: string, request: TraceRequest): Promise<Recorded> {
  const { original, weights, inputs } = request;
  if (reference !== EMBEDDED && original.run === undefined) {
    return await recordOther(reference, request);
  }
  const process = await OnnxRuntimeProcess.start(weights.store.description);
  try {
    const run = (await original.run?.(process, inputs)) ?? {
      architecture: original.architecture,
      reference: new EmbeddedReference(process, original.architecture),
    };
    const known = { ...request, original: { ...original, architecture: run.architecture } };
    return reference === EMBEDDED
      ? await recordEmbedded(process, run.reference, known)
      : await recordOther(reference, known);
  } finally {
    await process.close();
  }
}

/** Every operation of the original. */
async function recordEmbedded(
  process: OnnxRuntimeProcess,
  embedded: EmbeddedReference,
  { original: { architecture, referenceOptions }, inputs, resolved }: TraceRequest,
): Promise<Recorded> {
  const operations = architecture.operations.filter(
    ({ id }) => embedded.isOwn(id) && resolved.wantsTap(id),
  );
  const layout = architecture.layout ?? "nchw";
  const prepared = embedded.prepare({
    taps: operations.map(({ id }) => id),
    cut: new Set(),
    layout,
    functionError: null,
    scratch: process.scratch,
    negativeSide: () => false,
  });
  await embedded.record(prepared, inputs, () => undefined);
  const planned = new Map(prepared.plan.taps.map((tap) => [tap.id, tap]));
  const taps = operations.map(({ id, layer, kind }) => {
    const { shape, offset } = planned.get(id) as { shape: readonly number[]; offset: number };
    const data = new Float32Array(sizeOf(shape));
    readExactly(process.scratch.fd, data, offset);
    return { id, layer, kind, value: tensor(shape, data) };
  });
  const version = await process.version();
  const options = referenceOptions as GoldenParts["reference"]["options"];
  const reference = { name: EMBEDDED, version, options };
  return { reference, taps, layout, outputs: architecture.outputs };
}

async function recordOther(reference: string, request: TraceRequest): Promise<Recorded> {
  const { original, resolved } = request;
  const trace = await openTrace(reference, request);
  const operations = original.architecture.operations.filter(
    ({ id }) => resolved.wantsTap(id) && trace.read(id) !== undefined,
  );
  const { version, build, commit } = trace.facts;
  return {
    layout: original.architecture.layout ?? "nchw",
    outputs: original.architecture.outputs,
    reference: {
      name: trace.library,
      version,
      ...(commit === undefined ? {} : { commit }),
      ...(build === undefined ? {} : { build }),
      options: "darknet" in original.referenceOptions ? { darknet: resolved.darknet } : {},
    },
    taps: operations.map(({ id, layer, kind }) => ({
      id,
      layer,
      kind,
      value: trace.read(id) as Tensor,
    })),
  };
}

function originalPath({ model, original }: RecordOptions): string {
  if (original !== undefined) return original;
  const builtIn = model === undefined ? null : builtInModel(model);
  if (builtIn !== null) return configPath(builtIn);
  throw new InputError(
    "option",
    "--original: missing, expected the file that describes the model, or --model with a built-in one",
  );
}

/** A file's name without its folders: a golden shall not depend on where it was recorded. */
function sourceOf(name: string): string {
  return name.startsWith("synthetic:") ? name : basename(name);
}

/** Where the values of an input came from: what was given under its name, or for the only one. */
function inputSource({ inputs = [] }: RecordOptions, name: string, position: number): string {
  const prefix = `${name}=`;
  const named = inputs.filter((text) => text.startsWith(prefix));
  const given = named.length > 0 ? named.map((text) => text.slice(prefix.length)) : inputs;
  if (given.length === 0) return `random:${1 + position}`;
  return given.map((text) => (/^(random|ids):/.test(text) ? text : basename(text))).join(", ");
}
