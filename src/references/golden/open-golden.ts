import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../errors.js";
import { type Npz, openNpz } from "../../formats/npy/npz.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { ReferenceTrace } from "../trace.js";
import { GRADIENTS_FILE, INPUTS_FILE, MANIFEST_FILE, TRACE_FILE } from "./files.js";
import { bytesOf, digestOf, type GoldenManifest, goldenManifest, hashOf } from "./manifest.js";

/** A recorded trace whose every byte is what its manifest says. */
export interface Golden extends ReferenceTrace {
  readonly manifest: GoldenManifest;
  /** The inputs it was recorded on, by name. */
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Values of a training pass by the names that the manifest tells; empty where none was recorded. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/** What a run has; a golden of anything else is foreign to it. */
export interface GoldenUse {
  /** sha256 of the file that describes the model. */
  readonly original: string;
  /** See `weightsHash`. */
  readonly weights: string;
  readonly inputs: ReadonlyMap<string, Tensor>;
}

/** Longest manifest; one of ten thousand taps has 2 MB. */
const MAX_MANIFEST_BYTES = 64 << 20;

/**
 * Opens a golden and verifies all of it: manifest, sizes, hashes, names, shapes.
 *
 * @throws {InputError} naming the file that is missing, changed or truncated
 */
export function openGolden(directory: string): Golden {
  const manifest = readManifest(directory);
  const trace = openArchive(directory, TRACE_FILE, manifest);
  const stored = openArchive(directory, INPUTS_FILE, manifest);
  const taps = new Map(manifest.taps.map((tap) => [tap.id, tap]));
  requireNames(directory, TRACE_FILE, trace, [...taps.keys()]);
  const names = manifest.inputs.map(({ name }) => name);
  requireNames(directory, INPUTS_FILE, stored, names);
  // The bytes are in memory: each value is looked at once.
  const looked = new Set<string>();
  const inputs = new Map(
    manifest.inputs.map((one) => [
      one.name,
      readValue(directory, INPUTS_FILE, stored, one.name, one),
    ]),
  );
  return {
    name: `golden:${directory}`,
    version: `${manifest.reference.name} ${manifest.reference.version}`,
    manifest,
    inputs,
    gradients: readGradients(directory, manifest),
    taps: [...taps.keys()],
    read: (id) => {
      const tap = taps.get(id);
      if (tap === undefined) return undefined;
      if (looked.has(id)) return trace.read(id) as Tensor;
      const value = readValue(directory, TRACE_FILE, trace, id, tap);
      looked.add(id);
      return value;
    },
  };
}

function readGradients(directory: string, manifest: GoldenManifest): ReadonlyMap<string, Tensor> {
  const values = manifest.training?.values;
  if (values === undefined) return new Map();
  const archive = openArchive(directory, GRADIENTS_FILE, manifest);
  requireNames(
    directory,
    GRADIENTS_FILE,
    archive,
    values.map(({ name }) => name),
  );
  return new Map(
    values.map((one) => [one.name, readValue(directory, GRADIENTS_FILE, archive, one.name, one)]),
  );
}

/** Reads every value once, so that each hash has been looked at. */
export function verifyGolden(directory: string): Golden {
  const golden = openGolden(directory);
  for (const id of golden.taps) golden.read(id);
  return golden;
}

/**
 * Refuses a golden of another model, other weights or another input.
 *
 * @throws {InputError} naming what is foreign
 */
export function requireSameUse({ manifest, name }: Golden, use: GoldenUse): void {
  const refuse = (what: string, recorded: string, found: string): never => {
    throw new InputError(
      "format",
      `${name}: was recorded with ${what} ${short(recorded)}, this run has ${short(found)}; record it again`,
    );
  };
  if (manifest.original.sha256 !== use.original) {
    refuse(`another original, ${manifest.original.file}`, manifest.original.sha256, use.original);
  }
  if (manifest.weights.sha256 !== use.weights) {
    refuse(`other weights, ${manifest.weights.source}`, manifest.weights.sha256, use.weights);
  }
  for (const input of manifest.inputs) {
    const value = use.inputs.get(input.name);
    const found = value === undefined ? "none" : hashOf(bytesOf(value.data));
    if (found === input.sha256 && `${value?.shape}` === `${input.shape}`) continue;
    refuse(`another input ${input.name}, ${input.source}`, input.sha256, found);
  }
  const surplus = [...use.inputs.keys()].find(
    (one) => !manifest.inputs.some((input) => input.name === one),
  );
  if (surplus !== undefined) refuse(`no input ${surplus}`, "none", surplus);
}

function short(hash: string): string {
  return hash.length === 64 ? `sha256 ${hash.slice(0, 12)}…` : hash;
}

/**
 * Reads a golden's manifest and checks it, without its values.
 *
 * @throws {InputError} when it is missing, or was changed
 */
export function readManifest(directory: string): GoldenManifest {
  const path = join(directory, MANIFEST_FILE);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new InputError(
      "not-found",
      `${directory}: is no golden, there is no ${MANIFEST_FILE} in it; difftest record makes one`,
    );
  }
  if (stat.size > MAX_MANIFEST_BYTES) {
    throw new InputError(
      "limit",
      `${path}: ${stat.size} bytes, expected at most ${MAX_MANIFEST_BYTES}`,
    );
  }
  const parsed = goldenManifest.safeParse(jsonOf(path));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const at = issue?.path.join(".") ?? "";
    throw new InputError("format", `${path}: ${at === "" ? "" : `${at}: `}${issue?.message}`);
  }
  if (digestOf(parsed.data) !== parsed.data.digest) {
    throw new InputError(
      "corrupt",
      `${path}: was changed after it was recorded (its digest does not fit); record it again`,
    );
  }
  return parsed.data;
}

