import { broadcastIndex, broadcastShape } from "./broadcast.js";
import type { OperatorFamily } from "./family.js";
import { Words } from "./hash-nodes.js";
import { castTo } from "./nodes-nd.js";

/** Start of the hash in TensorFlow's `sparse_cross_hashed`, and the factor of its `FingerprintCat64`. */
const KEY = 0xdecafcaffen;
const FACTOR = 0xc6a4a7935bd1e995n;

/**
 * One hash of several whole numbers at each place, the rest by the number of bins: TensorFlow's
 * `sparse.cross_hashed` (`FingerprintCat64` of tensorflow/core/platform/fingerprint.h).
 */
export const crossHashFamily: OperatorFamily<"cross-hash"> = {
  kind: "cross-hash",
  shape: (_attributes, inputs) => broadcastShape("cross-hash", inputs),
  lower({ attributes: { bins } }, { graph, inputs, output }) {
    const words = new Words(graph);
    const factor = words.constant(FACTOR);
    let hash = words.constant(KEY);
    for (const input of inputs) {
      const scaled = words.multiply(castTo(graph, input, "int64"), factor);
      const part = words.multiply(words.shiftMix(scaled), factor);
      const mixed = words.xor(words.xor(hash, factor), part);
      const once = words.multiply(words.shiftMix(words.multiply(mixed, factor)), factor);
      hash = words.shiftMix(once);
    }
    words.remainder(hash, bins, output);
  },
  bound: () => null,
  element: ({ attributes: { bins } }, index, { inputShapes, read }) => {
    const values = inputShapes.map((shape, k) => BigInt(read(k, broadcastIndex(index, shape))));
    return Number(values.reduce(combined, KEY) % BigInt(bins));
  },
  cost: () => 50,
};

/** The definition of FingerprintCat64. */
function combined(hash: bigint, value: bigint): bigint {
  const wrap = (word: bigint) => BigInt.asUintN(64, word);
  const mix = (word: bigint) => word ^ (word >> 47n);
  const part = wrap(mix(wrap(value * FACTOR)) * FACTOR);
  const mixed = wrap((hash ^ FACTOR ^ part) * FACTOR);
  return mix(wrap(mix(mixed) * FACTOR));
}
