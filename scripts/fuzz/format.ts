import type { Random } from "./random.js";

/** One kind of file: damaged copies of it must give a value or one clear error. */
export interface FuzzFormat {
  readonly id: string;
  /**
   * Makes one damaged file and reads it, values included. May throw an `InputError`; anything else,
   * a crash, a hang or more than {@link MAX_BYTES} of memory is a finding.
   */
  readonly read: (random: Random) => unknown;
  /** Each file takes a thread of its own: tests read fewer. */
  readonly slow?: boolean;
}

/** Longest time that reading one file may take, in milliseconds. */
export const MAX_MS = 10_000;

/** Most memory that the reading process may hold: the files are small, so more than this is a bomb that worked. */
export const MAX_BYTES = 1.5 * 2 ** 30;
