import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { InputError } from "../errors.js";
import type { DarknetArchitecture } from "../formats/darknet/architecture.js";
import { readNpy } from "../formats/npy/npy-reader.js";
import type { GoldenParts, TrainingParts } from "../record/golden-writer.js";
import type { RunnerClient } from "../references/runner/runner-client.js";
import type { RunnerGradient } from "../references/runner/runner-reference.js";
import { type Tensor, tensor } from "../tensor/tensor.js";
import { EMBEDDED } from "./embedded.js";
import { requireDarknet } from "./gradient/judge-golden.js";
import { openInRunner, startRunner, type TraceRequest } from "./reference-traces.js";
import { jsonNumber } from "./result.js";

type Recorded = Pick<GoldenParts, "reference" | "taps" | "layout" | "outputs" | "training">;

/**
 * Runs one training pass in a reference: its loss, the values of its layers, the deltas of those with a cost, and the
 * gradients of weights and inputs.
 *
 * @param file - .npy file of the truth, in the library's own form
 * @throws {InputError} when the file is unusable, or the original is no Darknet configuration
 * @throws {UnavailableError} when the reference is not installed or fails
 */
export async function recordTraining(
  reference: string,
  request: TraceRequest,
  file: string,
): Promise<Recorded> {
  const architecture = requireDarknet(request.original.architecture, request.originalPath);
  if (reference === EMBEDDED) {
    throw new InputError(
      "option",
      "--truth: the embedded reference has no training pass, expected --reference darknet or another runner that offers gradients",
    );
  }
  const truth = readTruth(file);
  const scratch = mkdtempSync(join(tmpdir(), "difftest-training-"));
  const client = await startRunner(reference, request);
  try {
    const opened = await openInRunner(client, request, scratch);
    const gradient = await opened.gradient(new Map([...request.inputs, ["truth", truth]]));
    return recordedPass(client, request, architecture, gradient, { file, truth });
  } finally {
    await client.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Values in the library's own form: only their number and order matter. */
function readTruth(file: string): Tensor {
  if (!existsSync(file))
    throw new InputError("not-found", `--truth ${file}: there is no such file`);
  const array = readNpy(readFileSync(file), file);
  if (array.dtype !== "float32") {
    throw new InputError("format", `--truth ${file}: is ${array.dtype}, expected float32`);
  }
  return tensor([array.data.length], array.data);
}

function recordedPass(
  { facts }: RunnerClient,
  { resolved, original }: TraceRequest,
  architecture: DarknetArchitecture,
  { loss, tensors }: RunnerGradient,
  given: { readonly file: string; readonly truth: Tensor },
): Recorded {
  const { version, build, commit } = facts;
  const operations = new Map(architecture.operations.map((one) => [one.id, one]));
  const taps = architecture.layers.flatMap(({ id, index }) => {
    const [value, operation] = [tensors.get(id), operations.get(id)];
    if (value === undefined || operation === undefined || !resolved.wantsTap(id)) return [];
    const shaped = tensor(operation.shape, value.data as Float32Array);
    return [{ id, layer: index, kind: operation.kind, value: shaped }];
  });
  const parts = Object.entries(loss.parts).map(([id, cost]) => [id, jsonNumber(cost)] as const);
  return {
    layout: "nchw",
    outputs: architecture.outputs,
    reference: {
      name: facts.name,
      version,
      ...(commit === undefined ? {} : { commit }),
      ...(build === undefined ? {} : { build }),
      options: "darknet" in original.referenceOptions ? { darknet: resolved.darknet } : {},
    },
    taps,
    training: {
      seen: 0,
      truth: { source: basename(given.file) },
      costs: Object.fromEntries(parts),
      values: [["truth", given.truth], ...gradientsIn(architecture, tensors)],
    },
  };
}

/** Deltas, then gradients of weights and inputs, with Darknet's own sign: the protocol's is the other one. */
function gradientsIn(
  { training, weights, inputs }: DarknetArchitecture,
  tensors: RunnerGradient["tensors"],
): TrainingParts["values"] {
  const names = [
    ...training.losses.map(({ id }) => [`delta:${id}`, `d:${id}`] as const),
    ...weights.map(({ name }) => [`update:${name}`, `d:${name}`] as const),
    ...inputs.map(({ name }) => [`update:${name}`, `d:${name}`] as const),
  ];
  return names.flatMap(([name, given]) => {
    const value = tensors.get(given);
    if (value === undefined) return [];
    const data = (value.data as Float32Array).map((one) => -one);
    return [[name, tensor(value.shape, data)] as const];
  });
}
