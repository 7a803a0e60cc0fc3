import type { Architecture } from "../../architecture/architecture.js";
import { InputError } from "../../errors.js";
import type { DarknetArchitecture } from "../../formats/darknet/architecture.js";
import { weightsHash } from "../../record/golden-writer.js";
import { type Golden, openGolden, requireSameUse } from "../../references/golden/open-golden.js";
import { fileHash } from "../cached-reference.js";
import { quoted } from "../command-line.js";
import { resolveOptions } from "../options.js";
import { openOriginalFile } from "../originals/formats.js";
import { type Count, type Fault, type JsonNumber, jsonNumber } from "../result.js";
import { passesOf, type TrainingSource } from "./from-golden.js";
import { judgeGradients } from "./judge-gradients.js";
import { JUDGEMENT_SCHEMA } from "./judgement-schema.js";
import type { GradientVerdict } from "./recording.js";

/** What became of one recorded gradient, delta, cost or value of the forward pass. */
export interface JudgedGradient {
  /** `conv_0/bias`, `input`, `cost_2/delta`, `cost_2/cost`; a layer's id for its value in the forward pass. */
  readonly place: string;
  /** Index of the layer in the original; `null` for an input. */
  readonly layer: number | null;
  /** Step of training, from 1; `null` where gradients themselves were recorded. */
  readonly step: number | null;
  readonly verdict: GradientVerdict["verdict"];
  /** Largest error ÷ tolerance; `null` where nothing was judged. */
  readonly ratio: JsonNumber | null;
  /** Flat position of the element told; `null` where it is none. */
  readonly element: number | null;
  readonly recorded: JsonNumber | null;
  readonly truth: JsonNumber | null;
  /** Derivatives worked out, and those passed over because a kink lies there. */
  readonly judged: number;
  readonly kinks: number;
  readonly evidence: string;
  readonly cause: string | null;
}

/** Result of `difftest goldens judge`. */
export interface GoldenJudgement {
  readonly schema: typeof JUDGEMENT_SCHEMA;
  readonly verdict: "same" | "differs";
  /** Command line that repeats it. */
  readonly command: string;
  readonly golden: string;
  /** Who computed what was recorded. */
  readonly reference: { readonly name: string; readonly version: string };
  /** Gradients of weights and inputs that were judged, of all that the original has. */
  readonly coverage: Count;
  /** Weights without a recorded gradient, in layers of which none was recorded. */
  readonly notRecorded: readonly string[];
  readonly gradients: readonly JudgedGradient[];
  readonly faults: readonly Fault[];
}

/** What `judgeGolden` is told, spelled as on the command line. */
export interface JudgeOptions {
  readonly golden: string;
  readonly original: string;
  /** Default: what the golden was recorded with, where that is `synthetic:SEED`. */
  readonly weights?: string;
}

/**
 * Judges a golden of a training pass: whether every recorded gradient is that of the recorded loss. No library is
 * asked, see {@link judgeGradients}.
 *
 * @throws {InputError} when it is damaged, holds no gradients or belongs to another original, or too little can be judged
 */
export async function judgeGolden(options: JudgeOptions): Promise<GoldenJudgement> {
  const golden = openGolden(options.golden);
  const { reference, weights: recorded } = golden.manifest;
  const weights = options.weights ?? recorded.source;
  const command = judgeCommand({ ...options, weights });
  const original = await openOriginalFor(golden, { ...options, weights });
  const opened = await original.openWeights();
  try {
    requireSameUse(golden, {
      original: fileHash(options.original),
      weights: weightsHash(opened.store),
      inputs: golden.inputs,
    });
    const architecture = requireDarknet(original.architecture, options.original);
    const gradients = judgedGradients(golden, architecture, (name) => opened.store.read(name).data);
    const faults = gradientFaults(gradients, golden.name, command);
    return {
      schema: JUDGEMENT_SCHEMA,
      verdict: faults.length > 0 ? "differs" : "same",
      command,
      golden: options.golden,
      reference: { name: reference.name, version: reference.version },
      ...coverageOf(architecture, gradients),
      gradients,
      faults,
    };
  } finally {
    opened.store.close();
  }
}

