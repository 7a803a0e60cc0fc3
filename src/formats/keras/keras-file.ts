import { readFileSync } from "node:fs";
import { InputError } from "../../errors.js";
import { openSource } from "../byte-source.js";
import { foreignContent } from "../foreign-content.js";
import { openZip, type ZipArchive } from "../zip/zip-reader.js";
import { dialectOfConfig, readModelConfig } from "./config.js";
import { type Dialect, isObject, type Json, type ModelSpec, own } from "./config-types.js";
import type { Hdf5Content } from "./hdf5-protocol.js";
import { fromKeras1 } from "./keras1.js";
import type { Variable } from "./layer.js";
import { type Hdf5Options, readHdf5 } from "./read-hdf5.js";

/** A Keras model file, read: what it describes and the weights it holds. */
export interface KerasFile {
  readonly name: string;
  readonly model: ModelSpec;
  /** The configuration that the model was read from. */
  readonly config: Json;
  readonly content: Hdf5Content;
  /** As the file says it: `3.15.1`; null when it does not. */
  readonly kerasVersion: string | null;
}

/** A model whose weights may also come from elsewhere: made for the variables it turns out to have. */
export interface KerasModel extends Pick<KerasFile, "name" | "model"> {
  readonly content: Hdf5Content | ((variables: readonly Variable[]) => Hdf5Content);
}

/** Where the configuration of a weights-only file comes from. */
export interface OpenOptions extends Hdf5Options {
  /** Parsed JSON of the model (`model.to_json()`), for files without. */
  readonly config?: Json;
}

const HDF5_SIGNATURE = Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]);
/** A user block before HDF5's own bytes has a length of 512, 1024, 2048 …; no one writes longer ones than this. */
const MAX_USER_BLOCK = 2 ** 20;

/**
 * Opens a Keras model: a `.keras` archive, a whole-model `.h5`, or weights alone with the configuration given.
 * The file's first bytes decide which, not its name.
 *
 * @throws {InputError} one line that names the file and what to do
 */
export async function openKerasFile(path: string, options: OpenOptions = {}): Promise<KerasFile> {
  const kind = kindOf(path);
  return kind === "zip" ? openArchive(path, options) : openHdf5(path, options);
}

function kindOf(path: string): "zip" | "hdf5" {
  const source = openSource(path);
  try {
    const { byteLength } = source;
    if (byteLength === 0)
      throw new InputError("truncated", `${path}: is empty, expected a Keras model`);
    const head = source.read(0, Math.min(512, byteLength), "head");
    if (head[0] === 0x50 && head[1] === 0x4b) return "zip";
    for (let at = 0; at <= MAX_USER_BLOCK && at + 8 <= byteLength; at = at === 0 ? 512 : at * 2) {
      if (HDF5_SIGNATURE.equals(source.read(at, 8, "signature"))) return "hdf5";
    }
    const foreign = foreignContent(head);
    throw new InputError(
      "format",
      foreign === null
        ? `${path}: is neither a zip archive (.keras) nor an HDF5 file (.h5)`
        : `${path}: is ${foreign.what}, expected a Keras model; ${foreign.next}`,
    );
  } finally {
    source.close();
  }
}

async function openHdf5(path: string, options: OpenOptions): Promise<KerasFile> {
  const byteLength = openSourceLength(path);
  const content = await readHdf5(
    { source: { kind: "file", path }, name: path, byteLength },
    options,
  );
  const { attributes } = content;
  const text = attributes["model_config"];
  if (text === undefined && options.config === undefined) {
    throw new InputError(
      "format",
      `${path}: holds no model_config: weights alone; give the model's JSON (model.to_json()) as --original`,
    );
  }
  if (content.layout === "none") {
    throw new InputError(
      "corrupt",
      `${path}: holds no weights (no group model_weights, no layer_names)`,
    );
  }
  const config = options.config ?? parseJson(text ?? "", `${path}: model_config`);
  const kerasVersion = attributes["keras_version"] ?? null;
  // The JSON given beside a file of weights may be older or newer than the file.
  const dialect =
    options.config === undefined ? dialectOf(kerasVersion, config) : dialectOfConfig(config);
  const old = options.config === undefined && kerasVersion?.startsWith("1.") === true;
  const current = old ? fromKeras1(config, path) : config;
  const model = readModelConfig(current, dialect, path);
  return { name: path, model, config: current, content, kerasVersion };
}

function openSourceLength(path: string): number {
  const source = openSource(path);
  source.close();
  return source.byteLength;
}

async function openArchive(path: string, options: OpenOptions): Promise<KerasFile> {
  const file = readFileSync(path);
  const archive = openZip(file, path);
  const config = parseJson(entryText(archive, "config.json", path), `${path}: config.json`);
  const metadata = archive.has("metadata.json")
    ? parseJson(entryText(archive, "metadata.json", path), `${path}: metadata.json`)
    : null;
  const version = isObject(metadata) ? own(metadata, "keras_version") : undefined;
  const kerasVersion = typeof version === "string" ? version : null;
  const dialect = dialectOf(kerasVersion, config);
  const model = readModelConfig(config, dialect, path);
  if (!archive.has("model.weights.h5")) {
    throw new InputError("corrupt", `${path}: has no entry model.weights.h5; save the model again`);
  }
  const name = `${path}: model.weights.h5`;
  const content = await readHdf5({ ...weightsSource(archive, file, path), name }, options);
  return { name: path, model, config, content, kerasVersion };
}

/** Where the weights lie: in the archive itself when they are stored, else unpacked. */
function weightsSource(archive: ZipArchive, file: Buffer, path: string) {
  const bytes = archive.read("model.weights.h5");
  const { byteLength, byteOffset, buffer } = bytes;
  if (buffer === file.buffer) {
    const offset = byteOffset - file.byteOffset;
    return { source: { kind: "file", path, offset, byteLength }, byteLength } as const;
  }
  // Handed over whole: a part of a larger buffer would take its neighbours along.
  const alone = byteLength === buffer.byteLength ? bytes : bytes.slice();
  return {
    source: { kind: "memory", bytes: alone as Uint8Array<ArrayBuffer> },
    byteLength,
  } as const;
}

function entryText(archive: ZipArchive, entry: string, path: string): string {
  if (!archive.has(entry)) {
    throw new InputError(
      "corrupt",
      `${path}: has no entry ${entry}; is the archive a .keras file, packed without a folder?`,
    );
  }
  return new TextDecoder("utf-8").decode(archive.read(entry));
}

function parseJson(text: string, where: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw notJson(where, error);
  }
}

function notJson(where: string, cause: unknown): InputError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new InputError("corrupt", `${where} is no JSON: ${reason}`, { cause });
}

function dialectOf(version: string | null, config: Json): Dialect {
  const major = version === null ? Number.NaN : Number.parseInt(version, 10);
  if (Number.isNaN(major)) return dialectOfConfig(config);
  return major >= 3 ? 3 : 2;
}
