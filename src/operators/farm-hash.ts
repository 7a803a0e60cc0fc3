import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { Words } from "./hash-nodes.js";
import { castTo } from "./nodes-nd.js";
import { onlyInput } from "./shape-rules.js";

/** Constants of FarmHash (farmhashna). */
const K0 = 0xc3a5c85c97cb3127n;
const K2 = 0x9ae16a3b2f90404fn;
/** Digits of the largest whole number whose text has at most 16 characters, sign included. */
const MAX_DIGITS = 15;

/**
 * `Fingerprint64(text) mod bins` of a whole number's decimal text: TensorFlow's `string_to_hash_bucket_fast`.
 * Texts have at most 16 characters, more than float32 holds digits.
 *
 * Source: google/farmhash, `farmhashna::HashLen0to16`.
 */
export const farmHashFamily: OperatorFamily<"farm-hash"> = {
  kind: "farm-hash",
  shape: (_attributes, inputs) => onlyInput("farm-hash", inputs),
  lower({ attributes: { bins } }, { graph, inputs: [input = ""], output }) {
    const words = new Words(graph);
    words.remainder(textHash(words, castTo(graph, input, "int64")), bins, output);
  },
  // Inputs are whole numbers: there is nothing to round.
  bound: () => null,
  element: ({ attributes: { bins } }, index, { read }) => {
    const text = Buffer.from(String(Math.trunc(read(0, index))), "latin1");
    return Number(fingerprint(text) % BigInt(bins));
  },
  cost: () => 50,
};

/** Hash of each number's text: one formula a length, the right one chosen. */
function textHash(words: Words, number: string): string {
  const { graph } = words;
  const negative = castTo(graph, graph.node("Less", [number, words.constant(0n)]), "int64");
  const size = graph.node("Abs", [number]);
  const powers = Array.from({ length: MAX_DIGITS + 1 }, (_, k) => words.constant(10n ** BigInt(k)));
  const reached = powers
    .slice(1)
    .map((power) => castTo(graph, graph.node("GreaterOrEqual", [size, power]), "int64"));
  const digits = words.add(words.constant(1n), ...reached);
  const length = words.add(digits, negative);
  // Characters from the last to the first; in front of the digits stands the sign.
  const characters = powers.map((power, k) => {
    const digit = graph.node("Mod", [graph.node("Div", [size, power]), words.constant(10n)]);
    const beyond = graph.node("GreaterOrEqual", [words.constant(BigInt(k)), digits]);
    const code = words.add(digit, words.constant(48n));
    return graph.node("Where", [beyond, words.constant(45n), code]);
  });
  const choices = Array.from({ length: MAX_DIGITS + 1 }, (_, k) => {
    const bytes = characters.slice(0, k + 1).reverse();
    const chosen = graph.node("Equal", [length, words.constant(BigInt(k + 1))]);
    return words.multiply(castTo(graph, chosen, "int64"), hashOfLength(words, graph, bytes));
  });
  return words.add(...choices);
}

/** HashLen0to16 of bytes whose number is known. */
function hashOfLength(words: Words, graph: GraphBuilder, bytes: readonly string[]): string {
  const { length } = bytes;
  const fetch = (from: number, count: number) =>
    words.add(
      ...bytes.slice(from, from + count).map((byte, k) => words.times(byte, 1n << BigInt(8 * k))),
    );
  const factor = words.constant(K2 + 2n * BigInt(length));
  if (length >= 8) {
    const a = words.add(fetch(0, 8), words.constant(K2));
    const b = fetch(length - 8, 8);
    const c = words.add(words.multiply(words.rotateRight(b, 37), factor), a);
    const d = words.multiply(words.add(words.rotateRight(a, 25), b), factor);
    return hash16(words, c, d, factor);
  }
  if (length >= 4) {
    const head = words.add(words.constant(BigInt(length)), words.times(fetch(0, 4), 8n));
    return hash16(words, head, fetch(length - 4, 4), factor);
  }
  const [first = "", middle = "", last = ""] = [bytes[0], bytes[length >> 1], bytes[length - 1]];
  const y = words.add(first, words.times(middle, 256n));
  const z = words.add(words.constant(BigInt(length)), words.times(last, 4n));
  const mixed = words.shiftMix(words.xor(words.times(y, K2), words.times(z, K0)));
  return graph.node("Mul", [mixed, words.constant(K2)]);
}

function hash16(words: Words, u: string, v: string, factor: string): string {
  const a = words.shiftMix(words.multiply(words.xor(u, v), factor));
  const b = words.shiftMix(words.multiply(words.xor(v, a), factor));
  return words.multiply(b, factor);
}

const wrap = (value: bigint) => BigInt.asUintN(64, value);

/** The definition: FarmHash's fingerprint of at most 16 bytes. */
function fingerprint(text: Uint8Array): bigint {
  const { length } = text;
  const fetch = (from: number, count: number) =>
    text
      .subarray(from, from + count)
      .reduce((sum, byte, k) => sum + (BigInt(byte) << BigInt(8 * k)), 0n);
  const mix = (value: bigint) => value ^ (value >> 47n);
  const rotate = (value: bigint, count: bigint) =>
    wrap((value >> count) | (value << (64n - count)));
  const factor = wrap(K2 + 2n * BigInt(length));
  const hash = (u: bigint, v: bigint) => {
    const a = mix(wrap((u ^ v) * factor));
    return wrap(mix(wrap((v ^ a) * factor)) * factor);
  };
  if (length > 16)
    throw new RangeError(`farm-hash: a number of ${length} characters, expected at most 16`);
  if (length >= 8) {
    const a = wrap(fetch(0, 8) + K2);
    const b = fetch(length - 8, 8);
    return hash(wrap(rotate(b, 37n) * factor + a), wrap((rotate(a, 25n) + b) * factor));
  }
  if (length >= 4) return hash(wrap(BigInt(length) + (fetch(0, 4) << 3n)), fetch(length - 4, 4));
  const [first = 0, middle = 0, last = 0] = [text[0], text[length >> 1], text[length - 1]];
  const y = BigInt(first + middle * 256);
  const z = BigInt(length + last * 4);
  return wrap(mix(wrap(y * K2) ^ wrap(z * K0)) * K2);
}