function jsonOf(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    // biome-ignore lint/style/useErrorCause: the cause is the third argument
    throw new InputError("format", `${path}: is no JSON, truncated or changed`, { cause });
  }
}

function openArchive(directory: string, file: string, manifest: GoldenManifest): Npz {
  const path = join(directory, file);
  const said = manifest.files[file];
  if (said === undefined) {
    throw new InputError("format", `${join(directory, MANIFEST_FILE)}: does not list ${file}`);
  }
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new InputError("not-found", `${path}: is missing; record it again`);
  if (stat.size !== said.bytes) {
    const what = stat.size < said.bytes ? "truncated" : "changed after it was recorded";
    throw new InputError(
      "truncated",
      `${path}: was ${what}, ${stat.size} bytes, expected ${said.bytes}; record it again`,
    );
  }
  const bytes = readFileSync(path);
  if (hashOf(bytes) !== said.sha256) {
    throw new InputError(
      "corrupt",
      `${path}: was changed after it was recorded (sha256 ${hashOf(bytes).slice(0, 12)}…, expected ${said.sha256.slice(0, 12)}…); record it again`,
    );
  }
  return openNpz(bytes, path);
}

function requireNames(directory: string, file: string, npz: Npz, names: readonly string[]): void {
  if (`${npz.names}` === `${names}`) return;
  throw new InputError(
    "format",
    `${join(directory, file)}: holds ${npz.names.length} arrays, the manifest lists ${names.length} in another order or of other names`,
  );
}

function readValue(
  directory: string,
  file: string,
  npz: Npz,
  id: string,
  said: { readonly shape: readonly number[]; readonly sha256: string },
): Tensor {
  const value = npz.read(id);
  const path = `${join(directory, file)}/${id}`;
  if (value.dtype !== "float32" || `${value.shape}` !== `${said.shape}`) {
    throw new InputError(
      "shape",
      `${path}: is ${value.dtype} [${value.shape}], expected float32 [${said.shape}]`,
    );
  }
  if (hashOf(bytesOf(value.data)) !== said.sha256) {
    throw new InputError(
      "corrupt",
      `${path}: other values than the manifest says; record it again`,
    );
  }
  return value;
}
