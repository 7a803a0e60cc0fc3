import { readFileSync } from "node:fs";
import type { Architecture } from "../../architecture/architecture.js";
import { InputError } from "../../errors.js";
import { architectureFromKeras } from "../../formats/keras/architecture.js";
import { dialectOfConfig, readModelConfig } from "../../formats/keras/config.js";
import { type Json, type ModelSpec, own } from "../../formats/keras/config-types.js";
import type { Hdf5Content } from "../../formats/keras/hdf5-protocol.js";
import { type KerasModel, openKerasFile } from "../../formats/keras/keras-file.js";
import { blankContent } from "../../weights/blank-content.js";
import { openWeightStore } from "../../weights/open-weight-store.js";
import { storedLayouts, withLayouts } from "../../weights/stored-layouts.js";
import { isModelJson } from "./file-kinds.js";
import { refuseOptions } from "./foreign-options.js";
import { imageReader, imageSizeOf } from "./image-input.js";
import { type DeclaredInput, inputShapes } from "./input-shapes.js";
import { kerasWeightsFile } from "./keras-weights-file.js";
import type { OpenedWeights, OpenRequest, Original } from "./original.js";
import { synthesized } from "./synthesized.js";

/** What the file itself brings: a model, and the weights unless it is a JSON text alone. */
interface Opened {
  readonly model: ModelSpec;
  readonly config: Json;
  readonly content: Hdf5Content | null;
  readonly kerasVersion: string | null;
}

/** A Keras model: `.keras`, whole-model `.h5`, or the JSON of `model.to_json()` beside a file of weights. */
export async function openKeras({ path, name, model, options }: OpenRequest): Promise<Original> {
  refuseOptions(options, ["partial", "lenient", "letterbox"], "a Keras model");
  const opened = await openModel(path);
  const shapes = inputShapes(name, declaredInputs(opened.model), options, () => [1, 2]);
  const source: KerasModel = { name, model: opened.model, content: blankContent };
  const built = architectureFromKeras(source, { shapes }).architecture;
  const layouts = storedLayouts(built);
  const architecture: Architecture = {
    ...built,
    layout: "nhwc",
    weights: withLayouts(built.weights, layouts),
  };
  return {
    architecture,
    name,
    model,
    network: networkOf(architecture),
    portOptions: {},
    referenceOptions: {
      graphOptimizationLevel: "disabled",
      keras: opened.kerasVersion ?? `dialect ${opened.model.dialect}`,
    },
    warnings: [],
    keras: { model: opened.model, config: opened.config },
    inputOptions: (input) => ({
      letterbox: false,
      type: input.type ?? "float",
      range: rangeOf(architecture, input.name),
      image: imageReader(input, "nhwc", options.preprocess),
    }),
    openWeights: () => openWeights(opened, { path, name, model, options }, architecture, shapes),
  };
}

async function openModel(path: string): Promise<Opened> {
  const head = readFileSync(path).subarray(0, 4096);
  if (!isModelJson(head)) {
    const { model, config, content, kerasVersion } = await openKerasFile(path);
    return { model, config, content, kerasVersion };
  }
  let json: Json;
  try {
    json = JSON.parse(readFileSync(path, "utf8")) as Json;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    // biome-ignore lint/style/useErrorCause: the cause is the third argument
    throw new InputError("corrupt", `${path}: is no JSON: ${reason}`, { cause });
  }
  return {
    model: readModelConfig(json, dialectOfConfig(json), path),
    config: json,
    content: null,
    kerasVersion: null,
  };
}

function declaredInputs(model: ModelSpec): DeclaredInput[] {
  return model.inputs.map(({ layer }) => {
    const config = model.layers.find(({ name }) => name === layer)?.config ?? {};
    const declared = own(config, "batch_shape") ?? own(config, "batch_input_shape") ?? null;
    const shape = Array.isArray(declared)
      ? declared.map((size) => (typeof size === "number" ? size : null))
      : null;
    return { name: layer, shape };
  });
}

function networkOf(architecture: Architecture): Original["network"] {
  for (const input of architecture.inputs) {
    const size = imageSizeOf(input, "nhwc");
    if (size !== null) return size;
  }
  return { width: 0, height: 0, channels: 0 };
}

/** Rows of the table that an input's whole numbers choose from; `null` where they go elsewhere too. */
function rangeOf({ operations }: Architecture, input: string): number | null {
  const shapes = new Map(operations.map(({ id, shape }) => [id, shape]));
  let range: number | null = null;
  for (const { kind, inputs } of operations) {
    const at = inputs.indexOf(input);
    if (at < 0 || kind !== "gather" || at !== 1) continue;
    const rows = shapes.get(inputs[0] ?? "")?.[0] ?? null;
    range = range === null || rows === null ? rows : Math.min(range, rows);
  }
  return range;
}

async function openWeights(
  { model: spec, content: own }: Opened,
  { path, name, model, options }: OpenRequest,
  architecture: Architecture,
  shapes: Readonly<Record<string, readonly number[]>>,
): Promise<OpenedWeights> {
  const asked = options.weights ?? (own === null ? SYNTHETIC : { kind: "file" as const, path });
  if (asked.kind === "synthetic") return synthesized(architecture, asked, model);
  const layouts = new Map(
    architecture.weights.flatMap(({ name: weight, layout }) =>
      layout === undefined ? [] : [[weight, layout] as const],
    ),
  );
  if (asked.path === path && own !== null) {
    const { weights } = architectureFromKeras({ name, model: spec, content: own }, { shapes });
    const store = openWeightStore({ ...weights, entries: withLayouts(weights.entries, layouts) });
    return { store, name: path, warnings: [], lastLayer: null };
  }
  const { description, warnings } = await kerasWeightsFile(asked.path, {
    architecture,
    model,
    bind: (content) =>
      architectureFromKeras(
        { name: asked.path, model: spec, content },
        { shapes, byName: options.byName },
      ).weights,
  });
  const entries = withLayouts(description.entries, layouts);
  const store = openWeightStore({ ...description, entries });
  return { store, name: asked.path, warnings, lastLayer: null };
}

const SYNTHETIC = { kind: "synthetic", seed: 1, gain: null } as const;
