import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { InputError } from "../errors.js";
import { type BuiltInModel, MODELS } from "../models/registry.js";
import { nearest } from "../suggest.js";
import type { ResolvedOptions } from "./options.js";
import { openOriginalFile } from "./originals/formats.js";
import type { Original } from "./originals/original.js";
import { isTfjs } from "./port-source.js";

/**
 * The built-in model of that name, or `null` when the name is a file's.
 *
 * @throws {InputError} `name` when it is neither, with the nearest name
 */
export function builtInModel(name: string): BuiltInModel | null {
  if (name.startsWith("runner:")) return null;
  if (isTfjs(name)) return null;
  const found = MODELS.find(({ id }) => id === name);
  if (found !== undefined) return found;
  if (/[\\/]|\.[mc]?[jt]s$/.test(name) || existsSync(name)) return null;
  const near = nearest(
    name,
    MODELS.map(({ id }) => id),
  );
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  throw new InputError(
    "name",
    `--model: no built-in model "${name}"${hint} ("difftest models" lists them; a port of your own is a file, ./my-port.ts, or a program, "runner:python my_port.py")`,
  );
}

/** Reads the original: the file given, or the built-in model's own. */
export async function openOriginal(options: ResolvedOptions): Promise<Original> {
  const model = builtInModel(options.model);
  if (model === null && options.original === null) {
    throw new InputError(
      "option",
      isTfjs(options.model)
        ? `--model ${options.model}: TensorFlow.js as a port needs --original, the Keras model it is to run`
        : `--model ${options.model}: a port of your own needs --original, what it is a port of (.cfg, .keras, .h5, .onnx); with --weights FILE alone only its weights are compared`,
    );
  }
  const path = originalPathOf(options);
  const name = options.original ?? (model as BuiltInModel).config;
  return await openOriginalFile({ path, name, model, options });
}

/** Path of the original's file: the one given, or our own description of the built-in model's. */
export function originalPathOf({ model, original }: ResolvedOptions): string {
  return original ?? configPath(builtInModel(model) as BuiltInModel);
}

/** Our own description of a built-in model's original: it comes with the package. */
export function configPath({ config }: BuiltInModel): string {
  const folder = config.endsWith(".json") ? "keras" : "darknet";
  return fileURLToPath(new URL(`../../references/${folder}/${config}`, import.meta.url));
}
