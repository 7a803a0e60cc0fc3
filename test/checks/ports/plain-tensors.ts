import { positionOf } from "../../../src/operators/shape-rules.js";
import type { PlainTensor, PortWeights } from "../../../src/port/port.js";
import { indexOf, sizeOf } from "../../../src/tensor/tensor.js";

/** Tensors of the ports in this folder: float32, C order. */
export type Plain = { readonly data: Float32Array; readonly shape: readonly number[] };

/** Whether to make a mistake: those to make are told through the environment, which a thread inherits. */
export function makes(mistake: string): boolean {
  return (process.env["DIFFTEST_TEST_MISTAKE"] ?? "").split(",").includes(mistake);
}

/** Every weight by its name, as it lies in the file. */
export function takeAll(weights: PortWeights): Readonly<Record<string, Plain>> {
  return Object.fromEntries(weights.names.map((name) => [name, weights.take(name)]));
}

/** A tensor of the port's inputs, or one that was tapped. */
export function plain(tensor: PlainTensor | undefined): Plain {
  if (!(tensor?.data instanceof Float32Array)) throw new Error(`no float32: ${tensor?.dtype}`);
  return { data: tensor.data, shape: tensor.shape };
}

/** An element; 0 outside. */
export function at({ data, shape }: Plain, index: readonly number[]): number {
  if (index.some((k, axis) => k < 0 || k >= (shape[axis] ?? 0))) return 0;
  return data[positionOf(index, shape)] as number;
}

/** A tensor made element by element. */
export function made(
  shape: readonly number[],
  element: (index: readonly number[]) => number,
): Plain {
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, k) => element(indexOf(k, shape)));
  return { data, shape };
}

/** Each element changed. */
export function each({ data, shape }: Plain, change: (value: number, k: number) => number): Plain {
  return { data: data.map(change), shape };
}

/** Each row of the last axis changed; the rows may get another length. */
export function rowByRow(x: Plain, change: (row: number[]) => readonly number[]): Plain {
  const width = x.shape.at(-1) ?? 1;
  const rows: number[] = [];
  for (let start = 0; start < x.data.length; start += width) {
    rows.push(...change(Array.from(x.data.subarray(start, start + width))));
  }
  const last = rows.length / (x.data.length / width);
  return { data: Float32Array.from(rows), shape: x.shape.with(-1, last) };
}

/** Σ f over 0 … count − 1. */
export function sum(count: number, term: (k: number) => number): number {
  let total = 0;
  for (let k = 0; k < count; k++) total += term(k);
  return total;
}

/** The softmax of a row. */
export function softmax(row: readonly number[]): number[] {
  const powers = row.map((value) => Math.exp(value - Math.max(...row)));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

/** A row less its mean, ÷ its deviation. */
export function normed(row: readonly number[], epsilon: number): number[] {
  const mean = sum(row.length, (k) => row[k] as number) / row.length;
  const variance = sum(row.length, (k) => ((row[k] as number) - mean) ** 2) / row.length;
  return row.map((value) => (value - mean) / Math.sqrt(variance + epsilon));
}

/** x·W of the last axis, W [in, out] or, `transposed`, [out, in]. */
export function product(x: Plain, kernel: Plain, transposed = false): Plain {
  const [rows = 1, columns = 1] = kernel.shape;
  const [inner, units] = transposed ? [columns, rows] : [rows, columns];
  return rowByRow(x, (row) =>
    Array.from({ length: units }, (_, unit) =>
      sum(inner, (i) => (row[i] ?? 0) * at(kernel, transposed ? [unit, i] : [i, unit])),
    ),
  );
}
