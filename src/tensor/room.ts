/**
 * Memory for values that are only looked at, used again for the next ones: fresh memory costs more
 * than reading into it, since the system must clear every page first.
 */
export class Room {
  #memory = new Float32Array(0);

  /** Room for `length` values, holding anything; what it gave out before is overwritten. */
  of(length: number): Float32Array<ArrayBuffer> {
    if (this.#memory.length < length) this.#memory = new Float32Array(length);
    return this.#memory.subarray(0, length);
  }
}
