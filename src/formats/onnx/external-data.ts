import { InputError } from "../../errors.js";
import { openSource } from "../byte-source.js";
import { confinedPath } from "../confined-path.js";
import type { TensorProto } from "./schema.js";

/** Where the values of an initializer lie, proven to be there and inside the model's folder. */
export interface ExternalRange {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * The range that the external data of an initializer names (`location`, `offset`, `length`).
 *
 * @param need bytes that its shape takes
 * @param folder the model's folder, null when it has none
 * @see https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 * @throws {InputError} `unsafe` when the file is not below the folder, `not-found`, `truncated`, `shape`, `corrupt`
 */
export function externalRange(
  proto: TensorProto,
  need: number,
  folder: string | null,
  where: string,
): ExternalRange {
  const entries = new Map(proto.external_data?.map(({ key, value }) => [key, value ?? ""]));
  const location = entries.get("location");
  if (location === undefined) {
    throw new InputError("corrupt", `${where}: its external data has no location`);
  }
  if (folder === null) {
    throw new InputError(
      "unsupported",
      `${where}: lies in the file ${JSON.stringify(location)}; open the model by its path`,
    );
  }
  const offset = wholeNumber(entries.get("offset") ?? "0", "offset", where);
  const length = wholeNumber(entries.get("length") ?? `${need}`, "length", where);
  if (length !== need) {
    throw new InputError(
      "shape",
      `${where}: its external data has ${length} bytes, its shape takes ${need}`,
    );
  }
  const path = confinedPath(folder, location, where);
  const file = openSource(path);
  file.close();
  if (offset + length > file.byteLength) {
    throw new InputError(
      "truncated",
      `${where}: needs ${length} bytes at offset ${offset} of ${path}, which has ${file.byteLength}`,
    );
  }
  return { path, offset, length };
}

/** Reads a range into memory of its length; the file is opened for this one read, so a model of a thousand files needs no thousand descriptors. */
export function readExternal(
  { path, offset }: ExternalRange,
  target: Uint8Array,
  where: string,
): void {
  const file = openSource(path);
  try {
    file.readInto(target, offset, where);
  } finally {
    file.close();
  }
}

function wholeNumber(text: string, field: string, where: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new InputError(
    "corrupt",
    `${where}: ${field} of its external data is ${JSON.stringify(text)}, expected a whole number`,
  );
}
