import ort from "onnxruntime-node";
import type { KerasArchitecture } from "../../formats/keras/architecture.js";
import { type LoweredModel, lower } from "../../lower/lower.js";
import { TRIGGER_FACTOR } from "../../operators/rounding.js";
import { functionErrorOf } from "../../runtime/function-errors.js";
import { sizeOf } from "../../tensor/tensor.js";
import type { WeightStoreDescription } from "../../weights/weight-store.js";

/** Values of taps by their ids. */
export type TapValues = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array }
>;

/** A value or a bound of an operation, and the name it has in the graph. */
interface Asked {
  readonly tap: string;
  readonly name: string;
}

/**
 * Runs a Keras model in ONNX Runtime, optimizations off: as often as told, states kept in between.
 *
 * @param inputs - values by input name
 * @param taps - ids of the operations asked for
 */
export async function runModel(
  model: KerasArchitecture,
  inputs: ReadonlyMap<string, Float32Array>,
  taps: readonly string[],
  calls: number,
): Promise<TapValues[]> {
  const states = model.architecture.operations.flatMap((operation) =>
    operation.kind === "state" ? [operation] : [],
  );
  const wanted = [...new Set([...taps, ...states.map(({ attributes }) => attributes.next)])];
  const asked = wanted.map((tap, k) => ({ tap, name: `tap:${k}` }));
  const lowered = lower(model.architecture, { outputs: asked });
  return await inSession(lowered, model.weights, async (session) => {
    const kept = new Map<string, Float32Array>();
    const results: TapValues[] = [];
    for (let call = 0; call < calls; call++) {
      const values = await runOnce(session, lowered, new Map([...kept, ...inputs]), asked);
      for (const { id, attributes } of states) {
        const next = values.get(attributes.next);
        if (next !== undefined) kept.set(id, next.data);
      }
      results.push(values);
    }
    return results;
  });
}

/**
 * How far right answers of a model may lie apart by rounding alone: the bound of each tap, inputs taken as exact.
 * Taps in which nothing rounds are missing.
 */
export async function roundingOf(
  model: KerasArchitecture,
  inputs: ReadonlyMap<string, Float32Array>,
  taps: readonly string[],
): Promise<TapValues> {
  const asked = taps.map((tap, k) => ({ tap, name: `bound:${k}`, factor: TRIGGER_FACTOR }));
  const lowered = lower(model.architecture, {
    outputs: taps.map((tap, k) => ({ tap, name: `tap:${k}` })),
    // TensorFlow computed what is recorded.
    bounds: {
      mode: "trigger",
      cut: new Set(inputs.keys()),
      functionError: functionErrorOf("node"),
      outputs: asked,
    },
  });
  const made = new Set(lowered.outputs.map(({ name }) => name));
  return await inSession(lowered, model.weights, (session) =>
    runOnce(
      session,
      lowered,
      inputs,
      asked.filter(({ name }) => made.has(name)),
    ),
  );
}

async function inSession<T>(
  lowered: LoweredModel,
  weights: WeightStoreDescription,
  use: (session: ort.InferenceSession) => Promise<T>,
): Promise<T> {
  const externalData = externalWeights(lowered, weights);
  const session = await ort.InferenceSession.create(lowered.model, {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 3,
    ...(externalData.length > 0 ? { externalData } : {}),
  });
  try {
    return await use(session);
  } finally {
    await session.release();
  }
}

function externalWeights({ initializers }: LoweredModel, weights: WeightStoreDescription) {
  const buffer = weights.source.kind === "memory" ? weights.source.bytes : new SharedArrayBuffer(0);
  const entries = new Map(weights.entries.map((entry) => [entry.name, entry]));
  return initializers.map(({ location, weight }) => {
    const entry = entries.get(weight);
    if (entry === undefined) throw new Error(`weight ${weight} has no values`);
    const data = new Uint8Array(sizeOf(entry.shape) * 4);
    data.set(new Uint8Array(buffer, entry.offset, data.byteLength));
    return { path: location, data };
  });
}

/** One run; what is not given is zero: states before the first call. */
async function runOnce(
  session: ort.InferenceSession,
  lowered: LoweredModel,
  given: ReadonlyMap<string, Float32Array>,
  asked: readonly Asked[],
): Promise<TapValues> {
  const feeds = lowered.feeds.map(({ name, tap, shape }) => {
    const data = given.get(tap) ?? new Float32Array(sizeOf(shape));
    return [name, new ort.Tensor("float32", data, [...shape])] as const;
  });
  const outputs = await session.run(Object.fromEntries(feeds));
  return new Map(
    asked.map(({ tap, name }) => {
      const tensor = outputs[name] as ort.Tensor;
      return [tap, { shape: tensor.dims, data: tensor.data as Float32Array }];
    }),
  );
}
