import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { InputError } from "../errors.js";
import { writeFileAtomic } from "../formats/atomic-file.js";

/**
 * Checks that a file can be made, before the work whose result it shall hold.
 *
 * @throws {InputError} when its folder does not exist or may not be written, or the path is a folder
 */
export function checkOutputFile(option: string, path: string): void {
  const folder = dirname(path);
  if (!isFolder(folder)) {
    throw new InputError("not-found", `${option} ${path}: no folder ${folder}; make it first`);
  }
  if (isFolder(path)) {
    throw new InputError("option", `${option} ${path}: is a folder, expected the name of a file`);
  }
  try {
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/**
 * Writes a file that is whole or not there.
 *
 * @throws {InputError} when the system refuses
 */
export function writeOutputFile(path: string, text: string): void {
  try {
    writeFileAtomic(path, new TextEncoder().encode(text));
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

function unwritable(path: string, cause: unknown): InputError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new InputError("option", `${path}: cannot be written: ${reason}`, { cause });
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
