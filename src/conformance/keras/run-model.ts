import ort from "onnxruntime-node";
import type { KerasArchitecture } from "../../formats/keras/architecture.js";
import { lower } from "../../lower/lower.js";
import { sizeOf } from "../../tensor/tensor.js";

/** Values of taps by their ids. */
export type TapValues = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array }
>;

/**
 * Runs a Keras model in ONNX Runtime, optimizations off: as often as told, states kept in between.
 *
 * @param inputs - values by input name
 * @param taps - ids of the operations asked for
 */
export async function runModel(
  { architecture, weights }: KerasArchitecture,
  inputs: ReadonlyMap<string, Float32Array>,
  taps: readonly string[],
  calls: number,
): Promise<TapValues[]> {
  const states = architecture.operations.flatMap((operation) =>
    operation.kind === "state" ? [operation] : [],
  );
  const wanted = [...new Set([...taps, ...states.map(({ attributes }) => attributes.next)])];
  const names = new Map(wanted.map((tap, k) => [tap, `tap:${k}`]));
  const lowered = lower(architecture, {
    outputs: wanted.map((tap) => ({ tap, name: names.get(tap) ?? tap })),
  });
  const buffer = weights.source.kind === "memory" ? weights.source.bytes : new SharedArrayBuffer(0);
  const entries = new Map(weights.entries.map((entry) => [entry.name, entry]));
  const externalData = lowered.initializers.map(({ location, weight }) => {
    const entry = entries.get(weight);
    if (entry === undefined) throw new Error(`weight ${weight} has no values`);
    const data = new Uint8Array(sizeOf(entry.shape) * 4);
    data.set(new Uint8Array(buffer, entry.offset, data.byteLength));
    return { path: location, data };
  });
  const session = await ort.InferenceSession.create(lowered.model, {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 3,
    ...(externalData.length > 0 ? { externalData } : {}),
  });
  try {
    const kept = new Map<string, Float32Array>();
    const results: TapValues[] = [];
    for (let call = 0; call < calls; call++) {
      const feeds = lowered.feeds.map(({ name, tap, shape }) => {
        const data = inputs.get(tap) ?? kept.get(tap) ?? new Float32Array(sizeOf(shape));
        return [name, new ort.Tensor("float32", data, [...shape])] as const;
      });
      const outputs = await session.run(Object.fromEntries(feeds));
      const values = new Map(
        wanted.map((tap) => {
          const tensor = outputs[names.get(tap) ?? tap] as ort.Tensor;
          return [tap, { shape: tensor.dims, data: tensor.data as Float32Array }];
        }),
      );
      for (const { id, attributes } of states) {
        const next = values.get(attributes.next);
        if (next !== undefined) kept.set(id, next.data);
      }
      results.push(values);
    }
    return results;
  } finally {
    await session.release();
  }
}
