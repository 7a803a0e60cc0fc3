import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { readNpy } from "../../../formats/npy/npy-reader.js";
import type { NamedTensors } from "../../../references/runner/protocol.js";
import type { RunnerClient } from "../../../references/runner/runner-client.js";
import { RunnerReference, type RunnerTap } from "../../../references/runner/runner-reference.js";
import { type Tensor, tensor } from "../../../tensor/tensor.js";
import type { DarknetManifest } from "../manifest.js";
import { sampledValues } from "../subsample.js";
import type { Comparison } from "./comparison.js";
import {
  type RecordedTensor,
  type Recording,
  readFloats,
  readJson,
  recordedValues,
} from "./recording.js";

/** A case, opened for one library. */
export interface LiveCase {
  readonly root: string;
  readonly folder: string;
  readonly manifest: DarknetManifest;
  readonly recording: Recording;
  /** Weights file; whole models are made up by formula into a temporary one. */
  readonly weights: string | undefined;
  readonly input: Tensor | undefined;
}

/** Opens the case's network in the runner. */
export function openCase(client: RunnerClient, one: LiveCase): Promise<RunnerReference> {
  const cfg =
    one.manifest.cfg === undefined
      ? join(one.folder, "net.cfg")
      : join(one.root, one.manifest.cfg.file);
  const batch = one.input?.shape[0];
  return RunnerReference.open(client, {
    original: resolve(cfg),
    ...(one.weights === undefined ? {} : { weights: resolve(one.weights) }),
    ...(batch === undefined ? {} : { batch }),
  });
}

/** Areas A, B, F: every layer, a second call where the network remembers, and boxes. */
export async function checkLayers(
  client: RunnerClient,
  one: LiveCase,
  comparison: Comparison,
): Promise<void> {
  const { recording, folder } = one;
  if (one.input === undefined) {
    await checkDetectionLists(client, one, comparison);
    return;
  }
  const reference = await openCase(client, one);
  const inputs = new Map([["input", one.input]]);
  const taps = await reference.run(inputs);
  compareTaps(one, comparison, reference.description.taps, recording.layers, taps, "");
  if (recording.second.length > 0) {
    const second = await reference.run(inputs, { state: "keep" });
    const { description } = reference;
    compareTaps(one, comparison, description.taps, recording.second, second, "second call, ");
  }
  if (recording.boxes !== undefined)
    await checkBoxes(reference, one, taps, comparison, readJson(folder, recording.boxes));
}

function compareTaps(
  { folder, recording }: LiveCase,
  comparison: Comparison,
  taps: readonly RunnerTap[],
  expected: readonly RecordedTensor[],
  actual: NamedTensors,
  prefix: string,
): void {
  for (const layer of expected) {
    const tap = taps[layer.index];
    const value = tap === undefined ? undefined : actual.get(tap.id);
    const what = `${prefix}layer ${layer.index} (${layer.type})`;
    comparison.equal(`${what}, shape`, value?.shape, layer.shape);
    if (value === undefined) continue;
    const data = value.data as Float32Array;
    comparison.values(
      what,
      layer.stored === "subsample4096" ? sampledValues(data, layer.index) : data,
      recordedValues(folder, layer, recording.npz),
    );
  }
}

/** One detection as the suite stores it. */
interface Detection {
  readonly bbox: readonly number[];
  readonly objectness: number;
  readonly prob: readonly number[];
}

/** Kinds of NMS as the suite names them, in the protocol's words. */
const NMS_KINDS = ["sort", "obj", "greedy", "diou", "corners"];

async function checkBoxes(
  reference: RunnerReference,
  one: LiveCase,
  taps: NamedTensors,
  comparison: Comparison,
  boxes: unknown,
): Promise<void> {
  const recorded = boxes as Readonly<Record<string, unknown>>;
  const params = (recorded["params"] ?? one.recording.manifest.params ?? {}) as Readonly<
    Record<string, number>
  >;
  const heads = new Map(
    reference.description.outputs.flatMap((id) => {
      const value = taps.get(id);
      return value === undefined ? [] : [[id, value] as const];
    }),
  );
  const fields = {
    image: { width: params["imageWidth"], height: params["imageHeight"] },
    thresh: params["thresh"],
    options: {
      hier: params["hier"],
      relative: params["relative"] !== 0,
      letter: params["letter"] === 1,
    },
  };
  const beta = params["beta_nms"] ?? params["beta"] ?? 0.6;
  for (const kind of ["before", ...nmsKinds(one)]) {
    const expected = recorded[kind] ?? (recorded["after"] as never)?.[kind];
    if (!Array.isArray(expected)) continue;
    const nms = kind === "before" ? {} : { nms: { kind, thresh: params["nms"], beta } };
    const { tensors } = await reference.call("post", { ...fields, ...nms }, heads);
    compareDetections(`boxes ${kind}`, tensors, expected as Detection[], comparison);
  }
}

function nmsKinds({ recording }: LiveCase): readonly string[] {
  return recording.library === "pjreddie" ? NMS_KINDS.slice(0, 2) : NMS_KINDS;
}

