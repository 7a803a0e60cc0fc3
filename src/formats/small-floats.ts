/**
 * Floating-point formats below 32 bits, widened to float32. Every value of each of them is a float32
 * value, so nothing is lost; a table is faster than arithmetic (65,536 entries, filled at first use).
 */

let halfTable: Float32Array | undefined;

/** IEEE 754 binary16 bits to float32: subnormals, infinities and NaN included. */
export function float32FromHalf(bits: Uint16Array): Float32Array {
  halfTable ??= Float32Array.from({ length: 65_536 }, (_, k) => halfValue(k));
  const table = halfTable;
  const result = new Float32Array(bits.length);
  for (let k = 0; k < bits.length; k++) result[k] = table[bits[k] as number] as number;
  return result;
}

/** The IEEE 754 binary16 bits nearest to each number, ties to even; beyond the largest half: infinity. */
export function halfFromFloat32(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, halfBits);
}

function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65_520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = nearestEven(size * 2 ** (10 - exponent));
  // A number below 2^-14 has no leading one: its steps are its bits. A carry moves into the exponent by itself.
  return sign | (steps < 1024 ? steps : ((exponent + 15) << 10) + (steps - 1024));
}

function nearestEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}

/** bfloat16 bits, the upper half of a float32, to float32; NaN payloads are kept. */
export function float32FromBfloat16(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let k = 0; k < bits.length; k++) words[k] = (bits[k] as number) << 16;
  return new Float32Array(words.buffer);
}

/** What becomes of the bits of each eight-bit format. */
const FLOAT8 = {
  float8e4m3: e4m3Value,
  float8e4m3fnuz: (bits: number) => fnuzValue(bits, 3),
  float8e5m2: e5m2Value,
  float8e5m2fnuz: (bits: number) => fnuzValue(bits, 2),
  float8e8m0: e8m0Value,
};

/**
 * The eight-bit formats: those of "FP8 Formats for Deep Learning" (arXiv 2209.05433), their `fnuz` forms
 * (arXiv 2206.02915: no infinities, no −0, exponent bias one larger), and the MX scale (OCP MX 1.0).
 */
export type Float8Format = keyof typeof FLOAT8;

/** float8 bits to float32. */
export function float32FromFloat8(bits: Uint8Array, format: Float8Format): Float32Array {
  const widen = FLOAT8[format];
  const table = Float32Array.from({ length: 256 }, (_, k) => widen(k));
  return Float32Array.from(bits, (byte) => table[byte] as number);
}

function halfValue(bits: number): number {
  return smallValue(bits >> 15, (bits >> 10) & 31, bits & 1023, 5, 10, true);
}

/** No infinity: all ones is NaN, the rest of the highest exponent are numbers (up to 448). */
function e4m3Value(bits: number): number {
  if ((bits & 0x7f) === 0x7f) return Number.NaN;
  return smallValue(bits >> 7, (bits >> 3) & 15, bits & 7, 4, 3, false);
}

/** The upper byte of a half. */
function e5m2Value(bits: number): number {
  return halfValue(bits << 8);
}

/** The bits of −0 are NaN, all others numbers; the bias is one larger: half the value that the bits have otherwise. */
function fnuzValue(bits: number, fractionBits: number): number {
  if (bits === 0x80) return Number.NaN;
  const [sign, body] = [bits >> 7, bits & 0x7f];
  const exponent = body >> fractionBits;
  const fraction = body & (2 ** fractionBits - 1);
  return smallValue(sign, exponent, fraction, 7 - fractionBits, fractionBits, false) / 2;
}

/** A power of two, no sign, no zero. */
function e8m0Value(bits: number): number {
  return bits === 255 ? Number.NaN : 2 ** (bits - 127);
}

/** `fraction` has `fractionBits` bits; `special` says whether the highest exponent means infinity and NaN. */
function smallValue(
  sign: number,
  exponent: number,
  fraction: number,
  exponentBits: number,
  fractionBits: number,
  special: boolean,
): number {
  const bias = 2 ** (exponentBits - 1) - 1;
  const factor = sign === 1 ? -1 : 1;
  if (special && exponent === 2 ** exponentBits - 1) {
    return fraction === 0 ? factor * Number.POSITIVE_INFINITY : Number.NaN;
  }
  if (exponent === 0) return factor * fraction * 2 ** (1 - bias - fractionBits);
  return factor * (1 + fraction / 2 ** fractionBits) * 2 ** (exponent - bias);
}
