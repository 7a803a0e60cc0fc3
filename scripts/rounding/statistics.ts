/** Numbers that look random and are the same everywhere: uniform, and normal with variance 1. */
export class Numbers {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1 (mulberry32). */
  uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let h = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    h = (h + Math.imul(h ^ (h >>> 7), 61 | h)) ^ h;
    return ((h ^ (h >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Box and Muller. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** `count` values of `next`, rounded to float32. */
  fill(count: number, next: () => number): Float32Array {
    return Float32Array.from({ length: count }, next);
  }
}

/**
 * Error ÷ bound of each element, sorted. Where nothing is off and no error is allowed the ratio is 0,
 * where something is off although none is allowed it is infinite.
 *
 * @throws {RangeError} when the lengths differ
 */
export function sortedRatios(
  actual: Float32Array,
  expected: Float32Array,
  bound: Float32Array | null,
): Float64Array {
  if (actual.length !== expected.length || (bound !== null && bound.length !== actual.length)) {
    throw new RangeError(`${actual.length}, ${expected.length} and ${bound?.length} values`);
  }
  const ratios = Float64Array.from(actual, (a, i) => {
    const error = Math.abs(a - (expected[i] as number));
    return error === 0 ? 0 : error / (bound?.[i] ?? 0);
  });
  return ratios.sort();
}

/** The value below which the share `q` (0 to 1) of sorted values lies; the largest for 1, `NaN` of none. */
export function quantile(sorted: Float64Array, q: number): number {
  const at = Math.min(sorted.length - 1, Math.floor(q * sorted.length));
  return sorted[at] ?? Number.NaN;
}

/** Root mean square of the differences. */
export function rmsError(actual: ArrayLike<number>, exact: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < exact.length; i++) sum += ((actual[i] as number) - (exact[i] as number)) ** 2;
  return Math.sqrt(sum / Math.max(1, exact.length));
}

/**
 * The smallest size, to 5 %, of a fault that is seen.
 *
 * @param seen - whether a fault of that size is seen; once it is, larger ones are
 * @param from - a size below all that could be seen
 * @param to - the largest size of interest
 * @returns `null` when not even `to` is seen
 */
export function smallestSeen(
  seen: (size: number) => boolean,
  from: number = 2 ** -30,
  to: number = 1,
): number | null {
  if (!seen(to)) return null;
  let [below, above] = [from, to];
  while (above > 1.05 * below) {
    const middle = Math.sqrt(below * above);
    if (seen(middle)) above = middle;
    else below = middle;
  }
  return above;
}

/** The smallest pair with which every error is covered: relative above some size of result, absolute below. */
export function errorOf(computed: ArrayLike<number>, exact: Float64Array, unit: number) {
  let best = { ulp: 0, absolute: Number.POSITIVE_INFINITY, weight: Number.POSITIVE_INFINITY };
  for (let exponent = -40; exponent <= 0; exponent++) {
    const knee = 2 ** exponent;
    let [ulp, absolute] = [0, 0];
    for (let i = 0; i < exact.length; i++) {
      const y = exact[i] as number;
      const error = Math.abs((computed[i] as number) - y);
      if (!Number.isFinite(y) || Math.abs(y) > 3e38) continue;
      if (Math.abs(y) >= knee) ulp = Math.max(ulp, error / (unit * Math.abs(y)));
      else absolute = Math.max(absolute, error);
    }
    // An absolute term weighs as what it adds at a result of size 1/16.
    const weight = ulp + (16 * absolute) / unit;
    if (weight < best.weight) best = { ulp, absolute, weight };
  }
  return { ulp: best.ulp, absolute: best.absolute };
}

/** Two digits, rounded up: a bound may not shrink in writing. */
export function roundedUp(value: number): string {
  if (value === 0) return "0";
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return String(Number((Math.ceil(value / unit - 1e-9) * unit).toPrecision(2)));
}

/** A number for a table: a few digits, `–` for none. */
export function shown(value: number | null, digits = 2): string {
  if (value === null || Number.isNaN(value)) return "–";
  if (value === 0 || !Number.isFinite(value)) return String(value).replace("Infinity", "∞");
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -3 || exponent >= 5) return value.toExponential(digits - 1).replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

/** A Markdown table: the first row is its head. Bars inside cells are escaped. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}
