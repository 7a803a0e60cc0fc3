import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { openSource } from "../formats/byte-source.js";
import { openSafetensors } from "../formats/safetensors/reader.js";
import type { TensorFile } from "../formats/tensor-file.js";
import { openTfCheckpoint } from "../formats/tf-checkpoint/reader.js";
import type { TensorRole } from "../formats/tf-checkpoint/roles.js";

/** A file of tensors with names and nothing else. */
export interface NamedTensors {
  readonly file: TensorFile;
  /** In words, for messages. */
  readonly format: "safetensors" | "TensorFlow checkpoint";
  /** What each tensor is for; everything is a weight where the format does not say. */
  readonly roleOf: (name: string) => TensorRole;
  /** Other names of a tensor: a checkpoint of objects has paths, and the variables' own names beside them. */
  readonly aliases: (name: string) => readonly string[];
}

/**
 * Opens a safetensors file or a TensorFlow checkpoint (its prefix, `.index` or data file, its folder, or a
 * SavedModel's folder); `null` for anything else.
 *
 * @throws {InputError} when it is one and damaged
 */
export function openNamedTensors(path: string): NamedTensors | null {
  if (isSafetensors(path)) {
    return {
      file: openSafetensors(path),
      format: "safetensors",
      roleOf: () => ({ kind: "weight" }),
      aliases: () => [],
    };
  }
  if (!isCheckpoint(path)) return null;
  const file = openTfCheckpoint(path);
  const roles = file.roles();
  const names = fullNames(file.objectGraph());
  return {
    file,
    format: "TensorFlow checkpoint",
    roleOf: (name) => roles.get(name) ?? { kind: "weight" },
    aliases: (name) => names.get(name) ?? [],
  };
}

type Graph = ReturnType<ReturnType<typeof openTfCheckpoint>["objectGraph"]>;

function fullNames(graph: Graph): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const { attributes } of graph ?? []) {
    for (const { key, fullName } of attributes) {
      if (fullName !== "") names.set(key, [...(names.get(key) ?? []), fullName]);
    }
  }
  return names;
}

function isSafetensors(path: string): boolean {
  if (!existsSync(path)) return false;
  if (/\.safetensors$/i.test(path)) return true;
  try {
    const source = openSource(path);
    try {
      const head = source.read(0, Math.min(16, source.byteLength), "first bytes");
      return head.length > 9 && head[8] === 0x7b && head[6] === 0 && head[7] === 0;
    } finally {
      source.close();
    }
  } catch {
    // A folder, which is no safetensors file.
    return false;
  }
}

/** Whether a path names a checkpoint: by the files that lie there, as TensorFlow does, or by the end of a table. */
export function isCheckpoint(path: string): boolean {
  if (existsSync(`${path}.index`) || /\.(index|data-\d{5}-of-\d{5})$/.test(path)) return true;
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) {
    const files = ["checkpoint", "saved_model.pb", "variables/variables.index"];
    const found = files.some((file) => existsSync(join(path, file)));
    return found || readdirSync(path).some((name) => name.endsWith(".index"));
  }
  return stat?.isFile() === true && stat.size >= TABLE_FOOTER && endsAsTable(path, stat.size);
}

/** A table of LevelDB's form ends in 48 bytes, the last 8 a magic number. */
const TABLE_FOOTER = 48;
const TABLE_MAGIC = Buffer.from("57fb808b247547db", "hex");

function endsAsTable(path: string, size: number): boolean {
  const source = openSource(path);
  try {
    return TABLE_MAGIC.equals(source.read(size - 8, 8, "last bytes"));
  } finally {
    source.close();
  }
}
