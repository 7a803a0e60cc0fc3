import { EMBEDDED } from "./embedded.js";
import type { Opinion } from "./opinion.js";

/** A reference that is at fault at a tap, and what speaks against it. */
export interface Accusation {
  readonly reference: string;
  readonly evidence: string;
}

/**
 * How far two deviations from a third value may lie apart and still be the same deviation, as a part of the larger:
 * the references go on with values of their own, so that rounding before the tap shows in it.
 */
const SAME_DEVIATION = 0.1;

/**
 * Which references are at fault at one tap.
 *
 * More than two: the odd ones out, those that disagree with the largest number of references that agree with each
 * other. Two, or no such number: those that the definition in float64 does not confirm.
 *
 * @param opinions - of every reference beside the embedded one that has the tap
 */
export function accusations(opinions: readonly Opinion[]): readonly Accusation[] {
  const against = opinions.filter(({ agrees }) => !agrees);
  if (against.length === 0) return [];
  const confirming = opinions.filter(({ agrees }) => agrees).map(({ reference }) => reference);
  const supporters = [EMBEDDED, ...confirming];
  const opposition = largestGroup(against);
  if (opposition.length > supporters.length) {
    const outside = against.filter((one) => !opposition.includes(one));
    return [
      { reference: EMBEDDED, evidence: `${agreeing(namesOf(opposition))}; ${reason(opposition)}` },
      ...outside.map((one) => itself(one, namesOf(opposition))),
    ];
  }
  if (supporters.length > opposition.length) return against.map((one) => itself(one, supporters));
  return byDefinition(against);
}

/** No side has more references: what the judge said of each decides. */
function byDefinition(against: readonly Opinion[]): readonly Accusation[] {
  const right = against.filter(({ suspect }) => suspect === "embedded");
  const wrong = against.filter(({ suspect }) => suspect !== "embedded");
  return [
    ...(right.length > 0 ? [{ reference: EMBEDDED, evidence: reason(right) }] : []),
    ...wrong.map((one) => itself(one, [])),
  ];
}

function itself(one: Opinion, others: readonly string[]): Accusation {
  const agreed = others.length < 2 ? "" : `${agreeing(others)}; `;
  return { reference: one.reference, evidence: `${agreed}${one.evidence}` };
}

function reason(opinions: readonly Opinion[]): string {
  return opinions[0]?.evidence ?? "";
}

function agreeing(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)} agree with each other`;
}

function namesOf(opinions: readonly Opinion[]): readonly string[] {
  return opinions.map(({ reference }) => reference);
}

/** The most references that deviate in the same way. */
function largestGroup(against: readonly Opinion[]): readonly Opinion[] {
  const groups = against.map((one) =>
    against.filter(({ deviation }) => sameDeviation(one.deviation, deviation)),
  );
  return groups.reduce((a, b) => (b.length > a.length ? b : a));
}

function sameDeviation(a: Float32Array, b: Float32Array): boolean {
  let [apart, largest] = [0, 0];
  for (let at = 0; at < a.length; at++) {
    const [one, other] = [a[at] as number, b[at] as number];
    if (Object.is(one, other)) continue;
    if (!Number.isFinite(one) || !Number.isFinite(other)) return false;
    apart = Math.max(apart, Math.abs(one - other));
    largest = Math.max(largest, Math.abs(one), Math.abs(other));
  }
  return apart <= SAME_DEVIATION * largest;
}
