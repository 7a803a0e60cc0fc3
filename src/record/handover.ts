/** Taps that may be on their way at once: the port computes the next while one is examined. */
const SLOTS = 2;

/**
 * Memory through which a port's thread hands its taps to the thread that examines them, used again
 * and again: values that are allocated, transferred and collected cost more than their comparison.
 */
export class Handover {
  readonly buffer: SharedArrayBuffer;
  /** Taps examined so far. */
  readonly #examined: Int32Array;
  readonly #values: Float32Array<SharedArrayBuffer>;
  /** Values of one slot. */
  readonly #size: number;
  #sent = 0;

  /** @param source - how many values the largest tap has, or the buffer of the other side */
  constructor(source: number | SharedArrayBuffer) {
    const bytes = typeof source === "number" ? 4 * (1 + SLOTS * source) : source.byteLength;
    this.buffer = typeof source === "number" ? new SharedArrayBuffer(bytes) : source;
    this.#examined = new Int32Array(this.buffer, 0, 1);
    this.#values = new Float32Array(this.buffer, 4);
    this.#size = this.#values.length / SLOTS;
  }

  /**
   * Puts down values for the other side; sleeps while it has too much to do. Only in a worker thread.
   *
   * @returns which of all taps these are, for {@link values}
   * @throws {RangeError} when there are more than the largest tap has
   */
  put(values: Float32Array): number {
    const number = this.#sent++;
    for (let done = this.#done(); number - done >= SLOTS; done = this.#done())
      Atomics.wait(this.#examined, 0, done);
    this.values(number, values.length).set(values);
    return number;
  }

  /**
   * Values that were put down, until {@link release}.
   *
   * @throws {RangeError} when there are more than the largest tap has
   */
  values(number: number, length: number): Float32Array<SharedArrayBuffer> {
    if (length > this.#size) throw new RangeError(`${length} values in room for ${this.#size}`);
    const begin = (number % SLOTS) * this.#size;
    return this.#values.subarray(begin, begin + length);
  }

  /** The oldest values that were put down are no longer needed. */
  release(): void {
    Atomics.add(this.#examined, 0, 1);
    Atomics.notify(this.#examined, 0);
  }

  #done(): number {
    return Atomics.load(this.#examined, 0);
  }
}
