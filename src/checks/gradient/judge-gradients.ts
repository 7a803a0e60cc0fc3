import { InputError } from "../../errors.js";
import type { DarknetArchitecture } from "../../formats/darknet/architecture.js";
import { familyOf } from "../../operators/families.js";
import { sizeOf } from "../../tensor/tensor.js";
import type { BatchNormBackward } from "./batch-statistics.js";
import { type Derivative, derivativeOf, SAFETY, sumError } from "./derivative.js";
import { definedTerm, type LossTerm, recordedTerm } from "./losses.js";
import type { GradientRecording, GradientVerdict } from "./recording.js";
import { DRAWS, inputShapes, roundingFactors } from "./roundings.js";
import {
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
import { TrainingPass } from "./training-pass.js";

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
/** Largest difference of values in the forward pass, as a share of the layer's largest. */
const FORWARD = 1e-4;
/** Multiplications (about) that a judgement may take: some minutes. */
const LIMIT = 5e9;

/** Everything that gradients are judged in. */
interface Landscapes {
  readonly exact: Landscape;
  readonly noisy: readonly Landscape[];
  /** With a library's own backward rules of batch normalisation. */
  readonly asLibrary: () => Landscape;
  /** As the exact one, but from the recorded deltas: what lies below a layer with a cost. */
  readonly fromDeltas: Landscape | null;
}

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
  const landscapes = landscapesOf(recording);
  refuseReadCosts(architecture, landscapes.exact.pass);
  const subjects = subjectsOf(recording, landscapes.exact);
  checkCost(architecture, landscapes.exact.pass, subjects);
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
  return { ...blank(subject), verdict: "undecided", evidence };
}

function landscapesOf(recording: GradientRecording): Landscapes {
  const { architecture, weights, deltas } = recording;
  const { losses } = architecture.training;
  const linear = losses.map((loss) => {
    const delta = deltas.get(loss.id);
    return delta === undefined ? null : recordedTerm(architecture, loss, delta);
  });
  const terms = losses.map((loss, at) => termOf(recording, loss, linear[at] ?? null));
  const inputs = new Map(
    [...recording.inputs].map(([name, values]) => [name, Float64Array.from(values)]),
  );
  const wanted = terms.map(({ input }) => input);
  const sources = { architecture, weights, inputs, wanted };
  const noisy = Array.from({ length: DRAWS }, (_, draw) => {
    const factors = roundingFactors(architecture, 1 + draw);
    return { pass: new TrainingPass({ ...sources, factors }), terms };
  });
  const pass = new TrainingPass(sources);
  const known = linear.filter((one) => one !== null);
  const defined = terms.some(({ by }) => by === "definition");
  return {
    exact: { pass, terms },
    noisy,
    asLibrary: () => {
      const backward = backwardOf(architecture);
      return { pass: new TrainingPass({ ...sources, backward }), terms };
    },
    fromDeltas: defined && known.length === terms.length ? { pass, terms: known } : null,
  };
}

function termOf(
  { architecture, truth }: GradientRecording,
  loss: DarknetArchitecture["training"]["losses"][number],
  linear: LossTerm | null,
): LossTerm {
  const operation = architecture.operations.find(({ id }) => id === loss.id);
  const fits = truth !== null && truth.length === sizeOf(operation?.shape ?? []);
  const term = (fits ? definedTerm(architecture, loss, truth) : null) ?? linear;
  if (term !== null) return term;
  throw new InputError(
    "format",
    `${architecture.name}: neither the loss of ${loss.id} is known nor was its delta recorded; record both`,
  );
}

