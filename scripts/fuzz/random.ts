/** Random numbers that depend on nothing but the seed (mulberry32), so that a finding can be repeated. */
export class Random {
  #state: number;

  /** Every part of `seeds` matters: a format's files do not change when another format is added. */
  constructor(...seeds: readonly (number | string)[]) {
    this.#state = 0x9e3779b9;
    for (const character of seeds.join("|")) {
      this.#state = Math.imul(this.#state ^ (character.codePointAt(0) ?? 0), 0x01000193);
    }
  }

  /** A whole number from 0 to `below` - 1 (0 for an empty range). */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  /** One of several. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}
