import { type ByteSource, openSource, sourceFromBytes } from "../byte-source.js";
import type { DarknetDialect } from "./dialect.js";
import { refuseNoWeights } from "./weights-damage.js";
import { type DarknetHeader, implausibleHeader, readHeader } from "./weights-header.js";

/** Floats read at a time. */
const CHUNK = 1 << 21;

/** What a .weights file says of itself, without a configuration. */
export interface DarknetWeightsInspection {
  readonly bytes: number;
  readonly header: DarknetHeader;
  /** Whole floats after the header. */
  readonly floats: number;
  readonly statistics: FloatStatistics;
  /** What looks wrong. */
  readonly warnings: readonly string[];
}

/** Statistics of all floats; mean, deviation, minimum and maximum of the finite ones. */
export interface FloatStatistics {
  readonly minimum: number;
  readonly maximum: number;
  readonly mean: number;
  readonly deviation: number;
  readonly nan: number;
  readonly infinite: number;
  readonly zero: number;
  /** Beyond ±1e15. */
  readonly huge: number;
  /** Longest run of zeros in a row: a hole in a download. */
  readonly longestZeroRun: number;
}

/**
 * Reads a .weights file without knowing its network.
 *
 * @param file - a path, or the bytes
 * @throws {InputError} when it is no .weights file at all: HTML, a pointer, copied as text, shorter than a header
 */
export function inspectDarknetWeights(
  file: string | Uint8Array,
  dialect: DarknetDialect = "alexeyab",
): DarknetWeightsInspection {
  const source = typeof file === "string" ? openSource(file) : sourceFromBytes(file, "weights");
  try {
    refuseNoWeights(source);
    const header = readHeader(source, dialect);
    const floats = Math.floor((source.byteLength - header.bytes) / 4);
    const statistics = gather(source, header.bytes, floats);
    const warnings = suspicions(source.byteLength, header, floats, statistics);
    return { bytes: source.byteLength, header, floats, statistics, warnings };
  } finally {
    source.close();
  }
}

function gather(source: ByteSource, offset: number, floats: number): FloatStatistics {
  const sums = new Sums();
  for (let at = 0; at < floats; at += CHUNK) {
    const count = Math.min(CHUNK, floats - at);
    const bytes = source.read(offset + 4 * at, 4 * count, "values");
    sums.add(new Float32Array(bytes.buffer, 0, count));
  }
  return sums.result();
}

class Sums {
  #count = 0;
  #mean = 0;
  #squares = 0;
  #minimum = Number.POSITIVE_INFINITY;
  #maximum = Number.NEGATIVE_INFINITY;
  #nan = 0;
  #infinite = 0;
  #zero = 0;
  #huge = 0;
  #run = 0;
  #longest = 0;

  add(values: Float32Array): void {
    for (let k = 0; k < values.length; k++) {
      const value = values[k] as number;
      if (value === 0) {
        this.#zero += 1;
        this.#run += 1;
        if (this.#run > this.#longest) this.#longest = this.#run;
      } else {
        this.#run = 0;
      }
      if (value - value !== 0) this.#odd(value);
      else this.#finite(value);
    }
  }

  result(): FloatStatistics {
    const some = this.#count > 0;
    return {
      minimum: some ? this.#minimum : Number.NaN,
      maximum: some ? this.#maximum : Number.NaN,
      mean: some ? this.#mean : Number.NaN,
      deviation: some ? Math.sqrt(this.#squares / this.#count) : Number.NaN,
      nan: this.#nan,
      infinite: this.#infinite,
      zero: this.#zero,
      huge: this.#huge,
      longestZeroRun: this.#longest,
    };
  }

  #odd(value: number): void {
    if (Number.isNaN(value)) this.#nan += 1;
    else this.#infinite += 1;
  }

  /** Welford's update: no cancellation, whatever the mean. */
  #finite(value: number): void {
    this.#count += 1;
    const delta = value - this.#mean;
    this.#mean += delta / this.#count;
    this.#squares += delta * (value - this.#mean);
    if (value < this.#minimum) this.#minimum = value;
    if (value > this.#maximum) this.#maximum = value;
    if (value > 1e15 || value < -1e15) this.#huge += 1;
  }
}

function suspicions(
  bytes: number,
  header: DarknetHeader,
  floats: number,
  statistics: FloatStatistics,
): string[] {
  const left = bytes - header.bytes - 4 * floats;
  const { nan, infinite, huge, longestZeroRun } = statistics;
  const odd = implausibleHeader(header);
  const found: [boolean, string][] = [
    [odd !== null, `header: ${odd}`],
    [floats === 0, "a header without weights"],
    [left > 0, `${left} bytes after the last whole float: cut off or added to`],
    [nan > 0, `${nan} values are not a number`],
    [infinite > 0, `${infinite} values are infinite`],
    [huge > 0, `${huge} values are beyond ±1e15`],
    [
      longestZeroRun >= 4096,
      `${longestZeroRun} zeros in a row: a hole in the download, or layers that were never trained`,
    ],
  ];
  return found.filter(([wrong]) => wrong).map(([, text]) => text);
}
