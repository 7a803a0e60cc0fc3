import { sizeOf } from "../../tensor/tensor.js";
import type { ByteSource } from "../byte-source.js";
import type { DarknetEntry } from "./weights-layout.js";

/** Floats read at a time: the whole file is never in memory. */
const CHUNK = 1 << 21;

/** What is wrong with one tensor's values. */
export interface ValueFault {
  readonly entry: DarknetEntry;
  readonly kind: "nan" | "infinite" | "negative-variance";
  /** How many values of this kind the tensor has. */
  readonly count: number;
  /** Flat index in the file's order, byte offset and value of the first. */
  readonly index: number;
  readonly offset: number;
  readonly value: number;
}

/** Suspicious but legal: what a user should hear of. */
export interface ValueNote {
  readonly entry: DarknetEntry;
  readonly kind: "all-zero" | "zero-variance" | "huge";
  readonly count: number;
}

/** Values beyond this were never seen in a trained network. */
const HUGE = 1e15;

/** Reads every value that the file has, in pieces, and says what is wrong with it. */
export function scanValues(
  source: ByteSource,
  all: readonly DarknetEntry[],
): { faults: ValueFault[]; notes: ValueNote[] } {
  const faults: ValueFault[] = [];
  const notes: ValueNote[] = [];
  const entries = all.filter(({ stored }) => stored > 0);
  for (const [from, to] of groups(entries)) {
    const first = entries[from] as DarknetEntry;
    const last = entries[to - 1] as DarknetEntry;
    const length = last.offset + 4 * last.stored - first.offset;
    if (to - from > 1 || length <= 4 * CHUNK) {
      const bytes = source.read(first.offset, length, first.name);
      for (let k = from; k < to; k++) {
        const entry = entries[k] as DarknetEntry;
        const start = (entry.offset - first.offset) / 4;
        const tally = new Tally(entry);
        tally.add(new Float32Array(bytes.buffer, 4 * start, entry.stored), 0);
        tally.report(faults, notes);
      }
    } else {
      scanLarge(source, first, faults, notes);
    }
  }
  return { faults, notes };
}

/** Neighbouring tensors that are read in one piece: thousands of small reads would take longer than the values. */
function* groups(entries: readonly DarknetEntry[]): Generator<[from: number, to: number]> {
  let from = 0;
  while (from < entries.length) {
    let to = from + 1;
    let size = (entries[from] as DarknetEntry).stored;
    while (to < entries.length && size + (entries[to] as DarknetEntry).stored <= CHUNK) {
      size += (entries[to] as DarknetEntry).stored;
      to += 1;
    }
    yield [from, to];
    from = to;
  }
}

function scanLarge(
  source: ByteSource,
  entry: DarknetEntry,
  faults: ValueFault[],
  notes: ValueNote[],
): void {
  const tally = new Tally(entry);
  for (let at = 0; at < entry.stored; at += CHUNK) {
    const count = Math.min(CHUNK, entry.stored - at);
    const bytes = source.read(entry.offset + 4 * at, 4 * count, entry.name);
    tally.add(new Float32Array(bytes.buffer, 0, count), at);
  }
  tally.report(faults, notes);
}

class Tally {
  readonly #entry: DarknetEntry;
  readonly #variance: boolean;
  readonly #faults = new Map<ValueFault["kind"], ValueFault>();
  #zeros = 0;
  #huge = 0;

  constructor(entry: DarknetEntry) {
    this.#entry = entry;
    this.#variance = entry.role === "variance";
  }

  add(values: Float32Array, base: number): void {
    const variance = this.#variance;
    for (let k = 0; k < values.length; k++) {
      const value = values[k] as number;
      if (value === 0) this.#zeros += 1;
      else if (value > -HUGE && value < HUGE && !(variance && value < 0)) continue;
      else this.#odd(value, base + k);
    }
  }

  report(faults: ValueFault[], notes: ValueNote[]): void {
    faults.push(...this.#faults.values());
    const entry = this.#entry;
    const { role, stored } = entry;
    if (this.#huge > 0) notes.push({ entry, kind: "huge", count: this.#huge });
    if (this.#variance && this.#zeros > 0) {
      notes.push({ entry, kind: "zero-variance", count: this.#zeros });
    } else if (role === "kernel" && stored === sizeOf(entry.shape) && this.#zeros === stored) {
      notes.push({ entry, kind: "all-zero", count: stored });
    }
  }

  #odd(value: number, index: number): void {
    if (Number.isNaN(value)) this.#fault("nan", value, index);
    else if (!Number.isFinite(value)) this.#fault("infinite", value, index);
    else if (this.#variance && value < 0) this.#fault("negative-variance", value, index);
    else this.#huge += 1;
  }

  #fault(kind: ValueFault["kind"], value: number, index: number): void {
    const entry = this.#entry;
    const first = this.#faults.get(kind) ?? {
      entry,
      kind,
      count: 0,
      index,
      offset: entry.offset + 4 * index,
      value,
    };
    this.#faults.set(kind, { ...first, count: first.count + 1 });
  }
}
