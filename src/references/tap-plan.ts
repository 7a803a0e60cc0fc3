import type { Layout } from "../tensor/layout.js";

/** Where the reference's values for one tap will lie. */
export interface PlannedTap {
  /** Tap id. */
  readonly id: string;
  /** Index of the layer in the original. */
  readonly layer: number;
  /** Shape in the layout below. */
  readonly shape: readonly number[];
  /** Order in which the values lie in the scratch file: the port's, so that nobody transposes twice. Flat values have none. */
  readonly layout: Layout | undefined;
  /** Order in which the original has them, for reports; default `nchw`. */
  readonly originalLayout?: Layout;
  /** Byte offset of the expected values, float32. */
  readonly offset: number;
  /** Byte offset of the rounding bound of each element, `undefined` where the value is exact (bound 0) or no bound is computed. */
  readonly boundOffset: number | undefined;
  /** Taps between which and this one the bound was computed: the port must have tapped all of them before. */
  readonly frontier: readonly string[];
  /** The reference's model output. */
  readonly output: boolean;
  /** Parts of the domain in which an activation is looked at apart (the negative side of a leaky). */
  readonly negativeSide: boolean;
}

/** All taps the reference offers in one run, in its order. */
export interface TapPlan {
  readonly taps: readonly PlannedTap[];
}

/** States of a planned tap in the shared table. */
export const PENDING = 0;
export const READY = 1;
export const FAILED = 2;

/**
 * Which taps the reference has computed so far: one 32-bit state a tap, shared by all threads.
 * A port's `tap` is synchronous, so its thread sleeps on the state until the values are there.
 */
export class TapStates {
  readonly buffer: SharedArrayBuffer;
  readonly #states: Int32Array;

  constructor(source: number | SharedArrayBuffer) {
    this.buffer =
      typeof source === "number" ? new SharedArrayBuffer(4 * Math.max(source, 1)) : source;
    this.#states = new Int32Array(this.buffer);
  }

  /** Tells every waiting thread what became of a tap. */
  set(index: number, state: typeof READY | typeof FAILED): void {
    Atomics.store(this.#states, index, state);
    Atomics.notify(this.#states, index);
  }

  /** Marks all that are still pending as failed: nobody may wait for ever. */
  failRest(): void {
    for (let index = 0; index < this.#states.length; index++) {
      if (Atomics.load(this.#states, index) === PENDING) this.set(index, FAILED);
    }
  }

  /** Sleeps until the tap is ready or failed; returns whether it is ready. Only in a worker thread. */
  wait(index: number): boolean {
    while (Atomics.load(this.#states, index) === PENDING)
      Atomics.wait(this.#states, index, PENDING);
    return Atomics.load(this.#states, index) === READY;
  }
}
