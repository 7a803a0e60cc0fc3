import { existsSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { INPUTS_FILE, MANIFEST_FILE, TRACE_FILE } from "../references/golden/files.js";
import { type Golden, openGolden } from "../references/golden/open-golden.js";
import { sizeOf } from "../tensor/tensor.js";
import { type GoldenParts, writeGolden } from "./golden-writer.js";

/** Bytes of all entries together. The layers of yolov4 at 416×416 have 324 MB: six such recordings. */
export const CACHE_LIMIT: number = 2 * 2 ** 30;
/** What a killed run has left lies about no longer than this. */
const LEFTOVER_MS = 3_600_000;

/** An entry: its key, how much room it takes, when it was used last. */
interface Entry {
  readonly folder: string;
  readonly bytes: number;
  readonly usedMs: number;
}

/**
 * Recordings of references, by a key of everything that they depend on. Each is a golden: whole or not there, and
 * looked at byte by byte before it is used. What is not sound is as if it were not there.
 */
export class ReferenceCache {
  readonly #folder: string;
  readonly #limit: number;

  /** @param limit - bytes of all entries together; those that were not used for longest go first */
  constructor(folder: string, limit: number = CACHE_LIMIT) {
    this.#folder = folder;
    this.#limit = limit;
  }

  /** The recording of that key, or `null`. A damaged one is removed. */
  read(key: string): Golden | null {
    const folder = join(this.#folder, key);
    if (!existsSync(folder)) return null;
    try {
      const golden = openGolden(folder);
      utimesSync(folder, new Date(), new Date());
      return golden;
    } catch {
      rmSync(folder, { recursive: true, force: true });
      return null;
    }
  }

  /** Keeps a recording where there is room for it; a disk that refuses is no fault of the run. */
  write(key: string, parts: GoldenParts): void {
    const bytes = parts.taps.reduce((sum, { value }) => sum + 4 * sizeOf(value.shape), 0);
    if (bytes > this.#limit) return;
    try {
      writeGolden(join(this.#folder, key), parts);
      this.#evict();
    } catch {
      // The recording stays in memory: only the next run must make it again.
    }
  }

  #evict(): void {
    const entries = this.#entries().sort((a, b) => b.usedMs - a.usedMs);
    let total = 0;
    for (const { folder, bytes } of entries) {
      total += bytes;
      if (total > this.#limit) rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Removes what killed runs have left. */
  #entries(): Entry[] {
    const entries: Entry[] = [];
    for (const name of readdirSync(this.#folder)) {
      const folder = join(this.#folder, name);
      const usedMs = statSync(folder).mtimeMs;
      if (isKey(name)) entries.push({ folder, bytes: bytesIn(folder), usedMs });
      else if (isLeftover(name) && Date.now() - usedMs > LEFTOVER_MS)
        rmSync(folder, { recursive: true, force: true });
    }
    return entries;
  }
}

/** Nothing but our own entries is ever removed. */
function isKey(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

function isLeftover(name: string): boolean {
  return /^\.[0-9a-f]{64}\.[0-9a-f]{12}\.tmp(\.old)?$/.test(name);
}

function bytesIn(folder: string): number {
  return [MANIFEST_FILE, TRACE_FILE, INPUTS_FILE].reduce(
    (sum, file) => sum + (statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}
