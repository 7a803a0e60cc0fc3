import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Node writes at most 2 GiB in one call. */
const PIECE = 2 ** 30;

/** Takes the bytes of a file, piece by piece. */
export type ByteSink = (bytes: Uint8Array) => void;

/**
 * Writes a file so that it is either whole or not there: to a temporary file beside it, which is
 * then renamed. What was there before stays until that moment.
 *
 * @throws when the folder cannot be written; the temporary file is removed
 */
export function writeFileAtomic(path: string, bytes: Uint8Array): void {
  writePiecesAtomic(path, (write) => write(bytes));
}

/** {@link writeFileAtomic} for a file that is never in memory as a whole; whatever `fill` throws is thrown on. */
export function writePiecesAtomic(path: string, fill: (write: ByteSink) => void): void {
  const name = `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`;
  const temporary = join(dirname(path), name);
  try {
    writeTemporary(temporary, fill);
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw cause;
  }
}

function writeTemporary(path: string, fill: (write: ByteSink) => void): void {
  const file = openSync(path, "wx");
  try {
    fill((bytes) => {
      for (let at = 0; at < bytes.length; ) {
        at += writeSync(file, bytes, at, Math.min(PIECE, bytes.length - at));
      }
    });
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
