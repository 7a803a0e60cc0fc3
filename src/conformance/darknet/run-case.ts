import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../errors.js";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../../formats/darknet/architecture.js";
import { readDarknetConfig } from "../../formats/darknet/config.js";
import type { DarknetDialect } from "../../formats/darknet/dialect.js";
import { readNpy } from "../../formats/npy/npy-reader.js";
import { openNpz } from "../../formats/npy/npz.js";
import { judgeOf } from "../../operators/evaluate.js";
import type { OnnxRuntimeProcess } from "../../references/onnxruntime/onnxruntime-process.js";
import { indexOf, type Tensor } from "../../tensor/tensor.js";
import { openDarknetWeights } from "../../weights/darknet-weights.js";
import { synthesizeWeights, syntheticInput } from "../../weights/synthetic.js";
import type { WeightStore } from "../../weights/weight-store.js";
import type { CaseResult } from "../suite.js";
import { distance, ruleOf } from "./agreement.js";
import type { DarknetManifest, ManifestLayer } from "./manifest.js";
import { callOriginal } from "./original-run.js";
import { sampledValues } from "./subsample.js";

const DIALECTS: readonly DarknetDialect[] = ["alexeyab", "pjreddie"];

/** One comparison a case asks for: whose rules, and the recorded outputs. */
interface Demand {
  readonly dialect: DarknetDialect;
  readonly layers: readonly ManifestLayer[];
  /** An .npz of which only some layers may be there, instead of one file a layer. */
  readonly npz?: string;
  readonly second?: readonly ManifestLayer[];
}

/** Runs one case of areas A, B or F: the outputs of every layer, by each library's rules that are recorded. */
export async function runCase(
  process: OnnxRuntimeProcess,
  root: string,
  folder: string,
  manifest: DarknetManifest,
): Promise<Omit<CaseResult, "id" | "area">> {
  const demands = demandsOf(manifest);
  if (manifest.layers.length === 0)
    return {
      status: "not covered",
      detail: "records no layer outputs: functions on boxes come with a later check",
    };
  if (demands.length === 0)
    return { status: "not covered", detail: `recorded by ${manifest.oracle.name} only` };
  let worst = 0;
  for (const demand of demands) {
    const found = await runDemand(process, root, folder, manifest, demand);
    worst = Math.max(worst, found.distance);
    if (found.detail !== "")
      return { status: "failed", detail: `${demand.dialect}: ${found.detail}`, distance: worst };
  }
  return { status: "passed", detail: "", distance: worst };
}

function demandsOf(manifest: DarknetManifest): Demand[] {
  const demands: Demand[] = [];
  const own = DIALECTS.find((dialect) => dialect === manifest.oracle.name);
  const base = {
    layers: manifest.layers,
    ...(manifest.expected === undefined ? {} : { npz: manifest.expected }),
    ...(manifest.secondCall?.layers === undefined ? {} : { second: manifest.secondCall.layers }),
  };
  if (own !== undefined) demands.push({ dialect: own, ...base });
  for (const { oracle, layers, files } of manifest.disagrees) {
    const dialect = DIALECTS.find((one) => one === oracle);
    if (dialect === undefined || manifest.notSupportedBy[oracle] !== undefined) continue;
    if (layers !== undefined) demands.push({ dialect, layers });
    const npz = files?.find((file) => file.endsWith(".npz"));
    if (npz !== undefined) demands.push({ dialect, layers: manifest.layers, npz });
  }
  return demands;
}

async function runDemand(
  process: OnnxRuntimeProcess,
  root: string,
  folder: string,
  manifest: DarknetManifest,
  demand: Demand,
): Promise<{ detail: string; distance: number }> {
  const architecture = architectureOf(root, folder, manifest, demand.dialect);
  const { weights, input } = sourcesOf(folder, manifest, architecture);
  try {
    const first = await callOriginal(process, architecture, input, weights);
    const check = { folder, manifest, architecture, input, weights };
    const found = compareLayers(check, demand, demand.layers, first.layers);
    if (found.detail !== "" || demand.second === undefined) return found;
    const second = await callOriginal(process, architecture, input, weights, first.states);
    const again = compareLayers(
      check,
      { dialect: demand.dialect, layers: demand.second },
      demand.second,
      second.layers,
    );
    const detail = again.detail === "" ? "" : `second call: ${again.detail}`;
    return { detail, distance: Math.max(found.distance, again.distance) };
  } finally {
    weights.close();
  }
}

interface Check {
  readonly folder: string;
  readonly manifest: DarknetManifest;
  readonly architecture: DarknetArchitecture;
  readonly input: Tensor;
  readonly weights: WeightStore;
}

