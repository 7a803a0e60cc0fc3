import { InputError } from "../../errors.js";
import type { DarknetArchitecture } from "../../formats/darknet/architecture.js";
import { UNIT_ROUNDOFF } from "../../operators/family.js";
import type { GoldenTraining } from "../../references/golden/manifest.js";
import type { Golden } from "../../references/golden/open-golden.js";
import { sizeOf } from "../../tensor/tensor.js";
import { numberFromJson } from "../result.js";
import type { GradientRecording, RecordedGradient } from "./recording.js";

/** A recorded training pass, and which step of training it was; `null` where gradients themselves were recorded. */
export interface RecordedPass {
  readonly step: number | null;
  readonly recording: GradientRecording;
}

/** What is read of a golden; recordings that are no golden yet have it as well. */
export interface TrainingSource
  extends Pick<Golden, "name" | "inputs" | "gradients" | "taps" | "read"> {
  readonly manifest: { readonly training?: Pick<GoldenTraining, "costs" | "steps"> | undefined };
}

type WeightReader = (name: string) => Float32Array;

/**
 * The training passes of a golden.
 *
 * @throws {InputError} when it holds none, or values that do not fit the network
 */
export function passesOf(
  golden: TrainingSource,
  architecture: DarknetArchitecture,
  weight: WeightReader,
): readonly RecordedPass[] {
  const { training } = golden.manifest;
  if (training === undefined) {
    throw new InputError(
      "format",
      `${golden.name}: holds no gradients; difftest record --truth FILE records them, difftest layer-by-layer --reference judges the values of layers`,
    );
  }
  const weights = new Map(architecture.weights.map(({ name }) => [name, weight(name)]));
  if (training.steps !== undefined) {
    return stepsOf(golden, architecture, weights, training.steps);
  }
  const base = baseOf(golden, architecture);
  const updates = [...under(golden, "update:")].map(
    ([name, values]) => [name, { values, resolution: null }] as const,
  );
  const known = new Set([...weights.keys(), ...base.inputs.keys()]);
  const unknown = updates.find(([name]) => !known.has(name))?.[0];
  if (unknown !== undefined) {
    throw new InputError(
      "name",
      `${golden.name}: holds a gradient of ${unknown}, which the original has not`,
    );
  }
  const costs = Object.entries(training.costs).map(
    ([id, cost]) => [id, numberFromJson(cost)] as const,
  );
  const forward = golden.taps.map((id) => [id, golden.read(id)?.data ?? []] as const);
  const recording = {
    ...base,
    weights,
    costs: new Map(costs),
    deltas: under(golden, "delta:"),
    updates: new Map(updates),
    forward: new Map(forward),
  };
  return [{ step: null, recording }];
}

function baseOf(golden: TrainingSource, architecture: DarknetArchitecture) {
  const inputs = new Map([...golden.inputs].map(([name, { data }]) => [name, data]));
  return { architecture, inputs, truth: golden.gradients.get("truth")?.data ?? null };
}

/** Recorded values whose names begin so, by the rest of the name. */
function under({ gradients }: TrainingSource, prefix: string): ReadonlyMap<string, Float32Array> {
  const found = [...gradients].filter(([name]) => name.startsWith(prefix));
  return new Map(found.map(([name, { data }]) => [name.slice(prefix.length), data]));
}

/** Kernels shrink with every step: `decay` in [net]. */
const DECAYING = "kernel";

/**
 * What the gradients must have been for the parameters to become what they were after each step. With v the library's
 * `updates`: v ← momentum·v + gradient − decay·batch·w; w ← w + rate/batch·v.
 */
