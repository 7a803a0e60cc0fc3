import { createHash } from "node:crypto";
import type { Json } from "../../checks/result.js";
import { InputError } from "../../errors.js";
import { textDamage } from "../../formats/darknet/weights-damage.js";
import { readTensor, type StoredTensor } from "../../formats/tensor-file.js";
import { sizeOf } from "../../tensor/tensor.js";
import { type Statistics, StatisticsCollector } from "./statistics.js";

/** A tensor of any file, with its values at hand. */
export interface LookedAt {
  readonly name: string;
  readonly shape: readonly number[];
  /** As the file stores it. */
  readonly dtype: string;
  /** Read once; `null` where there are no numbers. */
  readonly values: () => Numbers | null;
}

type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array | BigInt64Array;

/** One row of a table of tensors. */
type Row = Record<string, Json>;

/** Fewer equal values than this are a coincidence: biases of 0, scales of 1. */
const DUPLICATE_VALUES = 16;
/** Names under which averages of weights are kept beside them. */
const AVERAGE = /(ExponentialMovingAverage|(^|[/._])ema([/._]|$)|_ema$|model_ema)/i;

/** Looks at tensors one after the other, and at what is strange about them together. */
export class TensorLook {
  readonly rows: Row[] = [];
  readonly warnings: string[] = [];
  readonly #names: string[] = [];
  readonly #digests = new Map<string, string>();
  readonly #columns: (name: string) => Row;
  #elements = 0;

  /** @param columns - further columns of each tensor */
  constructor(columns: (name: string) => Row = () => ({})) {
    this.#columns = columns;
  }

  /** Number of values of all tensors so far. */
  get elements(): number {
    return this.#elements;
  }

  /** @param shown - the name in the table, where another is easier to read */
  add({ name, shape, dtype, values }: LookedAt, shown: string = name): void {
    const numbers = values();
    const collector = new StatisticsCollector();
    if (numbers !== null) collector.add(numbers);
    const { zeros, ...statistics } = collector.result();
    this.#names.push(name);
    this.#elements += sizeOf(shape);
    this.rows.push({ weight: shown, shape, dtype, ...this.#columns(name), ...statistics });
    if (numbers !== null) this.#warn(shown, shape, numbers, { zeros, ...statistics });
  }

  /** Adds what only all names together tell. Call it once, last. */
  finish(): void {
    const averages = this.#names.filter((name) => AVERAGE.test(name));
    const [first] = averages;
    if (first !== undefined && averages.length < this.#names.length) {
      this.warnings.push(
        `${averages.length} moving averages lie beside the weights themselves (${first}): which of both were evaluated?`,
      );
    }
  }

  #warn(name: string, shape: readonly number[], numbers: Numbers, found: Statistics): void {
    const { nan, infinite, zeros, min } = found;
    const of = `of ${numbers.length} values`;
    if (numbers.length === 0) this.warnings.push(`${name}: holds no values`);
    if (nan > 0) this.warnings.push(`${name}: ${nan} ${of} are NaN`);
    if (infinite > 0) this.warnings.push(`${name}: ${infinite} ${of} are infinite`);
    if (/var(iance)?(:0)?$/i.test(name)) {
      if (typeof min === "number" && min < 0)
        this.warnings.push(`${name}: is a variance and has negative values, down to ${min}`);
      if (zeros > 0) this.warnings.push(`${name}: is a variance and ${zeros} ${of} are 0`);
    }
    if (shape.length >= 2 && numbers.length > 1 && zeros === numbers.length) {
      this.warnings.push(`${name}: all ${numbers.length} values are 0`);
    } else if (found.min !== found.max) this.#lookForTwin(name, numbers);
    this.#lookForTextMode(name, numbers);
  }

  #lookForTwin(name: string, numbers: Numbers): void {
    if (numbers.length < DUPLICATE_VALUES) return;
    const digest = createHash("sha256").update(bytesOf(numbers)).digest("hex");
    const twin = this.#digests.get(digest);
    if (twin === undefined) this.#digests.set(digest, name);
    else this.warnings.push(`${name}: has the very values of ${twin}`);
  }

  #lookForTextMode(name: string, numbers: Numbers): void {
    const damage = textDamage(bytesOf(numbers).subarray(0, 1 << 16));
    if (damage !== null) this.warnings.push(`${name}: ${damage}; was the file copied as text?`);
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Numbers): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** A tensor of a file as something to look at; types that no tensor holds show without numbers. */
export function lookedAt(tensor: StoredTensor, source: string): LookedAt {
  const { name, shape, dtype } = tensor;
  return {
    name,
    shape,
    dtype,
    values: () => {
      if (dtype === "string") return null;
      try {
        return readTensor(tensor, source).data;
      } catch (error) {
        if (error instanceof InputError && error.code === "unsupported") return null;
        throw error;
      }
    },
  };
}