/** The first layer that differs, or an empty detail; and the largest distance of all. */
function compareLayers(
  check: Check,
  demand: Demand,
  layers: readonly ManifestLayer[],
  actual: ReadonlyMap<string, Tensor>,
): { detail: string; distance: number } {
  const rule = ruleOf(check.manifest);
  const npz =
    demand.npz === undefined
      ? undefined
      : openNpz(readFileSync(join(check.folder, demand.npz)), demand.npz);
  let [worst, compared] = [0, 0];
  for (const layer of layers) {
    const own = actual.get(check.architecture.layers[layer.index]?.id ?? "");
    if (own === undefined)
      return {
        detail: `layer ${layer.index} (${layer.type}) is missing`,
        distance: Number.POSITIVE_INFINITY,
      };
    const expected = recorded(check.folder, layer, npz);
    if (expected === undefined) continue;
    if (!sameShape(own.shape, layer.shape)) {
      return {
        detail: `layer ${layer.index} (${layer.type}): shape [${own.shape}], expected [${layer.shape}]`,
        distance: Number.POSITIVE_INFINITY,
      };
    }
    const values =
      layer.stored === "subsample4096" ? sampledValues(own.data, layer.index) : own.data;
    const far = distance(values, expected, rule);
    compared += 1;
    if (far <= 1) {
      worst = Math.max(worst, far);
      continue;
    }
    const excused =
      demand.dialect === check.manifest.oracle.name && check.manifest.referenceBug !== undefined;
    if (excused) {
      const truth = againstDefinition(check, layer, own);
      if (truth === undefined) continue;
      return {
        detail: `layer ${layer.index} (${layer.type}): the reference is known to be wrong here, but ${truth}`,
        distance: far,
      };
    }
    return {
      detail: `layer ${layer.index} (${layer.type}): ${far.toPrecision(3)} times the tolerance`,
      distance: far,
    };
  }
  if (compared === 0) return { detail: "nothing was compared", distance: Number.POSITIVE_INFINITY };
  return { detail: "", distance: worst };
}

/** The library knows no ranks: a row that passes through a dropout or a route is recorded as maps of 1×1. */
function sameShape(own: readonly number[], expected: readonly number[]): boolean {
  const shape = own.length === 2 && expected.length === 4 ? [...own, 1, 1] : own;
  return `${shape}` === `${expected}`;
}

/** Where the recorded value is a fault of the reference, ours must be what the definition says in float64. */
function againstDefinition(
  { architecture, input, weights, manifest }: Check,
  layer: ManifestLayer,
  own: Tensor,
): string | undefined {
  const id = architecture.layers[layer.index]?.id ?? "";
  const exactly = judgeOf({
    architecture,
    known: (name) => (name === architecture.inputs[0]?.name ? input : undefined),
    weights: (name) => weights.read(name).data,
  });
  const truth = Float64Array.from(
    own.data,
    (_, at) => exactly(id, indexOf(at, own.shape)) ?? Number.NaN,
  );
  const far = distance(own.data, truth, ruleOf(manifest));
  return far <= 1
    ? undefined
    : `ours is ${far.toPrecision(3)} times the tolerance from the definition`;
}

function recorded(
  folder: string,
  layer: ManifestLayer,
  npz: ReturnType<typeof openNpz> | undefined,
): ArrayLike<number> | undefined {
  if (npz !== undefined)
    return npz.names.includes(layer.key ?? "")
      ? (npz.read(layer.key ?? "").data as Float32Array)
      : undefined;
  if (layer.file === undefined) return undefined;
  return readNpy(readFileSync(join(folder, layer.file)), layer.file).data as Float32Array;
}

function architectureOf(
  root: string,
  folder: string,
  manifest: DarknetManifest,
  dialect: DarknetDialect,
): DarknetArchitecture {
  const path = manifest.cfg === undefined ? join(folder, "net.cfg") : join(root, manifest.cfg.file);
  const batch = batchOf(folder, manifest);
  return architectureFromDarknet(readDarknetConfig(path), {
    dialect,
    ...(batch === undefined ? {} : { batch }),
  });
}

function inputFile(manifest: DarknetManifest): string | undefined {
  return Object.keys(manifest.files).find((file) => file === "input.npy");
}

function batchOf(folder: string, manifest: DarknetManifest): number | undefined {
  const file = inputFile(manifest);
  return file === undefined ? undefined : readNpy(readFileSync(join(folder, file)), file).shape[0];
}

function sourcesOf(
  folder: string,
  manifest: DarknetManifest,
  architecture: DarknetArchitecture,
): { weights: WeightStore; input: Tensor } {
  const file = inputFile(manifest);
  const shape = architecture.inputs[0]?.shape ?? [];
  const { seed, gain, shortcutGain } = manifest.weights ?? {};
  const input =
    file === undefined
      ? syntheticInput(shape, (seed ?? 0) + 1)
      : readNpy(readFileSync(join(folder, file)), file);
  if (input.dtype !== "float32")
    throw new InputError("format", `${folder}: input is ${input.dtype}, expected float32`);
  const path = manifest.weights?.file;
  if (path !== undefined)
    return {
      input,
      weights: openDarknetWeights(join(folder, path), architecture, { lenient: true }).store,
    };
  if (seed === undefined)
    throw new InputError(
      "format",
      `${folder}: the manifest names neither a weights file nor a seed`,
    );
  const options = {
    seed,
    ...(gain === undefined ? {} : { gain }),
    ...(shortcutGain === undefined ? {} : { shortcutGain }),
  };
  return { input, weights: synthesizeWeights(architecture, options) };
}
