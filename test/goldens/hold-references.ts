import { resolveOptions } from "../../src/checks/options.js";
import { openOriginalFile } from "../../src/checks/originals/formats.js";
import { holdQuorum, type Quorum } from "../../src/checks/quorum.js";
import { openTrace } from "../../src/checks/reference-traces.js";
import { readModelInputs } from "../../src/inputs/model-inputs.js";
import { EmbeddedReference } from "../../src/references/onnxruntime/embedded-reference.js";
import { OnnxRuntimeProcess } from "../../src/references/onnxruntime/onnxruntime-process.js";

/** What the references run. */
export interface Held {
  /** Path of a config. */
  readonly original: string;
  readonly weights?: string;
  readonly input?: string;
  readonly darknet?: "alexeyab" | "pjreddie";
  /** As `--reference`. */
  readonly reference: string;
}

/** Holds references against each other on an original, without a port. */
export async function holdReferences({ original: path, input, ...given }: Held): Promise<Quorum> {
  const resolved = resolveOptions({
    model: "",
    original: path,
    ...given,
    ...(input === undefined ? {} : { inputs: [input] }),
  });
  const original = await openOriginalFile({ path, name: path, model: null, options: resolved });
  const weights = await original.openWeights();
  const { architecture } = original;
  const { tensors: inputs } = await readModelInputs(
    resolved.inputs,
    architecture.inputs,
    original.inputOptions,
  );
  const process = await OnnxRuntimeProcess.start(weights.store.description);
  try {
    const traces = [];
    const request = { resolved, original, originalPath: path, weights, inputs };
    for (const name of resolved.references)
      if (name !== "onnxruntime") traces.push(await openTrace(name, request));
    return await holdQuorum({
      resolved,
      original,
      weights,
      reference: new EmbeddedReference(process, architecture),
      traces,
      inputs,
      version: await process.version(),
      reproduce: (tap) => `--taps ${tap}`,
    });
  } finally {
    await process.close();
    weights.store.close();
  }
}
