import h5wasm from "h5wasm";
import { InputError, type InputErrorCode } from "../../errors.js";
import type { Hdf5Request } from "./hdf5-protocol.js";
import { SANDBOX_PATH, SandboxFile } from "./hdf5-sandbox.js";
import { widen } from "./widen.js";

type Source = Hdf5Request["source"];
type Module = Awaited<typeof h5wasm.ready>;
type Metadata = ReturnType<Module["get_dataset_metadata"]>;

/** Bytes that are copied out of the WebAssembly heap at a time: bounds its growth, whatever a dataset's size. */
const BLOCK_BYTES = 2 ** 20;
/** Bytes that show where the others lie: more than HDF5 fetches ahead of what it is asked for (64 KiB). */
const PROBE_BYTES = 2 ** 17;
/** Longest attribute read: a model_config of some 40,000 layers. */
const MAX_ATTRIBUTE_BYTES = 256 * 2 ** 20;

/**
 * One HDF5 file in HDF5's library, which sees nothing of the host's file system but this file.
 *
 * Errors of the library are thrown: by default it returns uninitialised memory for what it could not read.
 */
export class Hdf5Session {
  readonly name: string;
  readonly byteLength: number;
  readonly #module: Module;
  readonly #sandbox: SandboxFile;
  readonly #file: bigint;

  private constructor(name: string, module: Module, sandbox: SandboxFile, file: bigint) {
    this.name = name;
    this.byteLength = sandbox.byteLength;
    this.#module = module;
    this.#sandbox = sandbox;
    this.#file = file;
  }

  /**
   * Opens a file. Its bytes are not copied: HDF5's reads are answered from the descriptor or from the given bytes.
   *
   * @throws {InputError} `corrupt` when HDF5 cannot open it
   */
  static async open(source: Source, name: string): Promise<Hdf5Session> {
    const module = await h5wasm.ready;
    module.activate_throwing_error_handler();
    const sandbox = new SandboxFile(source);
    return new Hdf5Session(name, module, sandbox, openFile(name));
  }

  /** Names of a group's links, in alphabetical or creation order. */
  keys(path: string): string[] {
    const names: unknown = this.#call(path, () => this.#module.get_names(this.#file, path, false));
    return Array.isArray(names) ? names.map(String) : [];
  }

