import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type JudgedGradient, judgedGradients } from "../../checks/gradient/judge-golden.js";
import { numberFromJson } from "../../checks/result.js";
import { InputError } from "../../errors.js";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../../formats/darknet/architecture.js";
import { readDarknetConfig } from "../../formats/darknet/config.js";
import { readNpy } from "../../formats/npy/npy-reader.js";
import type { TrainingParts } from "../../record/golden-writer.js";
import { type Tensor, tensor } from "../../tensor/tensor.js";
import { openDarknetWeights } from "../../weights/darknet-weights.js";
import type { CaseResult } from "../suite.js";
import { readFloats } from "./live/recording.js";
import type { DarknetManifest } from "./manifest.js";
import { trainingOf } from "./recorded-training.js";

type Outcome = Omit<CaseResult, "id" | "area">;

/** Whether the suite's own numerical check found a library's gradients right. */
const checkedBySuite = z.looseObject({
  finiteDifference: z
    .looseObject({ results: z.record(z.string(), z.looseObject({ ok: z.boolean() })) })
    .optional(),
});

/**
 * One case of area C: whether the recorded gradients are what the definitions give. A case with `referenceBug` agrees if
 * they are not; one that neither the manifest calls wrong nor the suite has checked is not covered where they are not.
 */
export function trainingCase(folder: string, manifest: DarknetManifest): Outcome {
  const { name } = manifest.oracle;
  const dialect = name.startsWith("pjreddie") ? "pjreddie" : "alexeyab";
  const input = inputOf(folder);
  if (input === undefined) return notCovered("learning rates come with a later check");
  const architecture = architectureFromDarknet(readDarknetConfig(join(folder, "net.cfg")), {
    dialect,
    batch: input.shape[0] ?? 1,
  });
  const training = trainingOf(folder, manifest, name, architecture);
  if (training === undefined) return notCovered("records no gradients");
  try {
    return outcomeOf(manifest, judgedIn(folder, manifest, { architecture, input, training }));
  } catch (error) {
    if (error instanceof InputError) return notCovered(error.message);
    throw error;
  }
}

function notCovered(detail: string): Outcome {
  return { status: "not covered", detail };
}

function inputOf(folder: string): Tensor | undefined {
  const path = join(folder, "input.npy");
  if (!existsSync(path)) return undefined;
  const value = readNpy(readFileSync(path), path);
  return value.dtype === "float32" ? (value as Tensor) : undefined;
}

function judgedIn(
  folder: string,
  { id, layers }: DarknetManifest,
  {
    architecture,
    input,
    training,
  }: {
    readonly architecture: DarknetArchitecture;
    readonly input: Tensor;
    readonly training: TrainingParts;
  },
): readonly JudgedGradient[] {
  const shapes = new Map(architecture.operations.map((one) => [one.id, one.shape]));
  const values = new Map<string, Tensor>();
  // What a case of training steps lists as layers are parameters.
  for (const { index, file = "" } of training.steps === undefined ? layers : []) {
    const tap = architecture.layers[index]?.id ?? "";
    values.set(tap, tensor(shapes.get(tap) ?? [], readFloats(folder, file)));
  }
  const { store } = openDarknetWeights(join(folder, "net.weights"), architecture);
  try {
    const source = {
      name: id,
      manifest: { training },
      inputs: new Map([[architecture.inputs[0]?.name ?? "", input]]),
      gradients: new Map(training.values),
      taps: [...values.keys()],
      read: (tap: string) => values.get(tap),
    };
    return judgedGradients(source, architecture, (weight) => store.read(weight).data);
  } finally {
    store.close();
  }
}

function outcomeOf(manifest: DarknetManifest, judged: readonly JudgedGradient[]): Outcome {
  const wrong = judged.find(({ verdict }) => verdict === "differs" || verdict === "missing");
  if (manifest.referenceBug !== undefined) {
    return wrong === undefined
      ? { status: "failed", detail: `the gradients are right, expected: ${manifest.referenceBug}` }
      : { status: "passed", detail: "" };
  }
  if (wrong === undefined) {
    const distance = Math.max(0, ...judged.filter(({ cause }) => cause === null).map(ratioOf));
    return { status: "passed", detail: "", distance };
  }
  const detail = `${wrong.place}: ${wrong.evidence}`;
  const { finiteDifference } = checkedBySuite.parse(manifest);
  const checked = finiteDifference?.results[manifest.oracle.name]?.ok === true;
  const forward = wrong.judged > 0 && !wrong.place.includes("/") && wrong.layer !== null;
  if (forward)
    return notCovered(
      `its forward pass is not what the layers give, which area A judges: ${detail}`,
    );
  if (checked) return { status: "failed", detail };
  return notCovered(
    `the library is at fault, says difftest, and the suite has not checked it: ${detail}`,
  );
}

function ratioOf({ ratio }: JudgedGradient): number {
  return ratio === null ? 0 : numberFromJson(ratio);
}
