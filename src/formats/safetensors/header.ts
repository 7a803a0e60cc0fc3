import { InputError } from "../../errors.js";
import { byteLengthOf, type StoredDType } from "../stored-dtype.js";
import {
  type JsonNumber,
  type JsonObject,
  parseStrictJson,
  type StrictJson,
} from "../strict-json.js";
import { checkedElements } from "../tensor-file.js";

/** What the header says of one tensor; the fields are those of the format. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  /** Bytes `[begin, end)` of the data, which begins after the header. */
  readonly begin: number;
  readonly end: number;
}

/** The header, judged. */
export interface SafetensorsHeader {
  /** In the order of their data. */
  readonly entries: readonly SafetensorsEntry[];
  /** `__metadata__`: free text by name. */
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Most bytes a header may have: the limit of the format's own library (`MAX_HEADER_SIZE`). The header
 * of a model of 1,000 layers has about 1 MB.
 */
export const MAX_HEADER_BYTES = 100_000_000;

/** Names of element types in the file, as in the library's `enum Dtype` (0.8). */
const DTYPES: ReadonlyMap<string, StoredDType> = new Map([
  ["BOOL", "bool"],
  ["F4", "float4e2m1"],
  ["F6_E2M3", "float6e2m3"],
  ["F6_E3M2", "float6e3m2"],
  ["U8", "uint8"],
  ["I8", "int8"],
  ["F8_E5M2", "float8e5m2"],
  ["F8_E4M3", "float8e4m3"],
  ["F8_E5M2FNUZ", "float8e5m2fnuz"],
  ["F8_E4M3FNUZ", "float8e4m3fnuz"],
  ["F8_E8M0", "float8e8m0"],
  ["I16", "int16"],
  ["U16", "uint16"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["I32", "int32"],
  ["U32", "uint32"],
  ["F32", "float32"],
  ["C64", "complex64"],
  ["F64", "float64"],
  ["I64", "int64"],
  ["U64", "uint64"],
]);

/**
 * Parses and judges a header: every tensor has a dtype, a shape and a range; size and range agree; the
 * ranges tile the `dataBytes` bytes of data without hole or overlap.
 *
 * @see https://huggingface.co/docs/safetensors (Format)
 * @throws {InputError} `corrupt`, `shape` or `unsupported`
 */
export function safetensorsHeader(
  json: Uint8Array,
  dataBytes: number,
  source: string,
): SafetensorsHeader {
  const parsed = parseStrictJson(headerText(json, source), `${source}: header`);
  if (!(parsed instanceof Map)) {
    throw new InputError("corrupt", `${source}: header is ${nameOf(parsed)}, expected an object`);
  }
  const metadata = metadataFrom(parsed.get("__metadata__"), source);
  const entries: SafetensorsEntry[] = [];
  for (const [name, value] of parsed) {
    if (name !== "__metadata__") entries.push(entryFrom(name, value, source));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkTiling(entries, dataBytes, source);
  return { entries, metadata };
}

function headerText(json: Uint8Array, source: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
  } catch (cause) {
    throw notText(source, cause);
  }
}

function notText(source: string, cause: unknown): InputError {
  const message = `${source}: header is not UTF-8; is it a safetensors file?`;
  return new InputError("corrupt", message, { cause });
}

function metadataFrom(value: StrictJson | undefined, source: string): Map<string, string> {
  const metadata = new Map<string, string>();
  if (value === undefined || value === null) return metadata;
  if (!(value instanceof Map)) {
    throw new InputError(
      "corrupt",
      `${source}: __metadata__ is ${nameOf(value)}, expected an object`,
    );
  }
  for (const [key, text] of value) {
    if (typeof text !== "string") {
      throw new InputError(
        "corrupt",
        `${source}: __metadata__ "${key}" is ${nameOf(text)}, expected a string`,
      );
    }
    metadata.set(key, text);
  }
  return metadata;
}

function entryFrom(name: string, value: StrictJson, source: string): SafetensorsEntry {
  const where = `${source}: tensor "${name}"`;
  if (!(value instanceof Map)) {
    throw new InputError("corrupt", `${where} is ${nameOf(value)}, expected an object`);
  }
  const dtype = dtypeFrom(field(value, "dtype", where), where);
  const shape = integers(field(value, "shape", where), `${where}: shape`);
  const range = integers(field(value, "data_offsets", where), `${where}: data_offsets`);
  const [begin, end] = range;
  if (range.length !== 2 || begin === undefined || end === undefined) {
    throw new InputError(
      "corrupt",
      `${where}: data_offsets has ${range.length} numbers, expected 2`,
    );
  }
  const need = byteLengthOf(dtype, checkedElements(shape, where));
  if (need !== end - begin) {
    throw new InputError(
      "shape",
      `${where}: ${dtype} [${shape.join(", ")}] takes ${need ?? "a broken number of"} bytes, its range [${begin}, ${end}) has ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function field(entry: JsonObject, name: string, where: string): StrictJson {
  const value = entry.get(name);
  if (value === undefined) throw new InputError("corrupt", `${where}: has no "${name}"`);
  return value;
}

function dtypeFrom(value: StrictJson, where: string): StoredDType {
  const dtype = typeof value === "string" ? DTYPES.get(value) : undefined;
  if (dtype !== undefined) return dtype;
  const found = typeof value === "string" ? `"${value}"` : nameOf(value);
  throw new InputError(
    "unsupported",
    `${where}: dtype is ${found}, expected one of ${[...DTYPES.keys()].join(", ")}`,
  );
}

function integers(value: StrictJson, where: string): number[] {
  if (!Array.isArray(value)) {
    throw new InputError("corrupt", `${where} is ${nameOf(value)}, expected a list`);
  }
  return value.map((item) => integer(item, where));
}

/** The library reads `usize`: digits only, so `8.0`, `32e0` and `-1` are refused. */
function integer(value: StrictJson, where: string): number {
  const number =
    isNumber(value) && /^\d+$/.test(value.literal) ? Number(value.literal) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  const found = isNumber(value) ? value.literal : nameOf(value);
  throw new InputError("corrupt", `${where} holds ${found}, expected whole numbers below 2^53`);
}

/** No hole, no overlap, no tail: then every byte of the file is explained by the header. */
function checkTiling(
  entries: readonly SafetensorsEntry[],
  dataBytes: number,
  source: string,
): void {
  let expected = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== expected) {
      throw new InputError(
        "corrupt",
        `${source}: tensor "${name}" has bytes [${begin}, ${end}) of the data, expected to begin at ${expected}; tensors must follow each other without hole or overlap`,
      );
    }
    expected = end;
  }
  if (expected > dataBytes) {
    throw new InputError(
      "truncated",
      `${source}: tensors need ${expected} bytes of data, the file has ${dataBytes}; the download is incomplete`,
    );
  }
  if (expected < dataBytes) {
    throw new InputError(
      "trailing-bytes",
      `${source}: tensors cover ${expected} of ${dataBytes} bytes of data, expected all`,
    );
  }
}

function isNumber(value: StrictJson): value is JsonNumber {
  return typeof value === "object" && value !== null && "literal" in value;
}

function nameOf(value: StrictJson): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Map) return "an object";
  return isNumber(value) ? "a number" : `a ${typeof value}`;
}
