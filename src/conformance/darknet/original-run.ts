import type { Operation } from "../../architecture/architecture.js";
import type { DarknetArchitecture } from "../../formats/darknet/architecture.js";
import { lower } from "../../lower/lower.js";
import { EmbeddedReference } from "../../references/onnxruntime/embedded-reference.js";
import type { OnnxRuntimeProcess } from "../../references/onnxruntime/onnxruntime-process.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { WeightStore } from "../../weights/weight-store.js";

/** What one call of the network gave: output of each layer by id, and what it remembers. */
export interface CallResult {
  readonly layers: ReadonlyMap<string, Tensor>;
  /** Values of the states after the call, by the state's id. */
  readonly states: ReadonlyMap<string, Tensor>;
}

/** Runs the lowered original once and returns the output of every layer. */
export async function callOriginal(
  process: OnnxRuntimeProcess,
  architecture: DarknetArchitecture,
  input: Tensor,
  weights: WeightStore,
  states: ReadonlyMap<string, Tensor> = new Map(),
): Promise<CallResult> {
  const reference = new EmbeddedReference(process, architecture);
  const stateful = architecture.operations.filter(
    (one): one is Operation & { kind: "state" } => one.kind === "state",
  );
  const outputs = [
    ...architecture.layers.map(({ id }) => ({ tap: id, name: `layer:${id}` })),
    ...stateful.map(({ id, attributes }) => ({ tap: attributes.next, name: `next:${id}` })),
  ];
  const { initializers } = lower(architecture, { outputs });
  const overrides = Object.fromEntries(
    initializers.map(({ weight }) => [weight, weights.read(weight).data]),
  );
  const name = architecture.inputs[0]?.name ?? "input";
  const { values } = await reference.compute({ outputs }, new Map([[name, input], ...states]), {
    overrides,
  });
  const part = (prefix: string) =>
    new Map(
      [...values]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, value]) => [key.slice(prefix.length), value]),
    );
  return { layers: part("layer:"), states: part("next:") };
}