  /**
   * What a path leads to. A soft link inside the file is followed.
   *
   * @throws {InputError} `unsafe` when it leads to another file
   */
  kindOf(path: string): "group" | "dataset" | "absent" | "other" {
    const module = this.#module;
    let type: number;
    try {
      type = module.get_type(this.#file, path);
    } catch {
      // The library raises an error for a link that leads nowhere, and for one to another file.
      type = this.#isExternal(path) ? module.H5G_UDLINK : -1;
    }
    if (type === module.H5G_UDLINK) {
      throw new InputError(
        "unsafe",
        `${this.name}: ${path} is a link to another file, which is not opened; save the model again as one file`,
      );
    }
    if (type === module.H5G_GROUP) return "group";
    if (type === module.H5G_DATASET) return "dataset";
    return type === -1 || type === module.H5G_LINK ? "absent" : "other";
  }

  /** The text of an attribute, or the first of several; undefined when there is none or it is no text. */
  text(path: string, attribute: string): string | undefined {
    return this.texts(path, attribute)?.[0];
  }

  /** All strings of an attribute, fixed or variable length, as UTF-8; undefined when there is no such attribute or it is no text. */
  texts(path: string, attribute: string): string[] | undefined {
    if (!this.attributeNames(path).includes(attribute)) return undefined;
    const where = `${path}@${attribute}`;
    const module = this.#module;
    const metadata = this.#call(where, () =>
      module.get_attribute_metadata(this.#file, path, attribute),
    );
    if (metadata.shape === null || metadata.total_size === 0) return [];
    if (metadata.type !== module.H5T_class_t.H5T_STRING.value) return undefined;
    const bytes = metadata.size * metadata.total_size;
    checkSize(bytes <= MAX_ATTRIBUTE_BYTES, `${this.name}: ${where}`, bytes);
    return this.#withMemory(bytes, where, (pointer) => {
      this.#call(where, () =>
        module.get_attribute_data(this.#file, path, attribute, BigInt(pointer)),
      );
      if (metadata.vlen) {
        const pointers = new Uint32Array(module.HEAPU8.slice(pointer, pointer + bytes).buffer);
        return Array.from(pointers, (text) => (text === 0 ? "" : module.UTF8ToString(text)));
      }
      return Array.from({ length: metadata.total_size }, (_, k) =>
        fixedText(
          module.HEAPU8.subarray(pointer + k * metadata.size, pointer + (k + 1) * metadata.size),
        ),
      );
    });
  }

  attributeNames(path: string): string[] {
    const names: unknown = this.#call(path, () =>
      this.#module.get_attribute_names(this.#file, path),
    );
    return Array.isArray(names) ? names.map(String) : [];
  }

  /**
   * Shape and type of a dataset of numbers.
   *
   * @throws {InputError} `unsafe` when its values lie in other files, `unsupported` when they are no numbers
   */
  dataset(path: string): DatasetInfo {
    const module = this.#module;
    const metadata = this.#call(path, () => module.get_dataset_metadata(this.#file, path));
    if ((metadata.virtual_sources?.length ?? 0) > 0 || metadata.virtual_sources !== undefined) {
      throw new InputError(
        "unsafe",
        `${this.name}: ${path} is a virtual dataset whose values lie elsewhere, which are not opened; save the model again as one file`,
      );
    }
    const opaque = metadata.type === module.H5T_class_t.H5T_OPAQUE.value;
    const dtype = opaque ? this.text(path, "dtype") : dtypeOf(module, metadata);
    if (dtype === undefined || (opaque && (dtype !== "bfloat16" || metadata.size !== 2))) {
      throw new InputError(
        "unsupported",
        `${this.name}: ${path} does not hold numbers of a known type, expected float16, bfloat16, float32, float64 or integers`,
      );
    }
    if (metadata.shape === null) {
      throw new InputError("shape", `${this.name}: ${path} has no values (a null dataspace)`);
    }
    const { shape, size, total_size: count } = metadata;
    const verbatim = dtype === "float32" && metadata.littleEndian && metadata.chunks === null;
    return { shape, dtype, size, count, verbatim };
  }

  /**
   * Reads all values of a dataset as float32 into `target`.
   *
   * @throws {InputError} `corrupt` when the library cannot read them
   */
  read(path: string, info: DatasetInfo, target: Float32Array): void {
    if (info.count === 0) return;
    const { rows, rowValues } = rowsOf(info);
    const step = Math.max(1, Math.floor(BLOCK_BYTES / (rowValues * info.size)));
    if (info.shape.length === 0 || step >= rows) {
      this.#readBlock(path, info, null, null, info.count, target);
      return;
    }
    if (info.verbatim && this.#readPastLibrary(path, info, target)) return;
    for (let row = 0; row < rows; row += step) {
      this.#readRows(path, info, row, Math.min(step, rows - row), target);
    }
  }

  /**
   * Reads a dataset without the library, which only shows where its values lie: when it fetches the first of them with one
   * read and gives them as they are in the file, the others follow there. Twice its speed, and nothing grows its heap.
   *
   * @returns false when the values lie otherwise
   */
  #readPastLibrary(path: string, info: DatasetInfo, target: Float32Array): boolean {
    const { rows, rowValues } = rowsOf(info);
    const height = Math.min(rows, Math.ceil(PROBE_BYTES / (rowValues * info.size)));
    const ranges = this.#sandbox.rangesReadBy(() => this.#readRows(path, info, 0, height, target));
    const [range] = ranges;
    const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
    const given = bytes.slice(0, height * rowValues * info.size);
    if (range === undefined || ranges.length > 1 || range.length !== given.length) return false;
    if (!this.#sandbox.fill(bytes, range.position)) return false;
    return Buffer.compare(given, bytes.subarray(0, given.length)) === 0;
  }

  #readRows(
    path: string,
    info: DatasetInfo,
    row: number,
    height: number,
    target: Float32Array,
  ): void {
    const { rowValues } = rowsOf(info);
    const count = [height, ...info.shape.slice(1)];
    const offset = [row, ...info.shape.slice(1).map(() => 0)];
    const part = target.subarray(row * rowValues, (row + height) * rowValues);
    this.#readBlock(path, info, count, offset, height * rowValues, part);
  }

  #readBlock(
    path: string,
    info: DatasetInfo,
    count: number[] | null,
    offset: number[] | null,
    values: number,
    target: Float32Array,
  ): void {
    const bytes = values * info.size;
    const module = this.#module;
    const strides = count === null ? null : count.map(() => 1n);
    this.#withMemory(bytes, path, (pointer) => {
      const status = this.#call(path, () =>
        module.get_dataset_data(
          this.#file,
          path,
          count?.map(BigInt) ?? null,
          offset?.map(BigInt) ?? null,
          strides,
          BigInt(pointer),
        ),
      );
      if (status < 0) throw new InputError("corrupt", `${this.name}: ${path} cannot be read`);
      widen(module.HEAPU8.subarray(pointer, pointer + bytes), info.dtype, target);
    });
  }

  #withMemory<T>(bytes: number, path: string, use: (pointer: number) => T): T {
    const pointer = this.#module._malloc(Math.max(8, bytes));
    if (pointer === 0) {
      throw new InputError(
        "limit",
        `${this.name}: ${path} needs ${bytes} bytes, more than HDF5's heap`,
      );
    }
    try {
      return use(pointer);
    } finally {
      this.#module._free(pointer);
    }
  }

  #isExternal(path: string): boolean {
    try {
      return this.#module.get_external_link(this.#file, path).filename !== undefined;
    } catch {
      return false;
    }
  }

  #call<T>(path: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (error instanceof InputError) throw error;
      const reason = lastFrame(error);
      if (/external/i.test(reason)) {
        throw refused(
          "unsafe",
          `${this.name}: ${path} keeps its values in another file, which is not opened; save the model again as one file`,
          error,
        );
      }
      throw refused("corrupt", `${this.name}: ${path} cannot be read: ${reason}`, error);
    }
  }
}

