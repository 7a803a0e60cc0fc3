import { InputError } from "../../errors.js";
import type { AnyTensor } from "../../tensor/tensor.js";
import { openZip, type ZipOptions } from "../zip/zip-reader.js";
import { writeZip, type ZipWriteOptions } from "../zip/zip-writer.js";
import { readNpyHeader } from "./npy-header.js";
import { readNpy } from "./npy-reader.js";
import { writeNpy } from "./npy-writer.js";

/** An opened `.npz` archive: arrays are read when asked for. */
export interface Npz {
  /** Names without `.npy`, in the order of the archive. */
  readonly names: readonly string[];
  /**
   * One array; see {@link readNpy} for dtypes. An uncompressed one is a *view* of the archive where
   * its alignment allows.
   *
   * @throws {InputError} when there is none of that name or it is damaged
   */
  readonly read: (name: string) => AnyTensor;
}

/** What one array of an archive is, without its values. */
export interface NpzItem {
  readonly name: string;
  /** NumPy's type, byte order left out: `f4`, `i8`, `b1`, also those that {@link readNpy} refuses. */
  readonly type: string;
  readonly shape: readonly number[];
  /** Bytes of the array's `.npy` file, uncompressed. */
  readonly byteLength: number;
}

/**
 * Opens an `.npz` archive, as `numpy.savez` and `numpy.savez_compressed` write it.
 *
 * @throws {InputError} when the archive is damaged, unsafe, too large when unpacked, or holds
 *   something that is not an `.npy` file
 */
export function openNpz(bytes: Uint8Array, source: string, options: ZipOptions = {}): Npz {
  const archive = openZip(bytes, source, options);
  const foreign = archive.entries.find(({ name }) => !name.endsWith(".npy"));
  if (foreign !== undefined) {
    throw new InputError("format", `${source}: entry '${foreign.name}', expected .npy files only`);
  }
  const names = archive.entries.map(({ name }) => name.slice(0, -".npy".length));
  return {
    names,
    read: (name) => {
      if (!archive.has(`${name}.npy`)) {
        const known = names.length > 20 ? `${names.slice(0, 20).join(", ")} …` : names.join(", ");
        throw new InputError("name", `${source}: no array '${name}', expected one of ${known}`);
      }
      return readNpy(archive.read(`${name}.npy`), `${source}/${name}.npy`);
    },
  };
}

/** All arrays of an `.npz` archive by name; throws as {@link openNpz} does. */
export function readNpz(
  bytes: Uint8Array,
  source: string,
  options: ZipOptions = {},
): Map<string, AnyTensor> {
  const { names, read } = openNpz(bytes, source, options);
  return new Map(names.map((name) => [name, read(name)]));
}

/** Names, types and shapes of the arrays of an `.npz` archive; throws as {@link openNpz} does. */
export function listNpz(bytes: Uint8Array, source: string, options: ZipOptions = {}): NpzItem[] {
  const { names } = openNpz(bytes, source, options);
  const archive = openZip(bytes, source, options);
  return names.map((name) => {
    const file = archive.read(`${name}.npy`);
    const { code, shape } = readNpyHeader(file, `${source}/${name}.npy`);
    return { name, type: code, shape, byteLength: file.byteLength };
  });
}

/**
 * An `.npz` archive of named tensors; the same tensors give the same bytes, in the order given.
 *
 * @throws {InputError} from 4 GiB on
 */
export function writeNpz(
  tensors: Iterable<readonly [name: string, tensor: AnyTensor]>,
  options: ZipWriteOptions = {},
): Uint8Array {
  const contents = Array.from(tensors, ([name, tensor]) => ({
    name: `${name}.npy`,
    bytes: writeNpy(tensor),
  }));
  return writeZip(contents, options);
}
