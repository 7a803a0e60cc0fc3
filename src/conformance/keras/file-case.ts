import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../errors.js";
import { architectureFromKeras, type KerasArchitecture } from "../../formats/keras/architecture.js";
import type { Json } from "../../formats/keras/config-types.js";
import { type KerasModel, openKerasFile } from "../../formats/keras/keras-file.js";
import { openNpz } from "../../formats/npy/npz.js";
import { type AnyTensor, sizeOf } from "../../tensor/tensor.js";
import type { CaseResult } from "../suite.js";
import { distance, numbersOf, roundingApart, ruleOf } from "./agreement.js";
import { samplePositions, uniform } from "./formula.js";
import { formulaModel } from "./formula-model.js";
import type { KerasManifest, ManifestInput, ManifestTap } from "./manifest.js";
import { modelInWords } from "./model-in-words.js";
import { roundingOf, runModel, type TapValues } from "./run-model.js";

/** Judges one model file of a case of areas A or B: what it computes, or that it is refused. */
export async function judgeFile(
  folder: string,
  manifest: KerasManifest,
  file: string,
): Promise<CaseResult> {
  const base = { id: `${manifest.id}:${file}`, area: manifest.area };
  const refusal = manifest.toolShould === "reject" || manifest.toolShould === "refuse-unsafe";
  try {
    const opened = file.endsWith(".json.gz")
      ? formulaModel(folder, manifest, file)
      : await openKerasFile(join(folder, file), configOf(folder, manifest));
    const model = architectureFromKeras(opened, {
      shapes: shapesOf(manifest, opened),
      byName: /\bby_name=True\b/.test(manifest.title),
    });
    if (refusal)
      return { ...base, status: "failed", detail: `was read, expected ${manifest.toolShould}` };
    return { ...base, ...(await judgeTaps(folder, manifest, opened, model)) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (refusal && error instanceof InputError) {
      return { ...base, status: "passed", detail: `refused: ${message}` };
    }
    const detail = error instanceof InputError ? message : `crashed: ${message}`;
    return { ...base, status: "failed", detail };
  }
}

function inputValues(folder: string, input: ManifestInput): Float32Array {
  const { file: npz = "inputs.npz", key, name, how, shape } = input;
  if (how === undefined) {
    return Float32Array.from(
      numbersOf(openNpz(readFileSync(join(folder, npz)), npz).read(key ?? name)),
    );
  }
  const [, seed, factor] = /^u01\(0, n, (\d+)\) \* (\d+)/.exec(how) ?? [];
  if (seed === undefined) throw new Error(`unknown input formula: ${how}`);
  return Float32Array.from(
    { length: sizeOf(shape) },
    (_, k) => uniform(k, Number(seed)) * Number(factor),
  );
}

/** The configuration of weights-only files lies beside them, or stands in the manifest's notes. */
function configOf(folder: string, { notes = [] }: KerasManifest): { readonly config?: Json } {
  const path = join(folder, "config.json");
  if (existsSync(path)) return { config: JSON.parse(readFileSync(path, "utf8")) as Json };
  const config = notes.map(modelInWords).find((found) => found !== undefined);
  return config === undefined ? {} : { config };
}

/** The model's inputs in the manifest's words: by name, or by order. */
function inputNames(manifest: KerasManifest, file: KerasModel): string[] {
  return (manifest.inputs ?? []).map(
    ({ modelInput }, k) => modelInput ?? file.model.inputs[k]?.layer ?? "",
  );
}

function shapesOf(manifest: KerasManifest, file: KerasModel): Record<string, readonly number[]> {
  const known = new Set(file.model.inputs.map(({ layer }) => layer));
  const names = inputNames(manifest, file).map((name, k) =>
    known.has(name) ? name : (file.model.inputs[k]?.layer ?? name),
  );
  return Object.fromEntries(names.map((name, k) => [name, manifest.inputs?.[k]?.shape ?? []]));
}

async function judgeTaps(
  folder: string,
  manifest: KerasManifest,
  file: KerasModel,
  model: KerasArchitecture,
): Promise<Pick<CaseResult, "status" | "detail" | "distance">> {
  const inputs = new Map<string, Float32Array>();
  const shapes = Object.keys(shapesOf(manifest, file));
  for (const [k, input] of (manifest.inputs ?? []).entries()) {
    inputs.set(shapes[k] ?? input.name, inputValues(folder, input));
  }
  const [output = ""] = model.architecture.outputs;
  const taps = tapsOf(manifest, file).map((tap) =>
    tap.id === OUTPUT ? { ...tap, id: output } : tap,
  );
  if (taps.length === 0) return { status: "failed", detail: "the manifest names no taps" };
  const ids = new Map(model.architecture.operations.map(({ id, shape }) => [id, shape]));
  const missing = taps.find(({ id }) => !ids.has(id));
  if (missing !== undefined) return { status: "failed", detail: `no tap ${missing.id}` };
  const calls = Math.max(...taps.map(({ call }) => call));
  const values = await runModel(model, inputs, [...new Set(taps.map(({ id }) => id))], calls);
  const verdict = compare(folder, manifest, file, taps, values);
  // A bound through a whole model says nothing: errors do not add up as badly as they could.
  if (verdict.status === "passed" || manifest.area !== "A" || calls > 1) return verdict;
  const bounds = await roundingOf(model, inputs, [...new Set(taps.map(({ id }) => id))]);
  return compare(folder, manifest, file, taps, values, bounds);
}

function compare(
  folder: string,
  manifest: KerasManifest,
  file: KerasModel,
  taps: readonly Tap[],
  values: readonly TapValues[],
  bounds?: TapValues,
): Pick<CaseResult, "status" | "detail" | "distance" | "beyondRule"> {
  const expectedOf = expectedValues(folder, manifest, file);
  const rule = ruleOf(manifest);
  let worst = 0;
  let failure: string | undefined;
  let beyondRule: string | undefined;
  for (const { id, call, tap } of taps) {
    const actual = values[call - 1]?.get(id);
    const expected = expectedOf(tap);
    const shape = tap.layerShape ?? expected.shape;
    if (actual === undefined || `${actual.shape}` !== `${shape}`) {
      failure ??= `${tap.name}: shape [${actual?.shape}], expected [${shape}]`;
      continue;
    }
    const recorded = numbersOf(expected);
    const found = sampled(actual.data, tap, recorded.length);
    const apart = roundingApart(manifest, tap.name, bounds?.get(id)?.data);
    const absolute = Math.max(rule.absolute, 2 * apart);
    const far = distance(found, recorded, { ...rule, absolute });
    const strict = absolute === rule.absolute ? far : distance(found, recorded, rule);
    if (far > 1) failure ??= `${tap.name}: ${far.toPrecision(3)} times the tolerance`;
    else if (strict > 1) {
      beyondRule ??= `${tap.name}: ${strict.toPrecision(3)} times the tolerance; the library's own backends are ${apart.toPrecision(2)} apart, by rounding alone`;
    }
    worst = Math.max(worst, far);
  }
  if (failure !== undefined) return { status: "failed", detail: failure, distance: worst };
  return {
    status: "passed",
    detail: `${taps.length} taps agree`,
    distance: worst,
    ...(beyondRule === undefined ? {} : { beyondRule }),
  };
}

/** The recorded part of a layer's values. */
function sampled(values: Float32Array, tap: ManifestTap, count: number): ArrayLike<number> {
  if (tap.layerIndex === undefined || values.length === count) return values;
  return samplePositions(tap.layerIndex, values.length, count).map((at) => values[at] as number);
}

interface Tap {
  readonly id: string;
  /** From 1: stateful models are called twice. */
  readonly call: number;
  readonly tap: ManifestTap;
}

/** Stands for whatever the model returns. */
const OUTPUT = "\n";

/** The taps that this file's model has. */
function tapsOf(manifest: KerasManifest, file: KerasModel): Tap[] {
  const common = manifest.alsoAgrees.find(({ oracle }) => oracle === `keras${file.model.dialect}`);
  // Where the other library calls its layers otherwise, only what the model returns is the same.
  if (common?.commonLayers !== undefined && common.commonLayers !== common.layersKeras2) {
    const tap = manifest.taps.at(-1);
    return tap === undefined ? [] : [{ id: OUTPUT, call: 1, tap }];
  }
  const absent = new Set(manifest.tapsOnlyInOracle?.[`keras${file.model.dialect}`] ?? []);
  return manifest.taps
    .filter(({ name }) => !absent.has(name))
    .map((tap) => {
      const [, id = tap.name, call = "1"] = /^(.*) \(call (\d+)\)$/s.exec(tap.name) ?? [];
      return { id, call: Number(call), tap };
    });
}

/** Recorded values: the oracle's, or those of the file's own dialect where that library answers differently. */
function expectedValues(folder: string, manifest: KerasManifest, file: KerasModel) {
  const open = (name: string) => openNpz(readFileSync(join(folder, name)), name);
  const dialect = `keras${file.model.dialect}`;
  const own = manifest.disagrees.find(({ oracle }) => oracle === dialect)?.file;
  const other = own === undefined ? undefined : open(own);
  const opened = new Map<string, ReturnType<typeof open>>();
  return (tap: ManifestTap): AnyTensor => {
    if (other?.names.includes(tap.key)) return other.read(tap.key);
    const npz = opened.get(tap.file) ?? open(tap.file);
    opened.set(tap.file, npz);
    return npz.read(tap.key);
  };
}
