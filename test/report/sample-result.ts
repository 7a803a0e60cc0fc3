import { type LayerByLayerResult, RESULT_SCHEMA, type TapResult } from "../../src/checks/result.js";

/** One tap that agrees; tests replace what they are about. */
export function sampleTap(changes: Partial<TapResult> = {}): TapResult {
  return {
    id: "conv_0",
    port: "conv_0",
    layer: 0,
    kind: "conv",
    shape: [1, 32, 416, 416],
    actualShape: null,
    mode: "isolated",
    maxAbs: 1.25e-7,
    maxRel: 0.000_003_1,
    rmse: 2e-8,
    cosine: 1,
    ratio: 0.25,
    worst: [0, 3, 1, 2],
    bound: 5e-7,
    actual: 0.123_456_8,
    expected: 0.123_456_7,
    verdict: "same",
    basis: "trigger",
    sensitivity: null,
    notes: [],
    ...changes,
  };
}

/** A run in which all agrees. */
export function sampleResult(changes: Partial<LayerByLayerResult> = {}): LayerByLayerResult {
  return {
    schema: RESULT_SCHEMA,
    verdict: "same",
    command: "difftest layer-by-layer --model yolov4-tiny --weights synthetic:1 --input random:1",
    model: "yolov4-tiny",
    original: "yolov4-tiny",
    weights: "synthetic:1,gain=1",
    inputs: ["random:1"],
    inputShapes: { input: [1, 3, 416, 416] },
    size: { width: 416, height: 416, channels: 3, batch: 1 },
    options: {},
    reference: { name: "onnxruntime", version: "1.30.0", options: {} },
    backend: "wasm",
    tolerance: "bound",
    coverage: {
      taps: { compared: 2, total: 2 },
      elements: { compared: 11_075_584, total: 11_075_584 },
      weights: { compared: 5, total: 5 },
      covered: [],
      uncovered: [],
      unpaired: [],
      excluded: [],
    },
    weightsChecked: "verified",
    alignment: {
      by: "id",
      pairs: [
        { port: "conv_0", reference: "conv_0" },
        { port: "conv_1", reference: "conv_1" },
      ],
    },
    taps: [
      sampleTap(),
      sampleTap({ id: "conv_1", port: "conv_1", layer: 1, maxAbs: 0, ratio: null }),
      sampleTap({ mode: "cumulative", maxAbs: 1.25e-7 }),
      sampleTap({ id: "conv_1", port: "conv_1", layer: 1, mode: "cumulative", maxAbs: 2e-6 }),
    ],
    faults: [],
    warnings: [],
    timings: { read: 12, lower: 30, reference: 800, port: 900, compare: 100, total: 1900 },
    memory: { peak: 512 * 2 ** 20 },
    ...changes,
  };
}