async function checkDetectionLists(
  client: RunnerClient,
  one: LiveCase,
  comparison: Comparison,
): Promise<void> {
  if (!existsSync(join(one.folder, "detections.json")) || one.recording.boxes === undefined) return;
  const listed = readJson(one.folder, "detections.json");
  const list = (Array.isArray(listed) ? listed : (listed as never)["detections"]) as Detection[];
  const recorded = readJson(one.folder, one.recording.boxes) as Readonly<Record<string, unknown>>;
  const kinds = recorded["kinds"] as Readonly<Record<string, Detection[]>>;
  for (const kind of nmsKinds(one)) {
    const expected = kinds[kind];
    if (expected === undefined) continue;
    const nms = { kind, thresh: recorded["thresh"], beta: recorded["beta_nms"] };
    const { tensors } = await client.call("post", { nms }, tensorsOf(list));
    compareDetections(`list ${kind}`, tensors, expected, comparison);
  }
}

function tensorsOf(list: readonly Detection[]): NamedTensors {
  const classes = list[0]?.prob.length ?? 0;
  const values = (of: (one: Detection) => readonly number[]) => Float32Array.from(list.flatMap(of));
  return new Map([
    [
      "boxes",
      tensor(
        [list.length, 4],
        values(({ bbox }) => bbox),
      ),
    ],
    [
      "objectness",
      tensor(
        [list.length],
        values(({ objectness }) => [objectness]),
      ),
    ],
    [
      "probabilities",
      tensor(
        [list.length, classes],
        values(({ prob }) => prob),
      ),
    ],
  ]);
}

/** As sets: the order of equal ones is the C library's. */
function compareDetections(
  what: string,
  actual: NamedTensors,
  expected: readonly Detection[],
  comparison: Comparison,
): void {
  const [boxes, objectness, probabilities] = ["boxes", "objectness", "probabilities"].map(
    (name) => actual.get(name)?.data as Float32Array,
  );
  const count = objectness?.length ?? 0;
  comparison.equal(`${what}, count`, count, expected.length);
  if (count !== expected.length || count === 0) return;
  const classes = (probabilities?.length ?? 0) / count;
  const rows = Array.from({ length: count }, (_, at) => [
    ...(boxes?.slice(4 * at, 4 * at + 4) ?? []),
    objectness?.[at] ?? Number.NaN,
    ...(probabilities?.slice(classes * at, classes * (at + 1)) ?? []),
  ]);
  const wanted = expected.map(({ bbox, objectness: one, prob }) => [...bbox, one, ...prob]);
  comparison.values(what, sorted(rows).flat(), sorted(wanted).flat());
}

/** Rows ordered by box and probabilities, rounded: rounding must not change the order. */
function sorted(rows: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const key = (row: readonly number[]) => row.map((value) => Math.round(value * 1e4));
  return rows
    .map((row) => ({ row, key: key(row) }))
    .sort((a, b) => {
      for (const [at, value] of a.key.entries()) {
        const other = b.key[at] ?? 0;
        if (value !== other) return value - other;
      }
      return 0;
    })
    .map(({ row }) => row);
}

/** How the suite's names of gradients read in the protocol, and whether their sign is the other one. */
const GRADIENT_NAMES: Readonly<Record<string, readonly [(tap: string) => string, -1 | 1]>> = {
  weight_updates: [(tap) => `d:${tap}/kernel`, -1],
  bias_updates: [(tap) => `d:${tap}/bias`, -1],
  scale_updates: [(tap) => `d:${tap}/scale`, -1],
  delta_after_backward: [(tap) => `b:${tap}`, -1],
  input_delta: [() => "d:input", -1],
  batch_mean: [(tap) => `s:${tap}/mean`, 1],
  batch_variance: [(tap) => `s:${tap}/variance`, 1],
  rolling_mean_after: [(tap) => `s:${tap}/rolling-mean`, 1],
  rolling_variance_after: [(tap) => `s:${tap}/rolling-variance`, 1],
};

/** Area C: losses and gradients, training steps, learning rates. */
export async function checkTraining(
  client: RunnerClient,
  one: LiveCase,
  comparison: Comparison,
): Promise<void> {
  const { recording, folder } = one;
  if (recording.manifest.rates !== undefined) {
    await checkRates(client, one, comparison);
    return;
  }
  if (one.input === undefined) return;
  const reference = await openCase(client, one);
  const own = `truth-${recording.library}.npy`;
  const file = existsSync(join(folder, own)) ? own : "truth.npy";
  const truth = existsSync(join(folder, file)) ? truthOf(folder, file) : [];
  const inputs = new Map([["input", one.input] as const, ...truth]);
  if (recording.manifest.steps !== undefined) {
    await checkSteps(reference, one, inputs, comparison);
    return;
  }
  const seen = recording.cost?.seenUsed ?? 0;
  const { loss, tensors } = await reference.gradient(inputs, { seen });
  const taps = reference.description.taps;
  compareTaps(one, comparison, taps, recording.layers, tensors, "");
  if (recording.cost !== undefined) {
    comparison.values("cost", [loss.total], [Number(recording.cost.network)]);
    for (const [index, value] of Object.entries(recording.cost.layers)) {
      const part = loss.parts[taps[Number(index)]?.id ?? ""];
      comparison.values(`cost of layer ${index}`, [part ?? Number.NaN], [Number(value)]);
    }
  }
  for (const delta of recording.deltas) {
    const tap = taps[delta.index]?.id ?? "";
    const actual = signed(tensors, `d:${tap}`, -1);
    comparison.values(`delta of ${tap}`, actual, recordedValues(folder, delta, undefined));
  }
  for (const gradient of recording.gradients) {
    const [nameOf, sign] = GRADIENT_NAMES[gradient.name ?? ""] ?? [() => "?", 1];
    const name = nameOf(taps[gradient.index]?.id ?? "");
    const actual = signed(tensors, name, sign);
    comparison.values(name, actual, recordedValues(folder, gradient, undefined));
  }
}

