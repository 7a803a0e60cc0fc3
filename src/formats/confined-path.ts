import { realpathSync } from "node:fs";
import { isAbsolute, join, relative, sep } from "node:path";
import { InputError } from "../errors.js";

/**
 * The path of a file that a model names beside itself, proven to lie in the model's folder: neither
 * `..`, nor an absolute path, nor a symbolic link leads out of it.
 *
 * @param folder the model's own folder
 * @param name what the model says, `/` between its parts
 * @throws {InputError} `unsafe` when it leads out of the folder, `not-found` when there is no such file
 */
export function confinedPath(folder: string, name: string, where: string): string {
  const parts = name.split(/[/\\]/);
  if (name === "" || name.includes("\0") || isAbsolute(name) || parts.includes("..")) {
    throw unsafe(where, name, "a path below the model's own folder");
  }
  const path = join(folder, name);
  const real = realPath(path);
  if (real === undefined) {
    throw new InputError("not-found", `${where}: names the file ${path}, which is not there`);
  }
  const inside = relative(realpathSync(folder), real);
  if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw unsafe(where, name, "no link out of the model's folder; copy the file there");
  }
  return path;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function unsafe(where: string, name: string, wanted: string): InputError {
  return new InputError(
    "unsafe",
    `${where}: names the file ${JSON.stringify(name)}, expected ${wanted}`,
  );
}
