import { basename, dirname } from "node:path";
import { InputError } from "../../errors.js";
import { type ByteSource, openSource, refuseForeignContent } from "../byte-source.js";
import { confinedPath } from "../confined-path.js";
import { type TensorFile, tensorFile } from "../tensor-file.js";
import { type Bundle, readBundle, type UnreadableTensor } from "./bundle.js";
import { findCheckpoint } from "./checkpoint-path.js";
import { OBJECT_GRAPH_KEY, type ObjectGraph, objectGraph } from "./object-graph.js";
import { type TensorRole, tensorRoles } from "./roles.js";
import { readV1 } from "./v1.js";

/** An open TensorFlow checkpoint: its index is in memory, its values are not. */
export interface TfCheckpoint extends TensorFile {
  /** The first format is one table with the values in it, the second an index and data files. */
  readonly format: "v1" | "v2";
  /** Number of data files. */
  readonly shards: number;
  /** What the checkpoint names but holds no numbers or text. */
  readonly unreadable: readonly UnreadableTensor[];
  /**
   * The saved objects, null in a name-based checkpoint.
   *
   * @throws {InputError} `corrupt` when its checksum or content is wrong
   */
  readonly objectGraph: () => ObjectGraph | null;
  /** What each tensor is for; throws as {@link objectGraph} does. */
  readonly roles: () => ReadonlyMap<string, TensorRole>;
}

/**
 * Opens a checkpoint, see {@link findCheckpoint} for what may be named. Data files must lie in the
 * folder of the index, be there in full and no longer than the index says.
 *
 * @throws {InputError} one line that names file, tensor, offset, need and rest
 */
export function openTfCheckpoint(path: string): TfCheckpoint {
  const found = findCheckpoint(path);
  const open: ByteSource[] = [];
  const closeAll = () => {
    for (const source of open) source.close();
  };
  const openKept = (file: string): ByteSource => {
    const source = openSource(file);
    open.push(source);
    return source;
  };
  try {
    if (found.format === "v1") {
      const bundle = readV1(found.files.map((file) => openTableFile(file, openKept)));
      return checkpoint(path, "v1", bundle, closeAll);
    }
    const { prefix } = found;
    const index = openTableFile(`${prefix}.index`, openKept);
    const bundle = readBundle(index, (shard, shards) =>
      openKept(confinedPath(dirname(prefix), shardName(prefix, shard, shards), index.name)),
    );
    return checkpoint(path, "v2", bundle, closeAll);
  } catch (error) {
    closeAll();
    throw error;
  }
}

function openTableFile(file: string, open: (file: string) => ByteSource): ByteSource {
  const source = open(file);
  refuseForeignContent(source, "a TensorFlow checkpoint");
  return source;
}

function shardName(prefix: string, shard: number, shards: number): string {
  const number = (value: number) => value.toString().padStart(5, "0");
  return `${basename(prefix)}.data-${number(shard)}-of-${number(shards)}`;
}

/** The tensors of a bundle as a {@link TfCheckpoint}; `close` closes what it reads from. */
export function checkpoint(
  name: string,
  format: TfCheckpoint["format"],
  bundle: Bundle,
  close: () => void,
): TfCheckpoint {
  const file = tensorFile(name, bundle.tensors, close);
  const graph = (): ObjectGraph | null => {
    const tensor = file.tensors.find((candidate) => candidate.name === OBJECT_GRAPH_KEY);
    if (tensor === undefined) return null;
    const [bytes] = tensor.dtype === "string" ? tensor.strings() : [];
    if (bytes !== undefined) return objectGraph(bytes, name);
    throw new InputError("corrupt", `${name}: ${OBJECT_GRAPH_KEY} is not one string`);
  };
  return {
    ...file,
    format,
    shards: bundle.shards,
    unreadable: bundle.unreadable,
    objectGraph: graph,
    roles: () => tensorRoles(file.tensors, graph()),
  };
}
