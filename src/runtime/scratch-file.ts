import { randomUUID } from "node:crypto";
import {
  closeSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Most bytes that one read or write call is asked for: Node refuses more than 2 GiB at once. */
const CHUNK_BYTES = 1 << 30;

/**
 * A file without a name: unlinked as soon as it is open, so that nothing is left behind however the
 * process ends. Threads share its descriptor, children inherit it; all read and write by offset.
 */
export class ScratchFile {
  readonly fd: number;
  #end = 0;
  readonly #free: { offset: number; bytes: number }[] = [];

  constructor() {
    const path = join(tmpdir(), `difftest-${process.pid}-${randomUUID()}`);
    this.fd = openSync(path, "wx+", 0o600);
    try {
      unlinkSync(path);
    } catch {
      // Windows cannot unlink an open file: then it goes when the process ends.
      process.once("exit", () => rmSync(path, { force: true }));
    }
  }

  /** Reserves room and returns its byte offset, a multiple of 64. */
  allocate(bytes: number): number {
    const need = Math.ceil(bytes / 64) * 64;
    const at = this.#free.findIndex((region) => region.bytes === need);
    if (at >= 0) return (this.#free.splice(at, 1)[0] as { offset: number }).offset;
    const offset = this.#end;
    this.#end += need;
    return offset;
  }

  /** Gives room back: a later {@link allocate} of the same size may get it. */
  release(offset: number, bytes: number): void {
    this.#free.push({ offset, bytes: Math.ceil(bytes / 64) * 64 });
  }

  close(): void {
    ftruncateSync(this.fd, 0);
    closeSync(this.fd);
  }
}

/** Fills `target` from byte `offset` of an open file. Throws when the file ends before. */
export function readExactly(fd: number, target: ArrayBufferView, offset: number): void {
  const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(bytes.length - done, CHUNK_BYTES);
    const read = readSync(fd, bytes, done, length, offset + done);
    if (read === 0)
      throw new Error(`file ends at ${offset + done}, ${bytes.length - done} bytes early`);
    done += read;
  }
}

/** Writes all of `source` at byte `offset` of an open file. */
export function writeExactly(fd: number, source: ArrayBufferView, offset: number): void {
  const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, Math.min(bytes.length - done, CHUNK_BYTES), offset + done);
  }
}
