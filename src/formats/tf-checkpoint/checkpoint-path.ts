import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { InputError } from "../../errors.js";

/** Where a checkpoint lies. */
export type CheckpointPath =
  /** `PREFIX.index` and `PREFIX.data-NNNNN-of-NNNNN`. */
  | { readonly format: "v2"; readonly prefix: string }
  /** One table, or all shards of it. */
  | { readonly format: "v1"; readonly files: readonly string[] };

/** A `checkpoint` file is a few lines of text; one that is longer is another file. */
const MAX_STATE_BYTES = 1_000_000;

/**
 * Finds the checkpoint that a path means: its `.index` or one of its data files, the prefix both
 * share, a V1 file, a SavedModel folder, or a folder with a `checkpoint` file (the newest is taken).
 *
 * @throws {InputError} `not-found`, `format` or `unsafe`
 */
export function findCheckpoint(path: string): CheckpointPath {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) return inFolder(path);
  if (path.endsWith(".index")) return v2(path.slice(0, -".index".length));
  const data = /^(.*)\.data-\d+-of-\d+$/.exec(path);
  if (data?.[1] !== undefined) return v2(data[1]);
  const name = basename(path);
  if (name === "checkpoint") return fromState(dirname(path), path);
  if (name === "saved_model.pb") return inFolder(dirname(path));
  return fromPrefix(path, path);
}

function v2(prefix: string): CheckpointPath {
  return { format: "v2", prefix };
}

function inFolder(folder: string): CheckpointPath {
  for (const name of ["variables/variables", "variables"]) {
    if (existsSync(join(folder, `${name}.index`))) return v2(join(folder, name));
  }
  const state = join(folder, "checkpoint");
  if (existsSync(state)) return fromState(folder, state);
  const found = readdirSync(folder).filter((name) => name.endsWith(".index"));
  const [only] = found;
  if (found.length === 1 && only !== undefined) return v2(join(folder, only.slice(0, -6)));
  const what = found.length === 0 ? "no checkpoint" : `${found.length} checkpoints`;
  const next = found.length === 0 ? "" : `; name one: ${found.slice(0, 5).join(", ")}`;
  throw new InputError(
    "not-found",
    `${folder}: holds ${what}, expected variables/variables.index, a "checkpoint" file or one .index${next}`,
  );
}

function fromPrefix(prefix: string, asked: string): CheckpointPath {
  if (existsSync(`${prefix}.index`)) return v2(prefix);
  if (existsSync(prefix)) return { format: "v1", files: shardsOf(prefix) };
  const shards = filesLike(dirname(prefix), basename(prefix));
  if (shards.length > 0) return { format: "v1", files: shards };
  throw new InputError("not-found", `${asked}: neither ${prefix}.index nor ${prefix} is there`);
}

/** A V1 file may be one of several: `NAME-00000-of-00002`. */
function shardsOf(path: string): string[] {
  const shard = /^(.*)-\d{5}-of-(\d{5})$/.exec(path);
  if (shard?.[1] === undefined || shard[2] === undefined) return [path];
  const count = Number(shard[2]);
  const files = filesLike(dirname(path), basename(shard[1])).filter((file) =>
    file.endsWith(`-of-${shard[2]}`),
  );
  if (files.length !== count) {
    throw new InputError("not-found", `${path}: ${files.length} of its ${count} shards are there`);
  }
  return files;
}

function filesLike(folder: string, name: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter(
      (file) => file.startsWith(`${name}-`) && /^-\d{5}-of-\d{5}$/.test(file.slice(name.length)),
    )
    .sort()
    .map((file) => join(folder, file));
}

/**
 * The newest checkpoint that a `checkpoint` file (text form of `CheckpointState`) names. An absolute
 * path is that of the machine that saved: its last part is looked for beside the file.
 */
function fromState(folder: string, path: string): CheckpointPath {
  if (statSync(path).size > MAX_STATE_BYTES) {
    throw new InputError("format", `${path}: is too large for a list of checkpoints`);
  }
  const [, quoted] =
    /^\s*model_checkpoint_path:\s*("(?:[^"\\\n]|\\.)*")/m.exec(readFileSync(path, "utf8")) ?? [];
  const named = quoted === undefined ? undefined : textValue(quoted);
  if (named === undefined) {
    throw new InputError("format", `${path}: has no model_checkpoint_path; name the .index file`);
  }
  if (named.split(/[/\\]/).includes("..")) {
    throw new InputError(
      "unsafe",
      `${path}: names ${JSON.stringify(named)}, expected a checkpoint in its own folder; name the .index file`,
    );
  }
  return fromPrefix(join(folder, isAbsolute(named) ? basename(named) : named), path);
}

/** The escapes of the text form that JSON has too; paths need no others. */
function textValue(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}
