/** Values stored of a large layer of a whole model: FORMULA.md of the suite. */
const STORED = 4096;

/** Finaliser of MurmurHash3, 32 bits. */
function fmix32(value: number): number {
  let h = value | 0;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The 4096 values of a layer that the suite stores, in its order; positions may repeat. */
export function sampledValues(values: Float32Array, layer: number): Float32Array {
  const start = Math.imul(layer + 1, 0x9e3779b9);
  return Float32Array.from(
    { length: STORED },
    (_, k) => values[fmix32(k + start) % values.length] as number,
  );
}
