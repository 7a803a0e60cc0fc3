import { accumulate, comparePlain } from "./compare-plain.js";
import { KERNEL_BASE64 } from "./kernel.js";
import {
  type Accumulator,
  type Compare,
  type CompareOptions,
  checkLengths,
  type Metrics,
  metricsFrom,
  newAccumulator,
  RELATIVE_FLOOR,
} from "./metrics.js";

/** The part of a `WebAssembly.Memory` that is used: any memory in which arrays lie. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
}

interface Result<T extends number> {
  readonly value: T;
}

/** What `kernel.wat` exports; offsets are bytes in the memory it was given. */
interface Kernel {
  readonly errors: (actual: number, expected: number, end: number, floor: number) => void;
  readonly ratios: (a: number, e: number, bound: number, end: number, limit: number) => void;
  readonly maxAbs: Result<number>;
  readonly maxRel: Result<number>;
  readonly maxRatio: Result<number>;
  readonly overBound: Result<number>;
  readonly boundsUsable: Result<0 | 1>;
  readonly anyBound: Result<0 | 1>;
  readonly sumSquaredError: Result<number>;
  readonly sumSquaredActual: Result<number>;
  readonly sumSquaredExpected: Result<number>;
  readonly dot: Result<number>;
}

/** `WebAssembly` by structure: its types belong to the DOM library, which nothing else here needs. */
interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Memory: new (size: { initial: number }) => WasmMemory;
  readonly Instance: new (
    module: object,
    imports: { env: { memory: WasmMemory } },
  ) => { exports: unknown };
}

const wasm: WasmApi = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;

/**
 * Elements of one block. Copies of three blocks (192 KiB) stay in the second level of cache; smaller
 * blocks were slower (the calls between them cost as much as 2,000 elements), larger ones not faster.
 */
const BLOCK = 16_384;

/** A block's copies lie this far apart; the odd 64 bytes keep them out of the same cache sets. */
const SLOT = BLOCK * 4 + 64;

let module: object | undefined;

function kernelIn(memory: WasmMemory): Kernel {
  module ??= new wasm.Module(Uint8Array.from(atob(KERNEL_BASE64), (c) => c.charCodeAt(0)));
  return new wasm.Instance(module, { env: { memory } }).exports as Kernel;
}

/** Where the arrays of a block are, and the kernel that sees them. */
interface Placement {
  readonly kernel: Kernel;
  /** Makes elements `[begin, end)` of one array visible; returns their byte offset. */
  readonly place: (array: Float32Array, slot: number, begin: number, end: number) => number;
}

let copying: Placement | undefined;

/** Blocks are copied into a small memory of our own: arrays may lie anywhere, shared memory included. */
function copyingPlacement(): Placement {
  if (copying !== undefined) return copying;
  const memory = new wasm.Memory({ initial: Math.ceil((3 * SLOT) / 65_536) });
  const slots = [0, 1, 2].map((slot) => new Float32Array(memory.buffer, slot * SLOT, BLOCK));
  copying = {
    kernel: kernelIn(memory),
    place: (array, slot, begin, end) => {
      (slots[slot] as Float32Array).set(array.subarray(begin, end));
      return slot * SLOT;
    },
  };
  return copying;
}

/**
 * The comparison with WebAssembly SIMD: finds what {@link comparePlain} finds, eight times as fast
 * (sums may differ in the last digits, they are added in another order).
 *
 * @throws {RangeError} when the lengths differ
 */
export function compareWasm(
  actual: Float32Array,
  expected: Float32Array,
  options: CompareOptions = {},
): Metrics {
  // Below a few blocks the plain loop is as fast, and starting the kernel would cost more than it.
  if (expected.length < 64) return comparePlain(actual, expected, options);
  return run(copyingPlacement(), actual, expected, options);
}

/**
 * The same comparison for arrays that already lie in a WebAssembly memory (a back-end's heap, a file
 * read straight into it): nothing is copied. Arrays from elsewhere are compared as by {@link compareWasm}.
 *
 * @param memory must not be shared
 */
export function residentCompare(memory: WasmMemory): Compare {
  const resident: Placement = {
    kernel: kernelIn(memory),
    place: (array, _slot, begin) => array.byteOffset + 4 * begin,
  };
  return (actual, expected, options = {}) => {
    const arrays = [actual, expected, options.bound ?? expected];
    const inside = arrays.every(({ buffer }) => buffer === memory.buffer);
    return inside
      ? run(resident, actual, expected, options)
      : compareWasm(actual, expected, options);
  };
}

