import { existsSync } from "node:fs";
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

/** Whether a path names a checkpoint: by the files that lie there, as TensorFlow does. */
export function isCheckpoint(path: string): boolean {
  return (
    existsSync(`${path}.index`) ||
    /\.(index|data-\d{5}-of-\d{5})$/.test(path) ||
    ["checkpoint", "saved_model.pb", "variables/variables.index", "variables.index"].some((file) =>
      existsSync(`${path}/${file}`),
    )
  );
}
