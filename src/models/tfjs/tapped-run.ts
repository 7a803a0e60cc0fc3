import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../port/port.js";
import { isModel, type PlacedLayer, placedLayers, type TfLayer, type TfModel } from "./layers.js";

type Call = TfLayer["call"];

/**
 * Runs a model of TensorFlow.js' layers as `predict` does, and taps what each layer returns.
 *
 * @param inputs - by name
 */
export function runTapped(
  model: TfModel,
  inputs: Readonly<Record<string, tf.Tensor>>,
  tap: Tap,
): void {
  const run = new TappedRun(model, tap);
  try {
    const given = Object.values(inputs);
    tf.tidy(() => {
      const ordered = model.inputNames.map((name, k) => inputs[name] ?? (given[k] as tf.Tensor));
      run.start(model, ordered);
      model.call(ordered, {});
    });
  } finally {
    run.restore();
  }
}

/** The layers of a model while their calls are watched. */
class TappedRun {
  readonly #tap: Tap;
  readonly #placed: readonly PlacedLayer[];
  /** What each tensor is in the graph: a result of a layer, and inside a model the model's input. */
  readonly #meaning = new WeakMap<tf.Tensor, Set<string>>();
  readonly #done = new Set<string>();
  /** Calls of each layer so far. */
  readonly #count = new Map<string, number>();

  constructor(model: TfModel, tap: Tap) {
    this.#tap = tap;
    this.#placed = placedLayers(model);
    for (const { layer, path } of this.#placed) {
      const { call } = layer;
      layer.call = (given, kwargs) => this.#called(layer, path, call, given, kwargs);
    }
  }

  /** Notes what a model's inputs are, before it is called. */
  start(model: TfModel, given: readonly tf.Tensor[], prefix = ""): void {
    for (const [k, { sourceLayer }] of model.inputs.entries())
      this.#means(given[k], `${prefix}${sourceLayer.name}:0:0`);
  }

  /** Puts the layers back as they were. */
  restore(): void {
    // The class's own method shows again.
    for (const { layer } of this.#placed) delete (layer as Partial<TfLayer>).call;
  }

  #called(
    layer: TfLayer,
    path: string,
    call: Call,
    given: tf.Tensor | tf.Tensor[],
    kwargs: unknown,
  ): tf.Tensor | tf.Tensor[] {
    const read = Array.isArray(given) ? given : [given];
    const node = this.#nodeOf(layer, path, read);
    const index = node - Number(isModel(layer));
    const calls = layer.inboundNodes.length - Number(isModel(layer));
    const id = calls > 1 ? `${path}#call${index}` : path;
    if (isModel(layer)) this.start(layer, read, `${path}/`);
    const results = call.call(layer, given, kwargs);
    // For each further result of a layer TensorFlow.js calls it once more, and forgets what that brings.
    if (this.#done.has(id)) return results;
    this.#done.add(id);
    const many = Array.isArray(results) && results.length > 1;
    const tapped = [results].flat().map((value, k) => {
      const back = this.#tap(many ? `${id}#out${k}` : id, value as never) as unknown as tf.Tensor;
      this.#means(back, `${path}:${node}:${k}`);
      return back;
    });
    return Array.isArray(results) ? tapped : (tapped[0] as tf.Tensor);
  }

  /** Which of a layer's calls this is: that which reads these tensors, else the next one. */
  #nodeOf(layer: TfLayer, path: string, read: readonly tf.Tensor[]): number {
    const first = Number(isModel(layer));
    const count = this.#count.get(path) ?? 0;
    this.#count.set(path, count + 1);
    if (layer.inboundNodes.length - first <= 1) return first;
    const prefix = path.slice(0, path.length - layer.name.length);
    const found = layer.inboundNodes.findIndex(
      ({ inputTensors }, node) =>
        node >= first &&
        inputTensors.every(({ sourceLayer, nodeIndex, tensorIndex }, k) =>
          this.#meaning
            .get(read[k] as tf.Tensor)
            ?.has(`${prefix}${sourceLayer.name}:${nodeIndex}:${tensorIndex}`),
        ),
    );
    return found < 0 ? first + count : found;
  }

  #means(value: tf.Tensor | undefined, meaning: string): void {
    if (value === undefined) return;
    const meanings = this.#meaning.get(value) ?? new Set();
    this.#meaning.set(value, meanings.add(meaning));
  }
}
