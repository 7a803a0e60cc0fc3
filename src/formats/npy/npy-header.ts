import { InputError } from "../../errors.js";

/**
 * What the header of an `.npy` file says, checked but not interpreted.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export interface NpyHeader {
  /** Kind and size of one element as NumPy writes them, without the byte order: `f4`, `i8`, `b1` … */
  readonly code: string;
  /** Byte order of the elements; one-byte elements count as little. */
  readonly endian: "little" | "big";
  /** `true`: the first axis varies fastest. */
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** Where the elements begin, in bytes from the start of the file. */
  readonly dataOffset: number;
}

/**
 * Longest header text that is read, in bytes: NumPy's own limit (`_MAX_HEADER_SIZE`). A header of a
 * plain array is under 300 bytes even with 64 axes.
 */
const MAX_HEADER_BYTES = 10_000;

/** Most axes of an array: NumPy 2's `NPY_MAXDIMS`. */
const MAX_AXES = 64;

const INTEGER = "(?:0|[1-9][0-9]*)L?";
const TUPLE = `\\(\\s*(?:(?:${INTEGER}\\s*,\\s*)+(?:${INTEGER}\\s*)?)?\\)`;
const STRING = `(?:'[^'"\\\\]*'|"[^'"\\\\]*")`;
const KEY = `(?:'(?:descr|fortran_order|shape)'|"(?:descr|fortran_order|shape)")`;
const ITEM = `${KEY}\\s*:\\s*(?:${STRING}|True|False|${TUPLE})\\s*`;

// The whole header against one pattern first: searching for the three keys alone would accept any
// text around them (that is how npyjs reads a missing shape as a scalar).
const HEADER = new RegExp(`^\\{\\s*${ITEM},\\s*${ITEM},\\s*${ITEM}(?:,\\s*)?\\}\\s*$`);
const DESCR = new RegExp(`['"]descr['"]\\s*:\\s*(${STRING})`, "g");
const ORDER = /['"]fortran_order['"]\s*:\s*(True|False)/g;
const SHAPE = new RegExp(`['"]shape['"]\\s*:\\s*(${TUPLE})`, "g");

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/**
 * Reads the header of an `.npy` file, versions 1.0, 2.0 and 3.0.
 *
 * @param bytes the file, from its first byte; it may be cut behind the header
 * @param source name of the file for messages
 * @throws {InputError} when anything differs from what NumPy writes
 */
export function readNpyHeader(bytes: Uint8Array, source: string): NpyHeader {
  need(bytes, 0, 10, "magic and version", source);
  if (MAGIC.some((byte, k) => bytes[k] !== byte)) {
    throw new InputError(
      "format",
      `${source}: begins with ${hex(bytes.subarray(0, 6))}, expected 93 4e 55 4d 50 59 of an .npy file`,
    );
  }
  const [major, minor] = [bytes[6] as number, bytes[7] as number];
  if (minor !== 0 || major < 1 || major > 3) {
    throw new InputError(
      "format",
      `${source}: .npy version ${major}.${minor}, expected 1.0 to 3.0`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = major === 1 ? 10 : 12;
  need(bytes, 8, start - 8, "header length", source);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER_BYTES) {
    throw new InputError(
      "limit",
      `${source}: header length ${length} bytes, expected at most ${MAX_HEADER_BYTES}`,
    );
  }
  need(bytes, start, length, "header", source);
  const encoding = major === 3 ? "utf-8" : "latin1";
  const text = new TextDecoder(encoding).decode(bytes.subarray(start, start + length));
  return { ...parseHeader(text, source), dataOffset: start + length };
}

function parseHeader(text: string, source: string): Omit<NpyHeader, "dataOffset"> {
  const descr = onlyMatch(text, DESCR);
  const order = onlyMatch(text, ORDER);
  const shape = onlyMatch(text, SHAPE);
  if (!HEADER.test(text) || descr === null || order === null || shape === null) {
    const shown = JSON.stringify(text.trim().slice(0, 120));
    throw new InputError(
      "format",
      `${source}: header ${shown}, expected {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } with each key once`,
    );
  }
  return {
    ...parseDescr(descr.slice(1, -1), source),
    fortranOrder: order === "True",
    shape: parseShape(shape, source),
  };
}

/** What the pattern's group holds, if the pattern occurs exactly once. */
function onlyMatch(text: string, pattern: RegExp): string | null {
  const matches = [...text.matchAll(pattern)];
  return matches.length === 1 ? (matches[0]?.[1] ?? null) : null;
}

function parseDescr(descr: string, source: string): Pick<NpyHeader, "code" | "endian"> {
  const match = /^([<>|=])([a-zA-Z])([0-9]+)$/.exec(descr);
  if (match === null) {
    throw new InputError(
      descr === "|O" || descr === "O" ? "unsafe" : "format",
      `${source}: descr '${descr}', expected byte order, kind and size such as '<f4'` +
        (descr.endsWith("O") ? "; Python objects (pickles) are never read" : ""),
    );
  }
  return { code: `${match[2]}${match[3]}`, endian: match[1] === ">" ? "big" : "little" };
}

function parseShape(text: string, source: string): number[] {
  const sizes = [...text.matchAll(/[0-9]+/g)].map(([digits]) => Number(digits));
  // Zero sizes do not excuse the others: NumPy refuses (0, 10**30) as well.
  const product = sizes.reduce((total, size) => total * Math.max(size, 1), 1);
  if (sizes.length > MAX_AXES || !Number.isSafeInteger(product)) {
    throw new InputError(
      "limit",
      `${source}: shape ${text.slice(0, 120)}, expected at most ${MAX_AXES} axes and 2^53 elements`,
    );
  }
  return sizes;
}

function need(bytes: Uint8Array, offset: number, length: number, field: string, source: string) {
  const left = bytes.byteLength - offset;
  if (length > left) {
    throw new InputError(
      "truncated",
      `${source}: ${field} at offset ${offset} needs ${length} bytes, ${Math.max(left, 0)} left`,
    );
  }
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
