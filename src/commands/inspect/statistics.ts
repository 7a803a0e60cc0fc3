import { type JsonNumber, jsonNumber } from "../../checks/result.js";

/** What a look at many numbers tells. Minimum, maximum and mean are those of the finite ones. */
export interface Statistics {
  readonly min: JsonNumber | null;
  readonly max: JsonNumber | null;
  readonly mean: JsonNumber | null;
  /** Standard deviation. */
  readonly std: JsonNumber | null;
  readonly zeros: number;
  readonly nan: number;
  readonly infinite: number;
}

/** Collects {@link Statistics} piece by piece, in float64. */
export class StatisticsCollector {
  #count = 0;
  #mean = 0;
  /** Sum of squared distances from the mean so far (Welford), which does not cancel. */
  #squares = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #zeros = 0;
  #nan = 0;
  #infinite = 0;

  add(values: ArrayLike<number> | ArrayLike<bigint>): void {
    for (let k = 0; k < values.length; k++) {
      const value = Number(values[k]);
      if (!Number.isFinite(value)) {
        if (Number.isNaN(value)) this.#nan += 1;
        else this.#infinite += 1;
        continue;
      }
      if (value === 0) this.#zeros += 1;
      if (value < this.#min) this.#min = value;
      if (value > this.#max) this.#max = value;
      this.#count += 1;
      const distance = value - this.#mean;
      this.#mean += distance / this.#count;
      this.#squares += distance * (value - this.#mean);
    }
  }

  result(): Statistics {
    const some = (value: number) => (this.#count === 0 ? null : jsonNumber(value));
    return {
      min: some(this.#min),
      max: some(this.#max),
      mean: some(this.#mean),
      std: some(Math.sqrt(this.#squares / this.#count)),
      zeros: this.#zeros,
      nan: this.#nan,
      infinite: this.#infinite,
    };
  }
}

/** {@link Statistics} of values that lie in memory. */
export function statisticsOf(values: ArrayLike<number> | ArrayLike<bigint>): Statistics {
  const collector = new StatisticsCollector();
  collector.add(values);
  return collector.result();
}