/** Shape, stored type and sizes of a dataset. */
export interface DatasetInfo {
  readonly shape: readonly number[];
  readonly dtype: string;
  /** Bytes of one stored element. */
  readonly size: number;
  readonly count: number;
  /** Whether the file may hold the values as they are wanted, one after the other. */
  readonly verbatim: boolean;
}

/** A dataset of values is read in rows of its first axis. */
function rowsOf({ shape }: DatasetInfo): { rows: number; rowValues: number } {
  return {
    rows: shape[0] ?? 1,
    rowValues: shape.slice(1).reduce((product, size) => product * size, 1),
  };
}

function refused(code: InputErrorCode, message: string, cause: unknown): InputError {
  return new InputError(code, message, { cause });
}

function checkSize(fits: boolean, where: string, bytes: number): void {
  if (!fits) throw new InputError("limit", `${where} claims ${bytes} bytes`);
}

function openFile(name: string): bigint {
  let file: bigint;
  try {
    file = new h5wasm.File(SANDBOX_PATH, "r").file_id;
  } catch (error) {
    throw refused("corrupt", `${name}: no readable HDF5 file: ${lastFrame(error)}`, error);
  }
  if (file < 0n) throw new InputError("corrupt", `${name}: no readable HDF5 file`);
  return file;
}

/** The innermost reason of an HDF5 error stack: `#003: … : truncated file: eof = 423`. */
function lastFrame(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const frames = [...text.matchAll(/#\d+: [^:]*:? line \d+ in [^:]*: ([^\n]+)/g)].map(
    (match) => match[1],
  );
  return (frames.at(-1) ?? text.split("\n")[0] ?? "unknown error").trim();
}

function fixedText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder("utf-8").decode(Uint8Array.from(end < 0 ? bytes : bytes.subarray(0, end)));
}

/** numpy's name of an HDF5 number type; undefined for anything else. */
function dtypeOf(module: Module, metadata: Metadata): string | undefined {
  const { type, size, signed } = metadata;
  const classes = module.H5T_class_t;
  if (type === classes.H5T_FLOAT.value)
    return [2, 4, 8].includes(size) ? `float${size * 8}` : undefined;
  if (type === classes.H5T_INTEGER.value) {
    return [1, 2, 4, 8].includes(size) ? `${signed ? "int" : "uint"}${size * 8}` : undefined;
  }
  return type === classes.H5T_ENUM.value && size === 1 ? "bool" : undefined;
}