function run(
  placement: Placement,
  actual: Float32Array,
  expected: Float32Array,
  options: CompareOptions,
): Metrics {
  checkLengths(actual, expected, options.bound);
  const sums = newAccumulator();
  const pass = new Pass(placement, actual, expected, options, sums);
  const { length } = expected;
  const whole = length - (length % 4);
  for (let begin = 0; begin < whole; begin += BLOCK) {
    pass.block(begin, Math.min(begin + BLOCK, whole));
  }
  pass.plainly(whole, length);
  pass.locate();
  return metricsFrom(sums, length);
}

/** One pass over all blocks. Where the worst elements are is looked up at the end, in one block each. */
class Pass {
  readonly #placement: Placement;
  readonly #actual: Float32Array;
  readonly #expected: Float32Array;
  readonly #options: CompareOptions;
  readonly #limit: number;
  readonly #sums: Accumulator;
  /** First element of the block that holds the largest error or ratio; -1 where it is already located. */
  #absBlock = -1;
  #ratioBlock = -1;

  constructor(
    placement: Placement,
    actual: Float32Array,
    expected: Float32Array,
    options: CompareOptions,
    sums: Accumulator,
  ) {
    this.#placement = placement;
    this.#actual = actual;
    this.#expected = expected;
    this.#options = options;
    this.#limit = Math.fround(options.limit ?? 1);
    this.#sums = sums;
  }

  block(begin: number, end: number): void {
    const { kernel, place } = this.#placement;
    const { bound } = this.#options;
    const actualAt = place(this.#actual, 0, begin, end);
    const expectedAt = place(this.#expected, 1, begin, end);
    const endAt = actualAt + 4 * (end - begin);
    kernel.errors(actualAt, expectedAt, endAt, RELATIVE_FLOOR);
    if (!Number.isFinite(kernel.sumSquaredError.value) || !Number.isFinite(kernel.maxRel.value)) {
      this.plainly(begin, end);
      return;
    }
    if (bound !== undefined) {
      kernel.ratios(actualAt, expectedAt, place(bound, 2, begin, end), endAt, this.#limit);
      if (kernel.boundsUsable.value === 0 || !Number.isFinite(kernel.maxRatio.value)) {
        this.plainly(begin, end);
        return;
      }
      this.#addRatios(begin);
    }
    this.#addErrors(begin);
  }

  /** Elements `[begin, end)` by the definition. */
  plainly(begin: number, end: number): void {
    const { maxAbs, ratio } = this.#sums;
    accumulate(this.#sums, this.#actual, this.#expected, this.#options, begin, end);
    if (this.#sums.maxAbs > maxAbs) this.#absBlock = -1;
    if (this.#sums.ratio > Math.max(ratio, 0)) this.#ratioBlock = -1;
  }

  #addErrors(begin: number): void {
    const { kernel } = this.#placement;
    const sums = this.#sums;
    const maxAbs = kernel.maxAbs.value;
    if (maxAbs > sums.maxAbs) {
      sums.maxAbs = maxAbs;
      this.#absBlock = begin;
    }
    sums.maxRel = Math.max(sums.maxRel, kernel.maxRel.value);
    sums.sumSquaredError += kernel.sumSquaredError.value;
    sums.sumSquaredActual += kernel.sumSquaredActual.value;
    sums.sumSquaredExpected += kernel.sumSquaredExpected.value;
    sums.dot += kernel.dot.value;
  }

  #addRatios(begin: number): void {
    const { kernel } = this.#placement;
    const sums = this.#sums;
    if (kernel.anyBound.value === 0) return;
    const ratio = kernel.maxRatio.value;
    if (ratio > Math.max(sums.ratio, 0)) this.#ratioBlock = begin;
    sums.ratio = Math.max(sums.ratio, ratio);
    sums.overBound += kernel.overBound.value;
  }

  /** Finds the worst elements in the blocks that hold them. */
  locate(): void {
    const [actual, expected, bound] = [this.#actual, this.#expected, this.#options.bound];
    const error = (i: number) =>
      Math.fround(Math.abs((actual[i] as number) - (expected[i] as number)));
    const sums = this.#sums;
    if (this.#absBlock >= 0) {
      let i = this.#absBlock;
      while (error(i) !== sums.maxAbs) i++;
      sums.maxAbsIndex = i;
    }
    if (this.#ratioBlock >= 0 && bound !== undefined) {
      let i = this.#ratioBlock;
      while (Math.fround(error(i) / (bound[i] as number)) !== sums.ratio) i++;
      sums.ratioIndex = i;
    }
  }
}
