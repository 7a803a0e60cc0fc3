import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../../errors.js";
import { readNpy } from "../../../formats/npy/npy-reader.js";
import { openNpz } from "../../../formats/npy/npz.js";
import type { DarknetManifest } from "../manifest.js";

const tensorFile = z.looseObject({
  index: z.number(),
  type: z.string(),
  shape: z.array(z.number()),
  file: z.string().optional(),
  key: z.string().optional(),
  stored: z.enum(["full", "subsample4096"]).optional(),
  name: z.string().optional(),
});

const cost = z.looseObject({
  layers: z.record(z.string(), z.union([z.number(), z.string()])),
  network: z.union([z.number(), z.string()]),
  seenUsed: z.number(),
});

const part = z.looseObject({
  layers: z.array(tensorFile).optional(),
  deltas: z.array(tensorFile).optional(),
  gradients: z.array(tensorFile).optional(),
  cost: z.union([cost, z.string()]).optional(),
  boxes: z.string().optional(),
  files: z.unknown().optional(),
});

const whole = part.extend({
  steps: z.number().optional(),
  rates: z.string().optional(),
  op: z.looseObject({ name: z.string(), args: z.array(z.unknown()) }).optional(),
  inputs: z.array(z.looseObject({ name: z.string(), file: z.string().optional() })).optional(),
  params: z.record(z.string(), z.unknown()).optional(),
  boxes: z.string().optional(),
});

/** One recorded tensor: where it lies, and which layer it belongs to. */
export type RecordedTensor = z.infer<typeof tensorFile>;

/** What one library gave for one case. */
export interface Recording {
  readonly library: string;
  readonly layers: readonly RecordedTensor[];
  readonly second: readonly RecordedTensor[];
  readonly deltas: readonly RecordedTensor[];
  readonly gradients: readonly RecordedTensor[];
  readonly cost: z.infer<typeof cost> | undefined;
  readonly boxes: string | undefined;
  readonly npz: string | undefined;
  /** Whether these are another library's files, with which this one agreed but for rounding. */
  readonly agreed: boolean;
  readonly manifest: z.infer<typeof whole>;
}

/**
 * What was recorded from a library, its own files or those of the oracle it agreed with.
 *
 * @returns the reason in words where nothing was
 */
export function recordingOf(
  folder: string,
  manifest: DarknetManifest,
  library: string,
): Recording | string {
  const all = whole.parse(manifest);
  const differs = manifest.disagrees.find(({ oracle }) => oracle === library);
  const agreed = manifest.alsoAgrees.some(({ oracle }) => oracle === library);
  const base = { library, second: [], agreed, manifest: all };
  if (manifest.oracle.name === library || agreed) {
    return {
      ...base,
      layers: all.layers ?? [],
      second: manifest.secondCall?.layers ?? [],
      deltas: all.deltas ?? [],
      gradients: all.gradients ?? [],
      cost: costOf(folder, all.cost),
      boxes: all.boxes,
      npz: manifest.expected,
    };
  }
  if (differs === undefined) return reasonOf(manifest, library);
  const own = part.parse(differs);
  const boxes = own.boxes ?? all.boxes;
  return {
    ...base,
    layers: own.layers ?? all.layers ?? [],
    deltas: own.deltas ?? [],
    gradients: own.gradients ?? [],
    cost: costOf(folder, own.cost),
    boxes: boxes === undefined || own.boxes !== undefined ? boxes : ownFile(folder, boxes, library),
    npz: differs.files?.find((file) => file.endsWith(".npz")),
  };
}

function reasonOf(manifest: DarknetManifest, library: string): string {
  const not = manifest.notSupportedBy[library];
  return not === undefined
    ? `recorded by ${manifest.oracle.name} only`
    : `${library} does not support it, says the suite`;
}

/** `boxes-pjreddie.json` beside `boxes.json`, if there is one. */
function ownFile(folder: string, file: string, library: string): string | undefined {
  const own = file.replace(/(\.[a-z]+)$/, `-${library}$1`);
  return existsSync(join(folder, own)) ? own : undefined;
}

function costOf(
  folder: string,
  value: z.infer<typeof part>["cost"],
): z.infer<typeof cost> | undefined {
  return typeof value === "string" ? cost.parse(readJson(folder, value)) : value;
}

/** Values of a recorded tensor; `undefined` where the file does not hold it. */
export function recordedValues(
  folder: string,
  tensor: RecordedTensor,
  npz: string | undefined,
): Float32Array | undefined {
  if (npz !== undefined) {
    const archive = openNpz(readFileSync(join(folder, npz)), npz);
    const key = tensor.key ?? "";
    return archive.names.includes(key) ? floats(archive.read(key), npz) : undefined;
  }
  return tensor.file === undefined ? undefined : readFloats(folder, tensor.file);
}

/** A .npy file of the case. */
export function readFloats(folder: string, file: string): Float32Array {
  return floats(readNpy(readFileSync(join(folder, file)), file), file);
}

function floats(read: ReturnType<typeof readNpy>, file: string): Float32Array {
  if (read.dtype === "float32") return read.data;
  throw new InputError("format", `${file}: is ${read.dtype}, expected float32`);
}

/** A JSON file of the case. */
export function readJson(folder: string, file: string): unknown {
  return JSON.parse(readFileSync(join(folder, file), "utf8"));
}
