import { distance, type Rule } from "../agreement.js";

/** Collects distances of one case: the first that is too far, and the worst of all. */
export class Comparison {
  readonly #rule: Rule;
  #worst = 0;
  #count = 0;
  #detail = "";

  constructor(rule: Rule) {
    this.#rule = rule;
  }

  /** Compares values; `what` names them for people. */
  values(
    what: string,
    actual: ArrayLike<number> | undefined,
    expected: ArrayLike<number> | undefined,
  ): void {
    if (expected === undefined) return;
    this.#count += 1;
    if (actual === undefined || actual.length !== expected.length) {
      this.fault(`${what}: ${actual?.length ?? "no"} values, expected ${expected.length}`);
      return;
    }
    const far = distance(actual, expected, this.#rule);
    this.#worst = Math.max(this.#worst, far);
    if (far > 1) this.fault(`${what}: ${far.toPrecision(3)} times the tolerance`);
  }

  /** Compares words and numbers that must be equal. */
  equal(what: string, actual: unknown, expected: unknown): void {
    this.#count += 1;
    if (`${actual}` !== `${expected}`) this.fault(`${what}: ${actual}, expected ${expected}`);
  }

  /** Notes a difference; the first one is told. */
  fault(detail: string): void {
    if (this.#detail === "") this.#detail = detail;
    this.#worst = Math.max(this.#worst, Number.POSITIVE_INFINITY);
  }

  /** What a case comes to: nothing compared is a failure. */
  get outcome(): {
    readonly status: "passed" | "failed";
    readonly detail: string;
    readonly distance: number;
  } {
    const detail = this.#count === 0 ? "nothing was compared" : this.#detail;
    return { status: detail === "" ? "passed" : "failed", detail, distance: this.#worst };
  }
}
