import type { Random } from "./random.js";

/** Bytes that are ends of ranges, signs or continuation marks somewhere. */
const ODD_BYTES = [0, 1, 0x7f, 0x80, 0xfe, 0xff];

/** A damaged copy: cut off, bits flipped, bytes overwritten, removed, doubled or inserted. */
export function damaged(bytes: Uint8Array, random: Random): Uint8Array {
  const times = 1 + random.below(3);
  let result = Uint8Array.from(bytes);
  for (let k = 0; k < times; k++) result = random.pick(KINDS)(result, random);
  return result;
}

type Damage = (bytes: Uint8Array, random: Random) => Uint8Array<ArrayBuffer>;

const cutOff: Damage = (bytes, random) => bytes.slice(0, random.below(bytes.length + 1));

const flipBit: Damage = (bytes, random) => {
  const result = Uint8Array.from(bytes);
  const at = random.below(bytes.length);
  result[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  return result;
};

const overwrite: Damage = (bytes, random) => {
  const result = Uint8Array.from(bytes);
  const at = random.below(bytes.length);
  result.fill(random.pick(ODD_BYTES), at, at + 1 + random.below(8));
  return result;
};

const remove: Damage = (bytes, random) => {
  const at = random.below(bytes.length);
  const end = at + 1 + random.below(16);
  return joined(bytes.subarray(0, at), bytes.subarray(end));
};

const double: Damage = (bytes, random) => {
  const at = random.below(bytes.length);
  const end = Math.min(bytes.length, at + 1 + random.below(64));
  return joined(bytes.subarray(0, end), bytes.subarray(at));
};

const insert: Damage = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  const noise = Uint8Array.from({ length: 1 + random.below(12) }, () => random.below(256));
  return joined(bytes.subarray(0, at), noise, bytes.subarray(at));
};

/** One flipped bit is what a bad disk does and what slips through most easily: it comes more often. */
const KINDS: readonly Damage[] = [
  flipBit,
  flipBit,
  flipBit,
  cutOff,
  overwrite,
  remove,
  double,
  insert,
];

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.concat(parts));
}
