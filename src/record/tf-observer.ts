import * as tf from "@tensorflow/tfjs-core";
import type { CountedWeights } from "./port-weights.js";
import type { TapRecorder } from "./recorder.js";
import { isTfTensor } from "./tensor-kinds.js";

/** The parts of TensorFlow.js' engine that are watched; internal, so described here by structure. */
interface Engine {
  runKernel(name: string, inputs: Record<string, unknown>, attributes?: unknown): unknown;
  makeTensor(
    values: unknown,
    shape: number[],
    dtype: string,
    backend?: unknown,
  ): { dataId: object };
}

/**
 * Watches what a TensorFlow.js port computes from what: which weights each tap depends on, and
 * whether it goes on with what `tap` returns. All copies of TensorFlow.js in a thread share one
 * engine, so a port may bring its own copy.
 */
export class TfObserver {
  readonly #engine = tf.engine() as unknown as Engine;
  readonly #runKernel = this.#engine.runKernel;
  readonly #makeTensor = this.#engine.makeTensor;
  /** Weights that each buffer was computed from. */
  readonly #origins = new WeakMap<object, ReadonlySet<string>>();
  readonly #arrays = new WeakMap<object, string>();
  readonly #read = new WeakSet<object>();
  readonly #taps: Record<string, readonly string[]> = {};

  constructor() {
    const observer = this;
    this.#engine.makeTensor = function (this: Engine, values, shape, dtype, backend) {
      const made = observer.#makeTensor.call(this, values, shape, dtype, backend);
      const weight =
        typeof values === "object" && values !== null ? observer.#arrays.get(values) : undefined;
      if (weight !== undefined) observer.#origins.set(made.dataId, new Set([weight]));
      return made;
    };
    this.#engine.runKernel = function (this: Engine, name, inputs, attributes) {
      const result = observer.#runKernel.call(this, name, inputs, attributes);
      observer.#note(name, inputs, result);
      return result;
    };
  }

  /** Remembers every array that is handed out, so that tensors made of it are recognized. */
  watchWeights(weights: CountedWeights): void {
    const take = weights.take.bind(weights);
    weights.take = (name, options) => {
      const taken = take(name, options);
      this.#arrays.set(taken.data, name);
      return taken;
    };
  }

  /** Notes the origins of every tapped tensor. */
  watchTaps(recorder: TapRecorder): void {
    const tap = recorder.tap;
    (recorder as { tap: typeof tap }).tap = (name, value, options) => {
      const id = dataIdOf(value);
      this.#taps[name] = [...((id && this.#origins.get(id)) ?? [])];
      const back = tap(name, value, options);
      const backId = dataIdOf(back);
      // What comes back stands for what was given: later taps depend on the same weights.
      if (backId !== undefined && id !== undefined)
        this.#origins.set(backId, this.#origins.get(id) ?? new Set());
      if (id !== undefined) this.#read.delete(id);
      return back;
    };
  }

  /** Weights that each tap was computed from, directly or through earlier taps. */
  provenance(): Readonly<Record<string, readonly string[]>> {
    return this.#taps;
  }

  /** Taps after which the port went on with its own tensor and never read the returned one. */
  ignored(recorder: TapRecorder): readonly string[] {
    return recorder.returned
      .filter(({ given, back }) => {
        const [givenId, backId] = [dataIdOf(given), dataIdOf(back)];
        return (
          givenId !== undefined &&
          backId !== undefined &&
          this.#read.has(givenId) &&
          !this.#read.has(backId)
        );
      })
      .map(({ name }) => name);
  }

  /** Puts the engine back as it was. */
  stop(): void {
    this.#engine.runKernel = this.#runKernel;
    this.#engine.makeTensor = this.#makeTensor;
  }

  #note(kernel: string, inputs: Record<string, unknown>, result: unknown): void {
    const ids = tensorsIn(inputs).map((one) => one.dataId);
    // Identity is how tensors are cloned and kept; it computes nothing.
    if (kernel !== "Identity") for (const id of ids) this.#read.add(id);
    const sets = ids.map((id) => this.#origins.get(id)).filter((set) => set !== undefined);
    const largest = sets.reduce(
      (a, b) => (b.size > a.size ? b : a),
      new Set<string>() as ReadonlySet<string>,
    );
    const rest = sets
      .filter((set) => set !== largest)
      .flatMap((set) => [...set])
      .filter((name) => !largest.has(name));
    const origins = rest.length === 0 ? largest : new Set([...largest, ...rest]);
    for (const { dataId } of tensorsIn(result))
      if (!this.#origins.has(dataId)) this.#origins.set(dataId, origins);
  }
}

function dataIdOf(value: unknown): object | undefined {
  return isTfTensor(value) ? (value as unknown as { dataId: object }).dataId : undefined;
}

function tensorsIn(value: unknown): { dataId: object }[] {
  if (isTfTensor(value)) return [value as unknown as { dataId: object }];
  if (Array.isArray(value)) return value.flatMap(tensorsIn);
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap((one) =>
    isTfTensor(one) || Array.isArray(one) ? tensorsIn(one) : [],
  );
}
