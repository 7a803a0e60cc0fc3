/**
 * The comparison alone, in a process of its own: `comparison.ts MODEL[@SIZE]`. Every tap's shape with
 * made-up values; prints one line of JSON: bytes of both sides, and milliseconds for them.
 */

import { compareTap } from "../../src/compare/compare-tap.js";
import { compareWasm } from "../../src/compare/compare-wasm.js";
import { sizeOf } from "../../src/tensor/tensor.js";
import { Numbers } from "../rounding/statistics.js";
import { benchModel, openModel } from "./model.js";
import type { Comparison } from "./report.js";

const [model = ""] = process.argv.slice(2);
const { architecture } = await openModel(benchModel(model));
const layers = new Set(architecture.layers.map(({ id }) => id));
const taps = architecture.operations.filter(({ id }) => layers.has(id));
const largest = Math.max(...taps.map(({ shape }) => sizeOf(shape)));
const random = new Numbers(1);
const expected = random.fill(largest, () => random.uniform() - 0.5);
const actual = expected.map((value) => value * (1 + 2e-7 * (random.uniform() - 0.5)));
const bound = expected.map((value) => 1e-6 * (Math.abs(value) + 0.1));

/** Milliseconds for all taps. */
function timed(each: (shape: readonly number[], length: number) => void): number {
  const started = performance.now();
  for (const { shape } of taps) each(shape, sizeOf(shape));
  return performance.now() - started;
}

/** What any program must do at least: read both sides once. */
const copied = new Float32Array(largest);
function copyAll(): number {
  return timed((_, length) => {
    copied.set(actual.subarray(0, length));
    copied.set(expected.subarray(0, length));
  });
}

function measureAll(): number {
  return timed((_, length) => {
    compareWasm(actual.subarray(0, length), expected.subarray(0, length));
  });
}

function examineAll(): number {
  return timed((shape, length) => {
    compareTap({
      actual: actual.subarray(0, length),
      expected: expected.subarray(0, length),
      bound: bound.subarray(0, length),
      // As a port in TensorFlow.js has it: channels last.
      shape: channelsLast(shape),
      channelAxis: shape.length - 1,
      fit: true,
      negativeSide: true,
    });
  });
}

function channelsLast(shape: readonly number[]): readonly number[] {
  if (architecture.layout === "nhwc" || shape.length !== 4) return shape;
  return [0, 2, 3, 1].map((axis) => shape[axis] ?? 1);
}

const thrice = (of: () => number): number[] => [of(), of(), of()];

const result: Comparison = {
  bytes: taps.reduce((sum, { shape }) => sum + 8 * sizeOf(shape), 0),
  copy: thrice(copyAll),
  metrics: thrice(measureAll),
  examination: thrice(examineAll),
};
console.log(JSON.stringify(result));
