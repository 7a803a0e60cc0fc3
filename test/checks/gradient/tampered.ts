import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { goldenFromCase } from "../../../scripts/goldens/recorded-case.js";
import { type GoldenJudgement, judgeGolden } from "../../../src/checks/gradient/judge-golden.js";
import { type TrainingParts, writeGolden } from "../../../src/record/golden-writer.js";
import { openGolden } from "../../../src/references/golden/open-golden.js";
import type { Tensor } from "../../../src/tensor/tensor.js";

const CASES = fileURLToPath(new URL("../../../goldens/darknet-conformance/cases", import.meta.url));

/** Files of a committed case. */
export function caseFile(name: string, file: string): string {
  return join(CASES, name, file);
}

/** What is changed in a recording before it is judged. */
export interface Tampering {
  /** Values of the training pass by name; `null` takes one away. */
  readonly values?: (name: string, values: Float32Array) => Float32Array | null;
  /** Values of layers in the forward pass. */
  readonly forward?: (id: string, values: Float32Array) => Float32Array;
  readonly costs?: TrainingParts["costs"];
  readonly input?: (values: Float32Array) => Float32Array;
}

/** Writes the golden of a committed case with something wrong in it, sound in form. */
export function tampered(out: string, name: string, oracle: string, change: Tampering): string {
  const whole = `${out}-whole`;
  goldenFromCase(join(CASES, name), oracle, whole);
  const { manifest, inputs, gradients, read } = openGolden(whole);
  const { note: _note, training: recorded, digest: _digest, ...content } = manifest;
  if (recorded === undefined) throw new Error(`${name} is no training pass`);
  const values = [...gradients].flatMap(([key, value]) => {
    const changed = change.values === undefined ? value.data : change.values(key, value.data);
    return changed === null ? [] : [[key, { ...value, data: changed }] as const];
  });
  const { seen, truth, costs, steps } = recorded;
  writeGolden(out, {
    ...content,
    inputs: manifest.inputs.map((one) => {
      const value = inputs.get(one.name) as Tensor;
      return { ...one, value: { ...value, data: change.input?.(value.data) ?? value.data } };
    }),
    taps: manifest.taps.map((one) => {
      const value = read(one.id) as Tensor;
      return {
        ...one,
        value: { ...value, data: change.forward?.(one.id, value.data) ?? value.data },
      };
    }),
    training: {
      seen,
      truth,
      costs: change.costs ?? costs,
      values,
      ...(steps === undefined ? {} : { steps }),
    },
  });
  return out;
}

/** Judges a golden of a committed case. */
export function judgeCase(golden: string, name: string): Promise<GoldenJudgement> {
  return judgeGolden({
    golden,
    original: caseFile(name, "net.cfg"),
    weights: caseFile(name, "net.weights"),
  });
}
