import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { FS } from "h5wasm";
import type { Hdf5Request } from "./hdf5-protocol.js";

type Source = Hdf5Request["source"];

/** Name of the file inside the sandbox. */
export const SANDBOX_PATH = "/model.h5";
/** Most bytes asked of the system at once: more than 2 GiB are not read in one call anywhere. */
const MAX_READ = 2 ** 30;
/** Errno of a file system that only reads. */
const EROFS = 30;

/** A stretch of the file that HDF5's library asked for. */
export interface FileRange {
  readonly position: number;
  readonly length: number;
}

/** The one file that HDF5's library sees: its reads are answered here, from a descriptor or from bytes in memory. */
export class SandboxFile {
  readonly byteLength: number;
  readonly #read: Read;
  #recorded: FileRange[] | undefined;

  /** Puts the file into the sandbox. Its bytes are not copied. */
  constructor(source: Source) {
    const { byteLength, read } = readerOf(source);
    this.byteLength = byteLength;
    this.#read = read;
    this.#mount();
  }

  /** What the library asks for while `action` runs. */
  rangesReadBy(action: () => void): readonly FileRange[] {
    const recorded: FileRange[] = [];
    this.#recorded = recorded;
    try {
      action();
    } finally {
      this.#recorded = undefined;
    }
    return recorded;
  }

  /** Fills `target` with the file's bytes from `position` on, past the library. False when the file ends before. */
  fill(target: Uint8Array, position: number): boolean {
    if (position + target.byteLength > this.byteLength) return false;
    for (let done = 0; done < target.byteLength; ) {
      const length = Math.min(MAX_READ, target.byteLength - done);
      const count = this.#read(target, done, length, position + done);
      if (count === 0) return false;
      done += count;
    }
    return true;
  }

  #mount(): void {
    const fs = FS as unknown as SandboxFileSystem;
    const node = fs.create(SANDBOX_PATH, 0o444);
    Object.defineProperty(node, "usedBytes", { get: () => this.byteLength });
    node.stream_ops = {
      ...node.stream_ops,
      read: (
        _stream: unknown,
        buffer: Uint8Array,
        offset: number,
        length: number,
        position: number,
      ) => {
        const count = Math.max(0, Math.min(length, this.byteLength - position));
        this.#recorded?.push({ position, length: count });
        return count === 0 ? 0 : this.#read(buffer, offset, count, position);
      },
      write: () => {
        throw new fs.ErrnoError(EROFS);
      },
    };
  }
}

/** The sandbox's file system as far as it is used here. */
interface SandboxFileSystem {
  readonly create: (
    path: string,
    mode: number,
  ) => { usedBytes: number; stream_ops: Record<string, unknown> };
  readonly ErrnoError: new (errno: number) => Error;
}

type Read = (buffer: Uint8Array, offset: number, length: number, position: number) => number;

function readerOf(source: Source): { byteLength: number; read: Read } {
  if (source.kind === "memory") {
    const { bytes } = source;
    const read: Read = (buffer, offset, length, position) => {
      buffer.set(bytes.subarray(position, position + length), offset);
      return length;
    };
    return { byteLength: bytes.byteLength, read };
  }
  const fd = openSync(source.path, "r");
  process.once("exit", () => closeSync(fd));
  const { offset: start = 0, byteLength = fstatSync(fd).size } = source;
  const read: Read = (buffer, offset, length, position) =>
    readSync(fd, buffer, offset, length, start + position);
  return { byteLength, read };
}
