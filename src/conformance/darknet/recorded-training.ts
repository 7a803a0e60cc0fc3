import { existsSync } from "node:fs";
import { join } from "node:path";
import { jsonNumber } from "../../checks/result.js";
import { InputError } from "../../errors.js";
import type { DarknetArchitecture } from "../../formats/darknet/architecture.js";
import type { TrainingParts } from "../../record/golden-writer.js";
import { type Tensor, tensor } from "../../tensor/tensor.js";
import {
  type RecordedTensor,
  type Recording,
  readFloats,
  readJson,
  recordingOf,
} from "./live/recording.js";
import type { DarknetManifest } from "./manifest.js";

/** What the suite calls a gradient, by the roles that a layer's weights have here. */
const UPDATE_ROLES: Readonly<Record<string, readonly string[]>> = {
  weight_updates: ["kernel", "weights", "value"],
  bias_updates: ["bias"],
  scale_updates: ["scale"],
};

/**
 * What a build computed in a training pass of a case: truth, costs, deltas and gradients, or the parameters after each
 * step. `undefined` for a case that is no training pass.
 */
export function trainingOf(
  folder: string,
  manifest: DarknetManifest,
  oracle: string,
  architecture: DarknetArchitecture,
): TrainingParts | undefined {
  const recording = recordingOf(folder, manifest, oracle);
  if (typeof recording === "string" || manifest.area !== "C") return undefined;
  const { steps } = recording.manifest;
  if (steps === undefined && recording.gradients.length === 0) return undefined;
  const source = truthFile(folder, oracle);
  const truth = readFloats(folder, source);
  const parts =
    steps === undefined ? passOf(folder, recording, architecture) : stepsOf(folder, recording);
  return {
    seen: recording.cost?.seenUsed ?? 0,
    truth: { source },
    costs: costsOf(recording, architecture),
    values: [["truth", tensor([truth.length], truth)], ...parts],
    ...(steps === undefined ? {} : { steps: ratesOf(folder, oracle) }),
  };
}

function truthFile(folder: string, oracle: string): string {
  const own = `truth-${oracle}.npy`;
  return existsSync(join(folder, own)) ? own : "truth.npy";
}

type Values = (readonly [string, Tensor])[];

function passOf(
  folder: string,
  { deltas, gradients }: Recording,
  architecture: DarknetArchitecture,
): Values {
  const values: Values = deltas.map((delta) => [
    `delta:${layerOf(architecture, delta)}`,
    storedValue(folder, delta),
  ]);
  for (const gradient of gradients) {
    const name = updateOf(architecture, gradient);
    if (name !== undefined) values.push([`update:${name}`, storedValue(folder, gradient)]);
  }
  return values;
}

/** Weight or input that a gradient is of; `undefined` for the buffers and statistics that the suite records beside. */
function updateOf(architecture: DarknetArchitecture, gradient: RecordedTensor): string | undefined {
  if (gradient.name === "input_delta") return architecture.inputs[0]?.name;
  const roles = UPDATE_ROLES[gradient.name ?? ""];
  if (roles === undefined) return undefined;
  const id = layerOf(architecture, gradient);
  const known = new Set(architecture.weights.map(({ name }) => name));
  const name = roles.map((role) => `${id}/${role}`).find((one) => known.has(one));
  if (name !== undefined) return name;
  // A layer with another one's weights (`share_index`): they are recorded there.
  const operations = architecture.operations.filter(({ layer }) => layer === gradient.index);
  if (operations.some(({ weights }) => roles.some((role) => role in weights))) return undefined;
  throw new InputError("format", `${gradient.file}: ${id} has no weight of role ${roles[0]}`);
}

function layerOf(architecture: DarknetArchitecture, { index, file }: RecordedTensor): string {
  const id = architecture.layers[index]?.id;
  if (id !== undefined) return id;
  throw new InputError("format", `${file}: layer ${index} is not in its network`);
}

function storedValue(folder: string, { file = "", shape }: RecordedTensor): Tensor {
  return tensor(shape, readFloats(folder, file));
}

function stepsOf(folder: string, { layers }: Recording): Values {
  return layers.map((layer) => [`step:${layer.index}`, storedValue(folder, layer)]);
}

function ratesOf(folder: string, oracle: string): NonNullable<TrainingParts["steps"]> {
  const own = `steps-${oracle}.json`;
  const file = existsSync(join(folder, own)) ? own : "steps.json";
  const steps = readJson(folder, file) as readonly { cost: number; rate: number }[];
  return steps.map(({ cost, rate }) => ({ cost: jsonNumber(cost), rate: jsonNumber(rate) }));
}

function costsOf({ cost }: Recording, architecture: DarknetArchitecture): TrainingParts["costs"] {
  const layers = Object.entries(cost?.layers ?? {});
  return Object.fromEntries(
    layers.map(([index, value]) => [
      architecture.layers[Number(index)]?.id ?? index,
      jsonNumber(Number(value)),
    ]),
  );
}