function stepsOf(
  golden: TrainingSource,
  architecture: DarknetArchitecture,
  start: ReadonlyMap<string, Float32Array>,
  steps: NonNullable<GoldenTraining["steps"]>,
): RecordedPass[] {
  const base = baseOf(golden, architecture);
  const batch = architecture.inputs[0]?.shape[0] ?? 1;
  const [loss, ...others] = architecture.training.losses;
  const passes: RecordedPass[] = [];
  let weights = start;
  let moved: ReadonlyMap<string, Moved> = new Map();
  for (const [at, { rate, cost }] of steps.entries()) {
    const after = parametersAfter(golden, architecture, at + 1);
    const next = new Map(
      [...after].map(([name, values]) => [
        name,
        movedBy(weights.get(name) as Float32Array, values, batch / numberFromJson(rate)),
      ]),
    );
    const updates = [...next].flatMap(([name, one]) => {
      const role = architecture.weights.find((spec) => spec.name === name)?.role ?? "";
      if (role === "mean" || role === "variance") return [];
      const decay = role === DECAYING ? architecture.training.decay * batch : 0;
      const before = weights.get(name) as Float32Array;
      const last = moved.get(name);
      return [
        [name, gradientOf(one, last, before, decay, architecture.training.momentum)] as const,
      ];
    });
    const costs = new Map(
      loss !== undefined && others.length === 0 ? [[loss.id, numberFromJson(cost)]] : [],
    );
    const recording = { ...base, weights, costs, updates: new Map(updates) };
    passes.push({
      step: at + 1,
      recording: { ...recording, deltas: new Map(), forward: new Map() },
    });
    weights = new Map([...weights, ...after]);
    moved = next;
  }
  return passes;
}

/** The library's `updates` after a step, and what each may be off by since parameters are float32. */
interface Moved {
  readonly values: Float64Array;
  readonly resolution: Float64Array;
}

function movedBy(before: Float32Array, after: Float32Array, scale: number): Moved {
  const values = Float64Array.from(after, (value, k) => (value - (before[k] as number)) * scale);
  const resolution = values.map(
    (value, k) =>
      UNIT_ROUNDOFF * Math.abs(scale) * Math.abs(after[k] as number) +
      2 * UNIT_ROUNDOFF * Math.abs(value),
  );
  return { values, resolution };
}

function gradientOf(
  { values, resolution }: Moved,
  last: Moved | undefined,
  before: Float32Array,
  decay: number,
  momentum: number,
): RecordedGradient {
  const [kept, shrunk] = [Math.fround(momentum), Math.fround(decay)];
  const earlier = (k: number) => kept * (last?.values[k] ?? 0);
  return {
    values: values.map((value, k) => value - earlier(k) + shrunk * (before[k] as number)),
    resolution: resolution.map(
      (value, k) =>
        value +
        kept * (last?.resolution[k] ?? 0) +
        UNIT_ROUNDOFF * (Math.abs(earlier(k)) + shrunk * Math.abs(before[k] as number)),
    ),
  };
}

/** Parameters by name after a step, which are recorded in the order of the weights file. */
function parametersAfter(
  golden: TrainingSource,
  architecture: DarknetArchitecture,
  step: number,
): ReadonlyMap<string, Float32Array> {
  const values = golden.gradients.get(`step:${step}`)?.data;
  const stored = architecture.records.filter(({ file }) => file === "stored");
  const flipped = stored.find(({ transposed }) => transposed === "flipped");
  if (flipped !== undefined) {
    throw new InputError(
      "unsupported",
      `${golden.name}: ${flipped.name} is stored transposed (flipped=1), which steps of training cannot be judged with`,
    );
  }
  const shapes = new Map(architecture.weights.map(({ name, shape }) => [name, shape]));
  const total = stored.reduce((sum, { name }) => sum + sizeOf(shapes.get(name) ?? []), 0);
  if (values?.length !== total) {
    throw new InputError(
      "shape",
      `${golden.name}: step:${step} has ${values?.length ?? "no"} parameters, expected ${total}`,
    );
  }
  let at = 0;
  return new Map(
    stored.map(({ name }) => {
      const size = sizeOf(shapes.get(name) ?? []);
      at += size;
      return [name, values.slice(at - size, at)];
    }),
  );
}
