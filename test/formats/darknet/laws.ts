import { expect } from "vitest";
import type { DarknetArchitecture } from "../../../src/formats/darknet/architecture.js";

/** Holds for any architecture; throws where it does not. */
export function expectLaws({
  inputs,
  operations,
  weights,
  layers,
  records,
  outputs,
}: DarknetArchitecture): void {
  const known = new Set(inputs.map(({ name }) => name));
  for (const { id, inputs: from } of operations) {
    for (const input of from) expect(known, `${id} reads ${input}`).toContain(input);
    expect(known, `${id} twice`).not.toContain(id);
    known.add(id);
  }
  for (const one of operations)
    if (one.kind === "state") expect(known).toContain(one.attributes.next);
  for (const id of outputs) expect(known).toContain(id);
  const used = new Set(operations.flatMap((one) => Object.values(one.weights)));
  expect([...used].sort()).toEqual(weights.map(({ name }) => name).sort());
  expect(records.map(({ name }) => name)).toEqual(weights.map(({ name }) => name));
  expect(layers.flatMap((layer) => layer.operations)).toEqual(operations.map(({ id }) => id));
  expect(layers.map((layer) => layer.operations.at(-1))).toEqual(layers.map(({ id }) => id));
  expect(layers.map(({ index }) => index)).toEqual(layers.map((_, k) => k));
}
