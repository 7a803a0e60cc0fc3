/**
 * Arithmetic modulo 2^64 in ONNX nodes (opset 17): int64 tensors that wrap round, which is what the
 * runtime's products and sums of int64 do.
 */
import type { GraphBuilder } from "./graph.js";
import { slice } from "./nodes.js";
import { castTo } from "./nodes-nd.js";

/** ONNX's number of uint64. */
const UINT64 = 13;
const BITS = 64;

/** Words for 64-bit integers in one graph. */
export class Words {
  readonly graph: GraphBuilder;
  readonly #shifts: string;
  readonly #powers: string;

  constructor(graph: GraphBuilder) {
    this.graph = graph;
    const places = Array.from({ length: BITS }, (_, k) => BigInt(k));
    this.#shifts = this.#unsigned(this.constant(...places));
    this.#powers = this.constant(...places.slice(0, 32).map((place) => 1n << place));
  }

  /** One number as a scalar, several as a row. */
  constant(...values: readonly bigint[]): string {
    const name = this.graph.fresh("word");
    const data = BigInt64Array.from(values, (value) => BigInt.asIntN(64, value));
    this.graph.constants.push({ name, shape: values.length === 1 ? [] : [values.length], data });
    return name;
  }

  add(...values: readonly string[]): string {
    return values.reduce((sum, value) => this.graph.node("Add", [sum, value]));
  }

  multiply(a: string, b: string): string {
    return this.graph.node("Mul", [a, b]);
  }

  times(value: string, factor: bigint): string {
    return this.multiply(value, this.constant(factor));
  }

  /** Without the sign: zeros come in from above. */
  shiftRight(value: string, count: number): string {
    const unsigned = this.#unsigned(value);
    const by = this.#unsigned(this.constant(BigInt(count)));
    const shifted = this.graph.node("BitShift", [unsigned, by], { direction: { string: "RIGHT" } });
    return castTo(this.graph, shifted, "int64");
  }

  rotateRight(value: string, count: number): string {
    return this.add(this.shiftRight(value, count), this.times(value, 1n << BigInt(64 - count)));
  }

  /** Exclusive or: a + b − 2·(a and b), bit by bit. */
  xor(a: string, b: string): string {
    const { graph } = this;
    const both = graph.node("Mul", [this.#bits(a), this.#bits(b)]);
    // Twice 32 bits: the runtime adds up int64 exactly only as far as a double reaches.
    const half = (from: number) => {
      const bits = slice(graph, both, { axis: -1, start: from, end: from + 32 });
      const placed = graph.node("Mul", [bits, this.#powers]);
      return graph.node("ReduceSum", [placed, graph.ints([-1])], { keepdims: { int: 0 } });
    };
    const and = this.add(half(0), this.times(half(32), 1n << 32n));
    return graph.node("Sub", [this.add(a, b), this.times(and, 2n)]);
  }

  /** value ^ (value >> 47) */
  shiftMix(value: string): string {
    return this.xor(value, this.shiftRight(value, 47));
  }

  /** Remainder of the value taken as unsigned, as float32. */
  remainder(value: string, divisor: number, output: string): void {
    const by = this.#unsigned(this.constant(BigInt(divisor)));
    const rest = this.graph.node("Mod", [this.#unsigned(value), by]);
    castTo(this.graph, rest, "float", output);
  }

  #bits(value: string): string {
    const { graph } = this;
    const column = graph.node("Unsqueeze", [this.#unsigned(value), graph.ints([-1])]);
    const shifted = graph.node("BitShift", [column, this.#shifts], {
      direction: { string: "RIGHT" },
    });
    const bits = graph.node("Mod", [shifted, this.#unsigned(this.constant(2n))]);
    return castTo(graph, bits, "int64");
  }

  #unsigned(value: string): string {
    return this.graph.node("Cast", [value], { to: { int: UINT64 } });
  }
}
