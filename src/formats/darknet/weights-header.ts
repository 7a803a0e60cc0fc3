import { InputError } from "../../errors.js";
import { ByteCursor } from "../byte-cursor.js";
import type { ByteSource } from "../byte-source.js";
import type { DarknetDialect } from "./dialect.js";

/** What stands before the floats of a .weights file. */
export interface DarknetHeader {
  readonly major: number;
  readonly minor: number;
  readonly revision: number;
  /** Images seen in training. */
  readonly seen: bigint;
  /** 16 with a 32-bit `seen`, 20 with a 64-bit one. */
  readonly bytes: 16 | 20;
  /** Dense kernels are stored [in, out]: files with major or minor above 1000. */
  readonly transposed: boolean;
}

/** Longer than this nobody has trained: such a `seen` is two floats read as one number. */
const MOST_IMAGES = 10n ** 14n;

/** Versions that were ever written: 0.1, 0.2, 0.2.5, 1000.x of old. Anything beyond is another file. */
const HIGHEST_VERSION = 10_000;

/** Header that AlexeyAB's library writes: 0.2.5. */
export const HEADER_0_2_5: DarknetHeader = {
  major: 0,
  minor: 2,
  revision: 5,
  seen: 0n,
  bytes: 20,
  transposed: false,
};

/**
 * How many bytes the header of a version takes. AlexeyAB's library reads a 64-bit `seen` from
 * version 0.2 on; pjreddie's not for those above 1000, which are old files (facts §5.2).
 */
export function headerBytes(major: number, minor: number, dialect: DarknetDialect): 16 | 20 {
  const wide = major * 10 + minor >= 2;
  const old = major >= 1000 || minor >= 1000;
  return wide && !(dialect === "pjreddie" && old) ? 20 : 16;
}

/** @throws {InputError} `truncated` when the file is shorter than its header */
export function readHeader(source: ByteSource, dialect: DarknetDialect): DarknetHeader {
  const { name, byteLength } = source;
  if (byteLength === 0) {
    throw new InputError("truncated", `${name}: is empty, expected a Darknet weights file`);
  }
  const shortest = byteLength < 16 ? 16 : headerBytes(...versionOf(source), dialect);
  if (byteLength < shortest) {
    throw new InputError(
      "truncated",
      `${name}: header at offset 0 needs ${shortest} bytes, ${byteLength} left; the file is cut off or no weights file`,
    );
  }
  const cursor = new ByteCursor(source.read(0, shortest, "header"), name);
  const major = cursor.i32("major");
  const minor = cursor.i32("minor");
  const revision = cursor.i32("revision");
  const seen = shortest === 20 ? cursor.u64("seen") : BigInt(cursor.u32("seen"));
  const transposed = major > 1000 || minor > 1000;
  return { major, minor, revision, seen, bytes: shortest, transposed };
}

function versionOf(source: ByteSource): [major: number, minor: number] {
  const cursor = new ByteCursor(source.read(0, 8, "header"), source.name);
  return [cursor.i32("major"), cursor.i32("minor")];
}

/** `0.2.5, seen 32013312 (20 bytes)`: a header in words. */
export function describeHeader({ major, minor, revision, seen, bytes }: DarknetHeader): string {
  return `${major}.${minor}.${revision}, seen ${seen} (${bytes} bytes)`;
}

/** What makes a header unlikely to be one, or `null`. */
export function implausibleHeader(header: DarknetHeader): string | null {
  const { major, minor, revision, seen } = header;
  if ([major, minor, revision].some((part) => part < 0 || part > HIGHEST_VERSION)) {
    return `version ${major}.${minor}.${revision} was never written by Darknet; this is no weights file`;
  }
  if (seen > MOST_IMAGES) {
    const cause =
      major >= 1000 || minor >= 1000
        ? "files of that version are old and have a header of 16 bytes; read it with --darknet pjreddie"
        : `the file was probably written with a header of 16 bytes where ${major}.${minor}.${revision} has ${header.bytes}`;
    return `so many images cannot be: ${cause}`;
  }
  return null;
}

/** The bytes of a header. @throws {InputError} `option` for a number that does not fit its field */
export function encodeHeader(header: DarknetHeader): Uint8Array {
  const { major, minor, revision, seen, bytes } = header;
  const limit = bytes === 20 ? 2n ** 64n : 2n ** 32n;
  const small = (value: number): boolean => Number.isInteger(value) && Math.abs(value) < 2 ** 31;
  if (![major, minor, revision].every(small) || seen < 0n || seen >= limit) {
    throw new InputError(
      "option",
      `header ${describeHeader(header)} does not fit its fields: three 32-bit numbers and a ${(bytes - 12) * 8}-bit one`,
    );
  }
  const encoded = new Uint8Array(bytes);
  const view = new DataView(encoded.buffer);
  view.setInt32(0, major, true);
  view.setInt32(4, minor, true);
  view.setInt32(8, revision, true);
  if (bytes === 20) view.setBigUint64(12, seen, true);
  else view.setUint32(12, Number(seen), true);
  return encoded;
}
