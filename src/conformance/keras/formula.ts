/** The generator of the suite's FORMULA.md: values that need no file. */

/** Finaliser of MurmurHash3 (32 bit). */
export function fmix32(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) >>> 0;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
  return (h ^ (h >>> 16)) >>> 0;
}

/** Uniform in [0, 1): the value at an index for a seed. */
export function uniform(index: number, seed: number): number {
  // Both below 2^53: the product of the seed is taken modulo 2^32 before it is added.
  const offset = Math.imul(seed, 0x9e3779b9) >>> 0;
  return (fmix32((index + offset) % 2 ** 32) >>> 8) / 2 ** 24;
}

/** Positions of the stored samples of a layer with `size` values. */
export function samplePositions(layerIndex: number, size: number, count: number): number[] {
  const offset = Math.imul(layerIndex + 1, 0x9e3779b9) >>> 0;
  return Array.from({ length: count }, (_, k) => fmix32((k + offset) % 2 ** 32) % size);
}

/** One row of a case's `layout.json`. */
export type LayoutRow = readonly [
  path: string,
  role: string,
  shape: readonly number[],
  fanIn: number,
  gain: number,
];

/** Values of all weights one after the other, in the order of the rows. */
export function formulaWeights(layout: readonly LayoutRow[], seed: number): Float32Array {
  const sizes = layout.map(([, , shape]) => shape.reduce((product, size) => product * size, 1));
  const values = new Float32Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  for (const [k, [, role, , fanIn, gain]] of layout.entries()) {
    const of = formulaOf(role, fanIn, gain);
    const end = at + (sizes[k] ?? 0);
    for (; at < end; at++) values[at] = of(uniform(at, seed));
  }
  return values;
}

function formulaOf(role: string, fanIn: number, gain: number): (u: number) => number {
  switch (role) {
    case "kernel":
    case "depthwise_kernel":
      return (u) => (2 * u - 1) * Math.sqrt(6 / fanIn) * gain;
    case "gamma":
    case "variance":
      return (u) => (0.5 + u) * gain;
    default:
      return (u) => 0.2 * (2 * u - 1);
  }
}
