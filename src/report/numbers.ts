import type { JsonNumber } from "../checks/result.js";

/** A measured number in at most eight letters: `0`, `1.2e-7`, `NaN`, `-` for none. */
export function shortNumber(value: JsonNumber | null): string {
  if (value === null) return "-";
  if (typeof value === "string") return value.replace("Infinity", "inf");
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 0.01 && size < 1e4) return String(Number(value.toPrecision(3)));
  return value.toExponential(1).replace("e+", "e");
}

/** A count with thousands apart: 5 200 896 → `5,200,896`, whatever the language of the machine. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** A shape as people write it: `1x32x416x416`. */
export function shapeText(shape: readonly number[]): string {
  return shape.length === 0 ? "scalar" : shape.join("x");
}

/** `1 fault`, `2 faults`. */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}
