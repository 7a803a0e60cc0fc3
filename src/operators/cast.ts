import { float32FromBfloat16, float32FromHalf } from "../formats/small-floats.js";
import type { OperatorFamily } from "./family.js";
import { castTo, numberOf, truthOf } from "./nodes-nd.js";
import { total } from "./rounding.js";
import { onlyInput } from "./shape-rules.js";

/** Values rounded to what another type holds, to nearest even; towards zero for integers. */
export const castFamily: OperatorFamily<"cast"> = {
  kind: "cast",
  shape: (_attributes, inputs) => onlyInput("cast", inputs),

  lower({ attributes: { to } }, { graph, inputs: [input = ""], output }) {
    switch (to) {
      case "bool":
        numberOf(graph, truthOf(graph, input), output);
        return;
      case "integer": {
        const size = graph.node("Floor", [graph.node("Abs", [input])]);
        graph.node("Mul", [graph.node("Sign", [input]), size], {}, output);
        return;
      }
      case "float16":
      case "bfloat16":
        castTo(graph, castTo(graph, input, to), "float", output);
    }
  },

  bound({ attributes: { to } }, { graph, output, bounds: [bound = null] }) {
    if (bound === null) return null;
    // An error may carry the value over a rounding boundary: one step of the type more.
    const step = { bool: 1, integer: 1, float16: 2 ** -10, bfloat16: 2 ** -7 }[to];
    const exact = to === "bool" || to === "integer";
    const size = exact
      ? graph.float(step)
      : graph.node("Mul", [graph.node("Abs", [output]), graph.float(step)]);
    const any = graph.node("Greater", [bound, graph.float(0)]);
    const jump = graph.node("Mul", [castTo(graph, any, "float"), size]);
    return total(graph, [bound, jump]);
  },

  element({ attributes: { to } }, index, { read }) {
    const value = read(0, index);
    switch (to) {
      case "bool":
        return value === 0 ? 0 : 1;
      case "integer":
        return Math.trunc(value);
      case "float16":
        return nearest(value, (bits) => float32FromHalf(Uint16Array.of(bits))[0] as number);
      case "bfloat16":
        return nearest(value, (bits) => float32FromBfloat16(Uint16Array.of(bits))[0] as number);
    }
  },

  cost: () => 16,
};

/** The value of a 16-bit format that is nearest, of two the one with an even last bit: their order is that of their bits. */
function nearest(value: number, decode: (bits: number) => number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const size = Math.abs(value);
  let low = 0;
  let high = 0x7fff;
  while (!Number.isFinite(decode(high))) high -= 1;
  const largest = high;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (decode(middle) <= size) low = middle;
    else high = middle;
  }
  const below = decode(low);
  const above = decode(high);
  if (high === largest && size > above) {
    const step = above - below;
    return Math.sign(value) * (size - above < step / 2 ? above : Number.POSITIVE_INFINITY);
  }
  const distance = size - below - (above - size);
  const even = low % 2 === 0 ? below : above;
  return Math.sign(value) * (distance < 0 ? below : distance > 0 ? above : even);
}
