/** Weights and inputs that anyone can make again, bit for bit: the formula of the whole-model cases. */

/** The finaliser of MurmurHash3, 32 bit. */
function fmix32(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The golden ratio's bits: seeds far apart. */
const STEP = 0x9e3779b9;

/** `count` numbers from 0 to 1, the first of them number `first` of the sequence of `seed`. */
export function uniform(first: number, count: number, seed: number): Float64Array {
  const offset = Math.imul(seed, STEP);
  return Float64Array.from(
    { length: count },
    (_, k) => (fmix32(first + k + offset) >>> 8) / 2 ** 24,
  );
}

/** Positions of a layer's `size` values that were recorded. */
export function recordedPositions(layer: number, size: number, count = 4096): Uint32Array {
  const offset = Math.imul(layer + 1, STEP);
  return Uint32Array.from({ length: count }, (_, k) => fmix32(k + offset) % size);
}

/** One weight tensor's values from its uniform numbers. */
export function weightValues(
  role: string,
  u: Float64Array,
  fanIn: number,
  gain: number,
): Float32Array {
  const formulas: Readonly<Record<string, (x: number) => number>> = {
    kernel: (x) => (2 * x - 1) * Math.sqrt(6 / fanIn) * gain,
    bias: (x) => 0.2 * (2 * x - 1),
    mean: (x) => 0.2 * (2 * x - 1),
    scale: (x) => 0.5 + x,
    variance: (x) => 0.5 + x,
  };
  const f = formulas[role];
  if (f === undefined) throw new Error(`no formula for ${role}`);
  return Float32Array.from(u, f);
}
