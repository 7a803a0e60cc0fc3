/**
 * Prints how fast two arrays are compared, in GB/s of actual + expected bytes, beside copying as many
 * bytes on the same machine in the same run. `npx tsx scripts/bench-compare.ts [million elements]`
 */

import { fitChannels } from "../src/compare/channel-fit.js";
import { comparePlain } from "../src/compare/compare-plain.js";
import { compareWasm, residentCompare } from "../src/compare/compare-wasm.js";
import { compareTolerance } from "../src/compare/tolerance.js";

const length = Math.round(Number(process.argv[2] ?? 20) * 1e6);
const ROUNDS = 7;

interface Memory {
  readonly buffer: ArrayBuffer;
}
const { WebAssembly: wasm } = globalThis as never as {
  WebAssembly: { Memory: new (size: { initial: number }) => Memory };
};
const memory = new wasm.Memory({ initial: Math.ceil((12 * length) / 65_536) });
const inMemory = [0, 1, 2].map((k) => new Float32Array(memory.buffer, 4 * k * length, length));
const [actual, expected, bound] = inMemory as [Float32Array, Float32Array, Float32Array];
let state = 1;
for (let i = 0; i < length; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  expected[i] = state / 2 ** 29;
  actual[i] = (expected[i] as number) * (1 + (state & 7) * 1e-8);
  bound[i] = 1e-6;
}
const elsewhere = { actual: actual.slice(), expected: expected.slice(), bound: bound.slice() };
const copy = new Float32Array(length);
const resident = residentCompare(memory);

/** Best of several rounds, in seconds: other programs only ever make it slower. */
function best(run: () => unknown): number {
  let seconds = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    run();
    seconds = Math.min(seconds, (performance.now() - start) / 1000);
  }
  return seconds;
}

const { actual: a, expected: e, bound: b } = elsewhere;
function copyBoth(): void {
  copy.set(a);
  copy.set(e);
}

/** Lines through channels of `size` elements, as many as there are. */
function fitAll(size: number): unknown {
  const channels = Math.floor(length / size);
  const [x, y, z] = [a, e, b].map((array) => array.subarray(0, channels * size));
  const shape = [1, channels, size];
  return fitChannels({ actual: x ?? a, expected: y ?? e, bound: z ?? b, shape, channelAxis: 1 });
}

const rows: [name: string, run: () => unknown][] = [
  ["copying both arrays", copyBoth],
  ["wasm, in place", () => resident(actual, expected)],
  ["wasm, in place, with bound", () => resident(actual, expected, { bound })],
  ["wasm, copied by blocks", () => compareWasm(a, e)],
  ["wasm, copied by blocks, with bound", () => compareWasm(a, e, { bound: b })],
  ["plain loop", () => comparePlain(a, e)],
  ["plain loop, with bound", () => comparePlain(a, e, { bound: b })],
  ["channel fit, channels of 676", () => fitAll(676)],
  ["channel fit, channels of 43264", () => fitAll(43_264)],
  ["tolerance (atol, rtol)", () => compareTolerance(a, e, { atol: 1e-6, rtol: 1e-5 })],
];
console.log(`${length} elements a side, ${(8 * length) / 1e6} MB together, best of ${ROUNDS}`);
for (const [name, run] of rows) {
  const seconds = best(run);
  const speed = (8 * length) / seconds / 1e9;
  console.log(
    `${name.padEnd(36)} ${(1000 * seconds).toFixed(1).padStart(7)} ms ${speed.toFixed(2).padStart(7)} GB/s`,
  );
}
