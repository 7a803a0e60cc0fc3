import { SAFETY, sumError } from "./derivative.js";
import type { Landscapes } from "./landscapes.js";
import {
  blankVerdict,
  checkSize,
  type GradientRecording,
  type GradientVerdict,
  inWords,
} from "./recording.js";
import { DRAWS } from "./roundings.js";
import type { Landscape } from "./subject.js";

/** Largest difference of values in the forward pass, as a share of the layer's largest. */
const FORWARD = 1e-4;

/** Values of the forward pass: gradients are those of another function where these are other ones. */
export function forwardVerdicts(
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
    const base = { ...blankVerdict({ place: id, layer: index }), judged: truth.length };
    const ratio = errors.reduce((most, error) => Math.max(most, error), 0);
    if (element < 0) return [{ ...base, ratio }];
    const [found, expected] = [recorded[element] as number, truth[element] as number];
    const evidence = `its value in the forward pass is another one, at element ${element} ${inWords(found)} instead of ${inWords(expected)}: gradients below are those of another network`;
    return [
      { ...base, ratio, verdict: "differs", element, recorded: found, truth: expected, evidence },
    ];
  });
}

/** Reported costs of layers whose loss is known. */
export function costVerdicts(
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
    const base = {
      ...blankVerdict({ place: `${id}/cost`, layer }),
      judged: 1,
      ratio,
      recorded,
      truth,
    };
    if (ratio <= 1) return [base];
    const evidence = `recorded ${inWords(recorded)}, true ${inWords(truth)}, ${inWords(ratio)} × the tolerance`;
    return [{ ...base, verdict: "differs", evidence }];
  });
}
