import { closeSync, openSync, readSync } from "node:fs";
import type { WeightSpec } from "../architecture/architecture.js";
import { InputError } from "../errors.js";
import type { Room } from "../tensor/room.js";
import { sizeOf, type Tensor, tensor } from "../tensor/tensor.js";
import type { WeightEntry, WeightStore, WeightStoreDescription } from "./weight-store.js";

/** `read` calls of Node take at most 2^31 - 1 bytes. */
const MAX_READ = 2 ** 30;

/** Fills `target` with the bytes of the source from `offset` on; `field` is for messages. */
type ReadBytes = (target: Uint8Array, offset: number, field: string) => void;

interface OpenSource {
  readonly readBytes: ReadBytes;
  readonly close: () => void;
}

/**
 * Opens a store from its description, in any thread or process: reads go straight to the file, the
 * shared memory or the descriptor. Values are little endian in the source, as on every machine that
 * Node supports.
 *
 * Closing a store on a descriptor does not close the descriptor: whoever made it does.
 *
 * @throws {InputError} `not-found` when the file is gone; later, `truncated` when it has become shorter
 */
export function openWeightStore(description: WeightStoreDescription): WeightStore {
  const entries = new Map(description.entries.map((entry) => [entry.name, entry]));
  const specs = description.entries.map(specOf);
  const source = openBytes(description.source);
  let open = true;
  return {
    specs,
    description,
    read: (name, room) => {
      if (!open) throw new Error(`the weights were closed before ${name} was read`);
      const entry = entries.get(name);
      if (entry) return readEntry(entry, source.readBytes, room);
      throw new InputError(
        "name",
        `no weights named "${name}" (there are ${entries.size} tensors)`,
      );
    },
    close: () => {
      if (open) source.close();
      open = false;
    },
  };
}

function specOf({ name, shape, role, layer, layout }: WeightEntry): WeightSpec {
  return { name, shape, role, layer, ...(layout === undefined ? {} : { layout }) };
}

function openBytes(source: WeightStoreDescription["source"]): OpenSource {
  switch (source.kind) {
    case "memory":
      return { readBytes: memoryReader(source.bytes), close: () => undefined };
    case "descriptor":
      return { readBytes: fileReader(source.fd, "weights"), close: () => undefined };
    case "file": {
      const fd = openFile(source.path);
      return { readBytes: fileReader(fd, source.path), close: () => closeSync(fd) };
    }
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    // biome-ignore lint/style/useErrorCause: the cause is the third argument
    throw new InputError("not-found", `${path}: cannot be opened (${reason})`, { cause });
  }
}

function fileReader(fd: number, name: string): ReadBytes {
  return (target, offset, field) => {
    for (let done = 0; done < target.length; ) {
      const count = readSync(
        fd,
        target,
        done,
        Math.min(MAX_READ, target.length - done),
        offset + done,
      );
      if (count === 0) {
        throw new InputError(
          "truncated",
          `${name}: ${field} at offset ${offset} needs ${target.length} bytes, the file ended after ${done}; it changed after it was opened`,
        );
      }
      done += count;
    }
  };
}

function memoryReader(bytes: SharedArrayBuffer): ReadBytes {
  return (target, offset, field) => {
    if (offset + target.length > bytes.byteLength) {
      throw new InputError(
        "truncated",
        `${field} at offset ${offset} needs ${target.length} bytes, ${Math.max(0, bytes.byteLength - offset)} left`,
      );
    }
    target.set(new Uint8Array(bytes, offset, target.length));
  };
}

function readEntry(entry: WeightEntry, readBytes: ReadBytes, room?: Room): Tensor {
  const size = sizeOf(entry.shape);
  const stored = Math.min(size, entry.stored ?? size);
  const data = room?.of(size) ?? new Float32Array(size);
  if (stored > 0)
    readBytes(new Uint8Array(data.buffer, data.byteOffset, stored * 4), entry.offset, entry.name);
  data.fill(entry.fill ?? 0, stored);
  const torn = stored < size ? (entry.torn ?? 0) : 0;
  if (torn > 0) {
    const at = stored * 4;
    readBytes(
      new Uint8Array(data.buffer, data.byteOffset + at, torn),
      entry.offset + at,
      entry.name,
    );
  }
  return tensor(
    entry.shape,
    entry.storage === "transposed" ? transposeMatrix(data, entry.shape) : data,
  );
}

/** What is stored as [rest, first] becomes [first, rest]; `first` is the shape's first axis. */
function transposeMatrix(data: Float32Array, shape: readonly number[]): Float32Array {
  const rows = shape[0] ?? 1;
  const columns = data.length / Math.max(1, rows);
  const result = new Float32Array(data.length);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[at++] = data[column * rows + row] as number;
    }
  }
  return result;
}
