import { basename } from "node:path";
import { InputError } from "../../errors.js";
import { openSource } from "../byte-source.js";
import { foreignContent } from "../foreign-content.js";

/** Longest .cfg that is read: a hundred times the largest one known. */
const MAX_BYTES = 8 * 1024 * 1024;

/** One `[section]` of a .cfg file: keys and values as Darknet sees them (blanks stripped everywhere). */
export interface DarknetSection {
  /** As written, without brackets: `convolutional`, `conv`. */
  readonly name: string;
  /** Line of the `[…]`, from 1. */
  readonly line: number;
  /** The first of equal keys, as in the library. */
  readonly values: ReadonlyMap<string, { readonly value: string; readonly line: number }>;
}

/** A parsed .cfg file: text only, no defaults, nothing resolved. */
export interface DarknetConfig {
  /** File name, for messages. */
  readonly name: string;
  /** `[net]` or `[network]`. */
  readonly net: DarknetSection;
  /** The layers, index = Darknet's layer number. */
  readonly layers: readonly DarknetSection[];
  /** Repeated keys and the like: what the library swallows silently. */
  readonly warnings: readonly string[];
}

/**
 * Reads a .cfg file.
 *
 * @throws {InputError} `not-found`, `limit` or `format`
 */
export function readDarknetConfig(path: string): DarknetConfig {
  return parseDarknetConfig(readAtMost(path, MAX_BYTES), basename(path));
}

/**
 * Parses the bytes or text of a .cfg file as both Darknet libraries do (facts: blanks and tabs are
 * stripped everywhere, lines that start with `#` or `;` are comments, the first of equal keys wins).
 *
 * @param name - for messages
 * @throws {InputError} `format` when this is not a Darknet configuration, naming the line
 */
export function parseDarknetConfig(source: Uint8Array | string, name: string): DarknetConfig {
  const bytes = typeof source === "string" ? Buffer.from(source) : source;
  const sections = sectionsOf(decode(bytes, name), name);
  const [net, ...layers] = sections.list;
  if (!net) {
    throw new InputError(
      "format",
      `${name}: no [section] found, expected a Darknet configuration that starts with [net]`,
    );
  }
  if (net.name !== "net" && net.name !== "network") {
    throw new InputError(
      "format",
      `${name} line ${net.line}: first section is [${net.name}], expected [net]`,
    );
  }
  if (layers.length === 0) {
    throw new InputError("format", `${name}: [net] has no layers after it, expected at least one`);
  }
  return { name, net, layers, warnings: sections.warnings };
}

function readAtMost(path: string, limit: number): Uint8Array {
  const source = openSource(path);
  try {
    if (source.byteLength > limit) {
      throw new InputError(
        "limit",
        `${path}: ${source.byteLength} bytes, a Darknet configuration is text of some kilobytes; is this the weights file?`,
      );
    }
    return source.read(0, source.byteLength, "text");
  } finally {
    source.close();
  }
}

function decode(bytes: Uint8Array, name: string): string {
  if (bytes.length > MAX_BYTES) {
    throw new InputError("limit", `${name}: ${bytes.length} bytes, expected at most ${MAX_BYTES}`);
  }
  if (bytes.length === 0) {
    throw new InputError("format", `${name}: empty file, expected a Darknet configuration`);
  }
  const foreign = foreignContent(bytes);
  if (foreign) {
    throw new InputError(
      "format",
      `${name}: this is ${foreign.what}, expected a Darknet configuration; ${foreign.next}`,
    );
  }
  const odd = bytes.findIndex((byte) => byte < 9 || (byte > 13 && byte < 32) || byte === 127);
  if (odd >= 0) {
    throw new InputError(
      "format",
      `${name}: byte ${bytes[odd]} at offset ${odd} is not text, expected a Darknet configuration; is this the weights file?`,
    );
  }
  return Buffer.from(bytes)
    .toString("utf8")
    .replace(/^\uFEFF/, "");
}

interface OpenSection {
  name: string;
  line: number;
  values: Map<string, { value: string; line: number }>;
}

function sectionsOf(text: string, name: string): { list: DarknetSection[]; warnings: string[] } {
  const list: OpenSection[] = [];
  const warnings: string[] = [];
  let current: OpenSection | undefined;
  text.split(/\r\n|\r|\n/).forEach((raw, index) => {
    const stripped = raw.replace(/[ \t\v\f\u00a0]/g, "");
    const line = index + 1;
    if (stripped === "" || stripped.startsWith("#") || stripped.startsWith(";")) return;
    if (stripped.startsWith("[")) {
      current = { name: sectionName(stripped, raw, name, line), line, values: new Map() };
      list.push(current);
      return;
    }
    addKey(current, stripped, { file: name, line, warnings });
  });
  return { list, warnings };
}

function sectionName(stripped: string, raw: string, file: string, line: number): string {
  const match = /^\[([^[\]]+)\]$/.exec(stripped);
  if (match?.[1]) return match[1];
  throw new InputError(
    "format",
    `${file} line ${line}: ${quote(raw)} is not a section, expected [name] alone on its line`,
  );
}

function addKey(
  section: OpenSection | undefined,
  stripped: string,
  at: { file: string; line: number; warnings: string[] },
): void {
  const equals = stripped.indexOf("=");
  if (equals > 0 && equals === stripped.length - 1) {
    at.warnings.push(`${at.file} line ${at.line}: ${quote(stripped)} has no value and is ignored`);
    return;
  }
  if (equals <= 0) {
    throw new InputError(
      "format",
      `${at.file} line ${at.line}: ${quote(stripped)} is neither [section] nor key=value`,
    );
  }
  if (!section) {
    throw new InputError(
      "format",
      `${at.file} line ${at.line}: ${quote(stripped)} stands before the first section, expected [net]`,
    );
  }
  const key = stripped.slice(0, equals);
  const value = stripped.slice(equals + 1);
  const first = section.values.get(key);
  if (!first) {
    section.values.set(key, { value, line: at.line });
  } else if (first.value !== value) {
    at.warnings.push(
      `${at.file} line ${at.line}: ${key}=${quote(value)} is ignored, [${section.name}] has ${key}=${quote(first.value)} on line ${first.line}`,
    );
  }
}

/** At most 40 characters of a value, printable. */
export function quote(text: string): string {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a terminal
  return `"${shown.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?")}"`;
}