function truthOf(folder: string, file: string): readonly (readonly [string, Tensor])[] {
  const values = readFloats(folder, file);
  return [["truth", tensor([values.length], values)]];
}

function signed(tensors: NamedTensors, name: string, sign: -1 | 1): Float32Array | undefined {
  const values = tensors.get(name)?.data as Float32Array | undefined;
  return sign === 1 ? values : values?.map((value) => -value);
}

async function checkSteps(
  reference: RunnerReference,
  { recording, folder }: LiveCase,
  inputs: NamedTensors,
  comparison: Comparison,
): Promise<void> {
  const steps = recording.manifest.steps ?? 0;
  const { fields, tensors } = await reference.call("train", { steps }, inputs);
  for (const layer of recording.layers) {
    const actual = tensors.get(`step:${layer.index}`)?.data as Float32Array | undefined;
    comparison.values(`step ${layer.index}`, actual, recordedValues(folder, layer, undefined));
  }
  const recorded = readJson(folder, "steps.json") as readonly { cost: number; rate: number }[];
  comparison.values(
    "rates",
    fields["rates"] as number[],
    recorded.map(({ rate }) => rate),
  );
  if (!recording.agreed && recording.manifest["oracle"] !== recording.library) return;
  comparison.values(
    "costs",
    fields["costs"] as number[],
    recorded.map(({ cost }) => cost),
  );
}

async function checkRates(
  client: RunnerClient,
  one: LiveCase,
  comparison: Comparison,
): Promise<void> {
  const { rates } = readJson(one.folder, one.recording.manifest.rates ?? "") as {
    rates: readonly (readonly [number, number])[];
  };
  const reference = await openCase(client, one);
  const { fields } = await reference.call("rates", { batches: rates.map(([batch]) => batch) });
  // Rates are small: relative to each, not to 1.
  const relative = (fields["rates"] as number[]).map(
    (rate, at) => rate / ((rates[at]?.[1] ?? 0) || 1),
  );
  comparison.values(
    "rates",
    relative,
    rates.map(([, rate]) => (rate === 0 ? 0 : 1)),
  );
}

/** Area D: what the library holds after loading. */
export async function checkLoading(
  client: RunnerClient,
  one: LiveCase,
  comparison: Comparison,
): Promise<void> {
  const recorded = one.manifest.perOracle?.[one.recording.library];
  const held = recorded?.parametersAfterLoading;
  if (recorded === undefined || held === undefined) return;
  const reference = await openCase(client, one);
  const { fields, tensors } = await reference.call("parameters", {});
  const expected = readFloats(one.folder, held.file);
  const actual = tensors.get("parameters")?.data as Float32Array;
  comparison.equal("seen", fields["seen"], recorded.seen);
  // NaN stands for what the library does not read and leaves at its random start.
  const known = Float32Array.from(actual, (value, at) =>
    Number.isNaN(expected[at]) ? Number.NaN : value,
  );
  comparison.values("parameters", known, expected);
}

/** Area E: image functions. */
export async function checkImages(
  client: RunnerClient,
  one: LiveCase,
  comparison: Comparison,
): Promise<void> {
  const { op, inputs } = one.recording.manifest;
  const file = inputs?.find(({ name }) => name === "image")?.file;
  const layer = one.recording.layers[0];
  if (op === undefined || file === undefined || layer === undefined) return;
  const load = { op: "load", args: op.name === "load_color_wh" ? op.args : [] };
  const stages = op.name.startsWith("load") ? [load] : [load, { op: op.name, args: op.args }];
  const path = resolve(join(one.folder, file));
  const { tensors } = await client.call("pipeline", { file: path, stages });
  const last = tensors.get(`${stages.length - 1}:${stages.at(-1)?.op}`);
  comparison.equal("shape", last?.shape, layer.shape.slice(1));
  comparison.values(
    op.name,
    last?.data as Float32Array,
    recordedValues(one.folder, layer, undefined),
  );
}

/** The case's input, if it has one of its own file. */
export function inputOf(folder: string): Tensor | undefined {
  const path = join(folder, "input.npy");
  if (!existsSync(path)) return undefined;
  const read = readNpy(readFileSync(path), path);
  return read.dtype === "float32" ? (read as Tensor) : undefined;
}
