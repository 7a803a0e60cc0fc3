import { InputError } from "../../errors.js";
import type { DarknetArchitecture } from "../../formats/darknet/architecture.js";
import { familyOf } from "../../operators/families.js";
import { sizeOf } from "../../tensor/tensor.js";
import { type Derivative, derivativeOf } from "./derivative.js";
import { type Landscapes, landscapesOf } from "./landscapes.js";
import {
  blankVerdict,
  checkSize,
  type GradientRecording,
  type GradientVerdict,
  inWords,
} from "./recording.js";
import { DRAWS, inputShapes } from "./roundings.js";
import {
  countMoves,
  deltaSubject,
  directionOf,
  inputSubject,
  type Landscape,
  type Move,
  movesOf,
  recordedAlong,
  type Subject,
  weightSubject,
} from "./subject.js";
import type { TrainingPass } from "./training-pass.js";
import { costVerdicts, forwardVerdicts } from "./values.js";

/** Roles of weights that are no parameters but statistics. */
const STATISTICS = new Set(["mean", "variance"]);
/** Fewest derivatives that must be judged of a gradient of as many elements or more. */
const FEWEST = 4;
/**
 * A gradient that is a library's known approximation is not counted as a fault up to this share of its largest
 * element: the conformance suite's own limit.
 */
const APPROXIMATION = 0.03;
/** The tolerance is that of the true derivative; what explains a difference may round so many times as much. */
const EXPLAINED = 4;
/** Multiplications (about) that a judgement may take: two or three minutes. */
const LIMIT = 2e10;

/**
 * Judges every recorded gradient of a training pass by central differences of the loss, which is evaluated in float64
 * from the definitions of the operations: no library is asked.
 *
 * @throws {InputError} when the network's gradients are not those of its layers (dropout), or it is too large
 */
export function judgeGradients(recording: GradientRecording): readonly GradientVerdict[] {
  const { architecture } = recording;
  const [obstacle] = architecture.training.obstacles;
  if (obstacle !== undefined) {
    throw new InputError(
      "unsupported",
      `${architecture.name}: gradients cannot be judged: ${obstacle}`,
    );
  }
  checkCost(recording);
  const landscapes = landscapesOf(recording);
  refuseReadCosts(architecture, landscapes.exact.pass);
  const subjects = subjectsOf(recording, landscapes.exact);
  const forward = forwardVerdicts(recording, landscapes.exact);
  const wrong = forward.find(({ verdict }) => verdict === "differs");
  if (wrong !== undefined) return [wrong, ...subjects.map((one) => unjudged(one, wrong.place))];
  return [
    ...forward,
    ...costVerdicts(recording, landscapes),
    ...subjects.map((subject) => judgeSubject(subject, landscapes, architecture)),
    ...missing(recording),
  ];
}

/** What a `[cost]` gives is zero here and its addends in training, which no library differentiates. */
function refuseReadCosts({ layers, name }: DarknetArchitecture, pass: TrainingPass): void {
  const costs = new Set(layers.filter(({ kind }) => kind === "cost").map(({ id }) => id));
  const read = pass.operations.find(({ id }) => costs.has(id));
  if (read === undefined) return;
  throw new InputError(
    "unsupported",
    `${name}: gradients cannot be judged: a loss reads what ${read.id} gives, expected a [cost] at the end of its branch`,
  );
}

/** A gradient of a forward pass that is another one already. */
function unjudged(subject: Subject, place: string): GradientVerdict {
  const evidence = `not judged: ${place} has another value in the forward pass`;
  return { ...blankVerdict(subject), verdict: "undecided", evidence };
}

function subjectsOf(recording: GradientRecording, { pass, terms }: Landscape): Subject[] {
  const { architecture, updates, weights, deltas, inputs } = recording;
  const subjects: Subject[] = [];
  for (const term of terms) {
    const values = deltas.get(term.id);
    if (values === undefined || term.by === "delta") continue;
    subjects.push(deltaSubject(term, { values, resolution: null }, pass));
  }
  for (const { name, layer, shape } of architecture.weights) {
    const recorded = updates.get(name);
    if (recorded === undefined) continue;
    checkSize(name, recorded.values.length, sizeOf(shape));
    const at = weights.get(name) as ArrayLike<number>;
    subjects.push(weightSubject(name, layer, at, recorded, pass));
  }
  for (const [name, at] of inputs) {
    const recorded = updates.get(name);
    if (recorded === undefined) continue;
    checkSize(name, recorded.values.length, at.length);
    subjects.push(inputSubject(name, at, recorded, pass));
  }
  return subjects;
}

/** @throws {InputError} when the judgement would take far too long; before anything is evaluated */
function checkCost({ architecture, updates, deltas }: GradientRecording): void {
  const one = architecture.operations.reduce((total, operation) => {
    const each = familyOf(operation.kind).cost(operation, inputShapes(architecture, operation));
    return total + each * sizeOf(operation.shape);
  }, 0);
  const moves = [...updates.values()].map(({ values }) => countMoves(values.length));
  const count = moves.reduce((sum, each) => sum + each, deltas.size);
  const total = one * count * (5 + 2 * DRAWS);
  if (total <= LIMIT) return;
  throw new InputError(
    "limit",
    `${architecture.name}: gradients would take about ${total.toExponential(1)} multiplications to judge, expected at most ${LIMIT.toExponential(0)}; record it at a smaller size`,
  );
}

/** One derivative: what was recorded, and what is true. */
interface Judged {
  readonly move: Move;
  readonly recorded: number;
  readonly truth: Derivative;
  /** Error ÷ tolerance. */
  readonly ratio: number;
}

