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
  // Plain loops: the large models have 64 million weights.
  const u = new Float64Array(count);
  for (let k = 0; k < count; k++) u[k] = (fmix32(first + k + offset) >>> 8) / 2 ** 24;
  return u;
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
  const values = new Float32Array(u.length);
  const formula = formulaOf(role, Math.sqrt(6 / fanIn), gain);
  for (let k = 0; k < u.length; k++) values[k] = formula(u[k] as number);
  return values;
}

/** What a uniform number becomes, in float64 and in exactly this order of operations. */
function formulaOf(role: string, spread: number, gain: number): (u: number) => number {
  switch (role) {
    case "kernel":
      return (u) => (2 * u - 1) * spread * gain;
    case "bias":
    case "mean":
      return (u) => 0.2 * (2 * u - 1);
    case "scale":
    case "variance":
      return (u) => 0.5 + u;
    default:
      throw new Error(`no formula for ${role}`);
  }
}
