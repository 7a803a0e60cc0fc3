import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../errors.js";

const size = z.number().int().nonnegative();

const tapSchema = z.looseObject({
  name: z.string(),
  shape: z.array(size),
  /** Of the recorded array; absent: float32. */
  dtype: z.string().default("float32"),
  /** Name of the array in `expected.npz`. */
  key: z.string(),
  /** `grad`, `state`; absent: an output. */
  kind: z.string().optional(),
  /** `[step, count]`: only elements `step·i`, `i < count`, are stored. */
  sample: z.tuple([size, size]).optional(),
  /** Of the whole array, where only a sample is stored. */
  maxAbs: z.number().optional(),
  /** Element type in the checkpoint. */
  tfDtype: z.string().optional(),
  /** Which program gave the value (ONNX cases). */
  source: z.string().optional(),
  graphOutput: z.boolean().optional(),
});

/** A recorded value of a case. */
export type ManifestTap = z.infer<typeof tapSchema>;

const inputSchema = z.looseObject({
  name: z.string(),
  shape: z.array(size),
  dtype: z.string(),
  key: z.string(),
  file: z.string().default("inputs.npz"),
});

const weightsSchema = z.looseObject({
  format: z.string(),
  file: z.string().optional(),
  prefix: z.string().optional(),
  variables: size.optional(),
  map: z
    .array(z.looseObject({ name: z.string(), checkpointKey: z.string(), shape: z.array(size) }))
    .optional(),
});

const otherTensorSchema = z.looseObject({
  tensor: z.string(),
  dtype: z.string(),
  shape: z.array(size),
  bytes: size.optional(),
  strings: z.array(z.string()).optional(),
});

const manifestSchema = z.looseObject({
  id: z.string(),
  area: z.string(),
  title: z.string(),
  probes: z.array(z.string()),
  inputs: z.array(inputSchema),
  taps: z.array(tapSchema),
  weights: weightsSchema.nullish(),
  otherTensors: z.array(otherTensorSchema).default([]),
  damaged: z.boolean().default(false),
  /** Of an HDF5 file: its layers, in order. */
  layerNames: z.array(z.string()).optional(),
  oracleSays: z.record(z.string(), z.string()).default({}),
  accepted: z.boolean().optional(),
  allFinite: z.boolean(),
  /** File name → sha256. */
  files: z.record(z.string(), z.string()),
});

/** One case of the models suite: what its `manifest.json` says. */
export type ModelsManifest = z.infer<typeof manifestSchema>;

/** Names of the cases of a suite's folder, sorted; a folder of one case counts as that case. */
export function caseFolders(dir: string): string[] {
  const cases = join(dir, "cases");
  const home = existsSync(cases) ? cases : dir;
  return readdirSync(home)
    .filter((name) => existsSync(join(home, name, "manifest.json")))
    .sort()
    .map((name) => join(home, name));
}

/**
 * Reads and checks a manifest.
 *
 * @throws {InputError} `format` when it is not one of this suite
 */
export function readManifest(folder: string): ModelsManifest {
  const path = join(folder, "manifest.json");
  const parsed = manifestSchema.safeParse(jsonFrom(path));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InputError("format", `${path}: ${issue?.path.join(".")}: ${issue?.message}`);
}

function jsonFrom(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw notJson(path, cause);
  }
}

function notJson(path: string, cause: unknown): InputError {
  return new InputError("format", `${path}: is not JSON`, { cause });
}

/** The first file of a case that is missing or not the one that was recorded, null when all are right. */
export function changedFile(folder: string, manifest: ModelsManifest): string | null {
  for (const [name, sha256] of Object.entries(manifest.files)) {
    const path = join(folder, name);
    if (!existsSync(path)) return `${name} is missing`;
    const found = createHash("sha256").update(readFileSync(path)).digest("hex");
    if (found !== sha256) return `${name} has another sha256 than its manifest says`;
  }
  return null;
}
