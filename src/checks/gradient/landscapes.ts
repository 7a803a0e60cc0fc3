import { InputError } from "../../errors.js";
import type { DarknetArchitecture } from "../../formats/darknet/architecture.js";
import { sizeOf } from "../../tensor/tensor.js";
import type { BatchNormBackward } from "./batch-statistics.js";
import { definedTerm, type LossTerm, recordedTerm } from "./losses.js";
import type { GradientRecording } from "./recording.js";
import { DRAWS, roundingFactors } from "./roundings.js";
import type { Landscape } from "./subject.js";
import { TrainingPass } from "./training-pass.js";

/** Everything that gradients are judged in. */
export interface Landscapes {
  readonly exact: Landscape;
  readonly noisy: readonly Landscape[];
  /** With a library's own backward rules of batch normalisation. */
  readonly asLibrary: () => Landscape;
  /** As the exact one, but from the recorded deltas: what lies below a layer with a cost. */
  readonly fromDeltas: Landscape | null;
}

/**
 * The loss of a recording in every way that it is looked at.
 *
 * @throws {InputError} where neither a loss is known nor its delta was recorded
 */
export function landscapesOf(recording: GradientRecording): Landscapes {
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