function judgeSubject(
  subject: Subject,
  landscapes: Landscapes,
  architecture: DarknetArchitecture,
): GradientVerdict {
  const { exact, noisy } = landscapes;
  const moves = movesOf(subject);
  const judged = moves.flatMap((move) => {
    const truth = derivativeOf(directionOf(subject, move, exact, noisy));
    return truth === null ? [] : [judgedAlong(subject, move, truth)];
  });
  const worst = worstOf(judged);
  const kinks = moves.length - judged.length;
  const base = { ...blankVerdict(subject), judged: judged.length, kinks, ...numbersOf(judged) };
  if (worst !== undefined && worst.ratio > 1) {
    return explained({ ...base, verdict: "differs" }, subject, judged, landscapes, architecture);
  }
  if (judged.length < Math.min(FEWEST, subject.at.length)) {
    const evidence = `${kinks} of ${moves.length} derivatives fall on kinks (of a rectifier, a maximum), which leaves too few to judge`;
    return { ...base, verdict: "undecided", evidence };
  }
  return { ...base, verdict: "same" };
}

function judgedAlong(subject: Subject, move: Move, truth: Derivative): Judged {
  const recorded = recordedAlong(subject, move);
  const error = Math.abs(recorded - truth.value);
  const ratio = error === 0 ? 0 : error / truth.tolerance;
  return { move, recorded, truth, ratio: Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio };
}

function worstOf(judged: readonly Judged[]): Judged | undefined {
  return judged.reduce<Judged | undefined>(
    (worst, one) => (worst === undefined || one.ratio > worst.ratio ? one : worst),
    undefined,
  );
}

/** The worst of all, told by the worst single element that is off as well. */
function numbersOf(
  judged: readonly Judged[],
): Pick<GradientVerdict, "ratio" | "element" | "recorded" | "truth" | "evidence"> {
  const worst = worstOf(judged);
  if (worst === undefined)
    return { ratio: null, element: null, recorded: null, truth: null, evidence: "" };
  const single = worstOf(judged.filter(({ move }) => move.element !== null));
  const told = single !== undefined && (single.ratio > 1 || worst.ratio <= 1) ? single : worst;
  // Gradients are told as they were recorded: negative.
  const [recorded, truth] = [-told.recorded + 0, -told.truth.value + 0];
  const { element } = told.move;
  const what = element === null ? "along a random direction" : `element ${element}`;
  const wrong = judged.filter(({ ratio }) => ratio > 1).length;
  const evidence = `${what}: recorded ${inWords(recorded)}, true ${inWords(truth)}, ${inWords(told.ratio)} × the tolerance; ${wrong} of ${judged.length} derivatives are off`;
  return { ratio: worst.ratio, element, recorded, truth, evidence };
}

/** Looks for what explains a wrong gradient: a known approximation of the library, or a wrong delta above. */
function explained(
  verdict: GradientVerdict,
  subject: Subject,
  judged: readonly Judged[],
  { asLibrary, fromDeltas, exact }: Landscapes,
  architecture: DarknetArchitecture,
): GradientVerdict {
  if (subject.at.length > 0 && isBlank(subject) && (verdict.truth ?? 0) !== 0)
    return { ...verdict, cause: "the library has left it at 0: nothing was computed" };
  const normalized = exact.pass.operations.some(({ kind }) => kind === "batch-norm");
  if (normalized && agreesIn(asLibrary(), subject, judged)) {
    const single = judged.filter(({ move }) => move.element !== null);
    const largest = Math.max(...single.map(({ truth }) => Math.abs(truth.value)));
    const off = Math.max(...single.map(({ recorded, truth }) => Math.abs(recorded - truth.value)));
    const cause = `${architecture.dialect}'s Darknet goes back through a batch normalisation as if the variance were divided by n (forward: n − 1), and with an epsilon elsewhere`;
    if (off <= APPROXIMATION * largest) return { ...verdict, verdict: "same", cause };
    return { ...verdict, cause };
  }
  if (fromDeltas === null || subject.place.endsWith("/delta")) return verdict;
  if (!agreesIn(fromDeltas, subject, judged)) return verdict;
  return { ...verdict, cause: "follows from the recorded delta above it, which is wrong" };
}

function isBlank({ recorded, at }: Subject): boolean {
  return Array.from(at).every((_, k) => recorded.values[k] === 0);
}

/** Whether the recorded values are what another landscape gives. */
function agreesIn(landscape: Landscape, subject: Subject, judged: readonly Judged[]): boolean {
  return judged.every(({ move, recorded, truth }) => {
    const tolerance = EXPLAINED * truth.tolerance;
    const own = derivativeOf(directionOf(subject, move, landscape, []), tolerance);
    return own !== null && Math.abs(own.value - recorded) <= tolerance;
  });
}

/** Parameters without a gradient in layers of which another one has been recorded. */
function missing({ architecture, updates }: GradientRecording): GradientVerdict[] {
  const trained = architecture.weights.filter(({ role }) => !STATISTICS.has(role));
  const recorded = new Set(
    trained.filter(({ name }) => updates.has(name)).map(({ layer }) => layer),
  );
  return trained
    .filter(({ name, layer }) => recorded.has(layer) && !updates.has(name))
    .map(({ name, layer }) => ({
      ...blankVerdict({ place: name, layer }),
      verdict: "missing",
      evidence: "its gradient is missing, others of the layer were recorded",
    }));
}