/** How each library goes back through a batch normalisation (its own source). */
function backwardOf({ dialect }: DarknetArchitecture): BatchNormBackward {
  return dialect === "alexeyab"
    ? { direct: "outside", epsilon: 1e-5 }
    : { direct: "inside", epsilon: 1e-5 };
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

function checkSize(name: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new InputError("shape", `gradient of ${name}: ${found} values, expected ${expected}`);
}

function checkCost(
  architecture: DarknetArchitecture,
  pass: TrainingPass,
  subjects: readonly Subject[],
): void {
  const one = pass.operations.reduce((total, operation) => {
    const each = familyOf(operation.kind).cost(operation, inputShapes(architecture, operation));
    return total + each * sizeOf(operation.shape);
  }, 0);
  const moves = subjects.reduce((total, subject) => total + movesOf(subject).length, 0);
  const total = one * moves * (5 + 2 * DRAWS);
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
  const base = { ...blank(subject), judged: judged.length, kinks, ...numbersOf(judged) };
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

function blank({ place, layer }: Pick<Subject, "place" | "layer">): GradientVerdict {
  return {
    place,
    layer,
    verdict: "same",
    ratio: null,
    element: null,
    recorded: null,
    truth: null,
    judged: 0,
    kinks: 0,
    evidence: "",
    cause: null,
  };
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
  const evidence = `${what}: recorded ${number(recorded)}, true ${number(truth)}, ${number(told.ratio)} × the tolerance; ${wrong} of ${judged.length} derivatives are off`;
  return { ratio: worst.ratio, element, recorded, truth, evidence };
}

function number(value: number): string {
  return Number(value.toPrecision(6)).toString();
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

/** Values of the forward pass: gradients are those of another function where these are other ones. */
function forwardVerdicts(
  { architecture, forward }: GradientRecording,
  { pass, terms }: Landscape,
): GradientVerdict[] {
  const withCost = new Set(architecture.training.losses.map(({ id }) => id));
  return architecture.layers.flatMap(({ id, index }) => {
    const [recorded, truth] = [forward.get(id), pass.base.get(id)];
    if (recorded === undefined || truth === undefined || withCost.has(id)) return [];
    checkSize(id, recorded.length, truth.length);
    const limit = FORWARD * truth.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
    const overwrites = terms.find(({ input }) => input === id)?.overwrites ?? (() => false);
    const errors = truth.map((value, at) =>
      overwrites(at) || Object.is(value, recorded[at])
        ? 0
        : Math.abs(value - (recorded[at] as number)) / limit,
    );
    const element = errors.findIndex((error) => !(error <= 1));
    const base = { ...blank({ place: id, layer: index }), judged: truth.length };
    const ratio = errors.reduce((most, error) => Math.max(most, error), 0);
    if (element < 0) return [{ ...base, ratio }];
    const [found, expected] = [recorded[element] as number, truth[element] as number];
    const evidence = `its value in the forward pass is another one, at element ${element} ${number(found)} instead of ${number(expected)}: gradients below are those of another network`;
    return [
      { ...base, ratio, verdict: "differs", element, recorded: found, truth: expected, evidence },
    ];
  });
}

/** Reported costs of layers whose loss is known. */
function costVerdicts(
  { costs }: GradientRecording,
  { exact, noisy }: Landscapes,
): GradientVerdict[] {
  return exact.terms.flatMap(({ id, layer, input, cost }) => {
    const recorded = costs.get(id);
    if (recorded === undefined || cost === null) return [];
    const at = ({ pass }: Landscape) => cost(pass.base.get(input) as Float64Array);
    const truth = at(exact);
    const noise = Math.hypot(...noisy.map((one) => at(one) - truth)) / Math.sqrt(DRAWS);
    const terms = exact.pass.base.get(input)?.length ?? 1;
    const tolerance = SAFETY * (noise + sumError(terms) * Math.abs(truth)) + Number.MIN_VALUE;
    const ratio = Math.abs(recorded - truth) / tolerance;
    const base = { ...blank({ place: `${id}/cost`, layer }), judged: 1, ratio, recorded, truth };
    if (ratio <= 1) return [base];
    const evidence = `recorded ${number(recorded)}, true ${number(truth)}, ${number(ratio)} × the tolerance`;
    return [{ ...base, verdict: "differs", evidence }];
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
      ...blank({ place: name, layer }),
      verdict: "missing",
      evidence: "its gradient is missing, others of the layer were recorded",
    }));
}