/** The command line that judges a golden. */
export function judgeCommand({ golden, original, weights }: JudgeOptions): string {
  const words = ["difftest", "goldens", "judge", golden, "--original", original];
  if (weights !== undefined) words.push("--weights", weights);
  return words.map(quoted).join(" ");
}

/** The original with the sizes and by the rules that the golden was recorded with. */
async function openOriginalFor(
  { manifest, inputs }: Golden,
  { original, weights }: JudgeOptions,
): ReturnType<typeof openOriginalFile> {
  const { darknet } = manifest.reference.options;
  const [batch = 1, , height, width] = inputs.get("input")?.shape ?? [];
  const resolved = resolveOptions({
    model: "",
    original,
    batch,
    ...(weights === undefined ? {} : { weights }),
    ...(width === undefined ? {} : { size: `${width}x${height}` }),
    ...(darknet === "pjreddie" || darknet === "alexeyab" ? { darknet } : {}),
  });
  return openOriginalFile({ path: original, name: original, model: null, options: resolved });
}

/** @throws {InputError} for an original of another format */
export function requireDarknet(architecture: Architecture, path: string): DarknetArchitecture {
  if ("training" in architecture) return architecture as DarknetArchitecture;
  throw new InputError(
    "unsupported",
    `${path}: gradients can be judged of Darknet configurations only, whose losses are known here`,
  );
}

/**
 * Every verdict on a golden's training passes, in the order of the network. Steps are
 * judged up to the first that is wrong; each place has the verdict of the last one judged.
 *
 * @throws {InputError} when nothing differs and too little could be judged of a gradient
 */
export function judgedGradients(
  golden: TrainingSource,
  architecture: DarknetArchitecture,
  weight: (name: string) => Float32Array,
): readonly JudgedGradient[] {
  const places = new Map<string, JudgedGradient>();
  for (const { step, recording } of passesOf(golden, architecture, weight)) {
    for (const verdict of judgeGradients(recording)) {
      places.set(verdict.place, judgedOf(verdict, step));
    }
    // What comes after a step that went wrong goes on from it.
    if ([...places.values()].some(isFault)) break;
  }
  const judged = [...places.values()];
  const undecided = judged.find(({ verdict }) => verdict === "undecided");
  if (undecided === undefined || judged.some(isFault)) return judged;
  throw new InputError("limit", `${golden.name}: ${undecided.place}: ${undecided.evidence}`);
}

function judgedOf(verdict: GradientVerdict, step: number | null): JudgedGradient {
  const { ratio, recorded, truth } = verdict;
  return {
    ...verdict,
    step,
    ratio: ratio === null ? null : jsonNumber(ratio),
    recorded: recorded === null ? null : jsonNumber(recorded),
    truth: truth === null ? null : jsonNumber(truth),
  };
}

function isFault({ verdict }: JudgedGradient): boolean {
  return verdict === "differs" || verdict === "missing";
}

/** What is wrong, as faults of the reference that recorded it. */
export function gradientFaults(
  gradients: readonly JudgedGradient[],
  reference: string,
  reproduce: string,
): readonly Fault[] {
  return gradients.filter(isFault).map(({ place, layer, step, evidence, cause }) => ({
    component: "reference",
    reference,
    layer,
    place,
    evidence: `reference ${reference}: ${step === null ? "" : `step ${step}, `}${evidence}`,
    cause,
    reproduce,
  }));
}

function coverageOf(
  { weights, inputs }: DarknetArchitecture,
  gradients: readonly JudgedGradient[],
): Pick<GoldenJudgement, "coverage" | "notRecorded"> {
  const places = new Map(gradients.map((one) => [one.place, one]));
  const trained = weights.filter(({ role }) => role !== "mean" && role !== "variance");
  const all = [...trained.map(({ name }) => name), ...inputs.map(({ name }) => name)];
  return {
    coverage: {
      compared: all.filter((name) => (places.get(name)?.judged ?? 0) > 0).length,
      total: all.length,
    },
    notRecorded: all.filter((name) => !places.has(name)),
  };
}
