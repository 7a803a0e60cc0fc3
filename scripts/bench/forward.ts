/**
 * One side alone, in a process of its own: `forward.ts reference|BACKEND MODEL ROUNDS`, the model as JSON.
 * Prints one line of JSON: milliseconds of each forward pass, and of all that comes before.
 */
import type * as tf from "@tensorflow/tfjs-core";
import ort from "onnxruntime-node";
import type { Original } from "../../src/checks/originals/original.js";
import { lower } from "../../src/lower/lower.js";
import type { Tap } from "../../src/port/port.js";
import { CountedWeights } from "../../src/record/port-weights.js";
import { tensorFor } from "../../src/record/tensor-kinds.js";
import type { BackendName } from "../../src/runtime/backend.js";
import { loadBackend } from "../../src/runtime/load-backend.js";
import { convertLayout } from "../../src/tensor/layout.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { syntheticInput } from "../../src/weights/synthetic.js";
import type { WeightStore } from "../../src/weights/weight-store.js";
import { type BenchModel, openModel } from "./model.js";
import type { Forwards } from "./report.js";

const [side = "", model = "{}", rounds = "1"] = process.argv.slice(2);

/** Times what `forward` does, as often as asked for. */
async function time(loaded: () => Promise<() => Promise<void>>): Promise<Forwards> {
  const started = performance.now();
  const forward = await loaded();
  const load = performance.now() - started;
  const ms: number[] = [];
  for (let round = 0; round < Number(rounds); round++) {
    const before = performance.now();
    await forward();
    ms.push(performance.now() - before);
  }
  return { load, ms };
}

/** The original in the reference's runtime, as the reference runs it, but for its outputs alone. */
async function loadReference({ architecture }: Original, store: WeightStore, input: Tensor) {
  const outputs = architecture.outputs.map((tap) => ({ tap, name: `out:${tap}` }));
  const lowered = lower(architecture, { outputs });
  const session = await ort.InferenceSession.create(lowered.model, {
    graphOptimizationLevel: "disabled",
    externalData: lowered.initializers.map(({ location, weight }) => {
      const { data } = store.read(weight);
      return {
        path: location,
        data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      };
    }),
  });
  const name = lowered.feeds[0]?.name ?? "input";
  const feeds = { [name]: new ort.Tensor("float32", input.data, [...input.shape]) };
  return async () => {
    await session.run(feeds);
  };
}

/** The built-in port: its taps do nothing, its outputs are read. */
async function loadPort(
  original: Original,
  store: WeightStore,
  input: Tensor,
  backend: BackendName,
) {
  await loadBackend(backend);
  if (original.model === null) throw new RangeError(`${original.name}: no built-in port`);
  const port = await original.model.load();
  const built = await port.build(new CountedWeights(store), {
    batch: 1,
    ...original.network,
    inputs: original.architecture.inputs.map(({ name, shape }) => ({ name, shape })),
    options: {},
  });
  const { data, shape } = convertLayout(input, original.architecture.layout ?? "nchw", port.layout);
  const outputs = new Set(original.architecture.outputs);
  const tap: Tap = (name, value) => {
    if (outputs.has(name)) (value as unknown as tf.Tensor).dataSync();
    return value;
  };
  return async () => {
    const given = tensorFor(port.runtime, data, shape);
    await port.forward(
      built as never,
      { [port.inputs?.[0]?.name ?? "input"]: given } as never,
      tap,
    );
  };
}

const original = await openModel(JSON.parse(model) as BenchModel);
const { store } = await original.openWeights();
const input = syntheticInput(original.architecture.inputs[0]?.shape ?? [], 1);
const result = await time(() =>
  side === "reference"
    ? loadReference(original, store, input)
    : loadPort(original, store, input, side as BackendName),
);
console.log(JSON.stringify(result));
