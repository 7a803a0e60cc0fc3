import * as tf from "@tensorflow/tfjs-core";
import type { TapComparison } from "../compare/compare-tap.js";
import { compareTap } from "../compare/compare-tap.js";
import { InputError } from "../errors.js";
import type { PlainTensor, PortTensor, Tap, TapOptions } from "../port/port.js";
import type { PlannedTap, TapPlan, TapStates } from "../references/tap-plan.js";
import { readExactly } from "../runtime/scratch-file.js";
import { convertLayout, type Layout, shapeInLayout } from "../tensor/layout.js";
import { sizeOf, tensor } from "../tensor/tensor.js";
import { isTfTensor, type PortValues, tensorLike, valuesOf } from "./tensor-kinds.js";

/** How values are held against each other where no bound was computed. */
export interface GivenTolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** What one call of `tap` brought. Shapes and values are in the original's layout. */
export interface TapRecord {
  /** The port's name of it. */
  readonly name: string;
  /** The reference tap it was held against, `null` without a partner. */
  readonly id: string | null;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** `null` where the shapes differ or there is no partner. */
  readonly compared: TapComparison | null;
  /** The port's values, only where they lie beyond the bound: the judge looks at them. */
  readonly values: Float32Array | null;
  /** Milliseconds spent in comparing and reading, not in the port. */
  readonly ms: number;
}

/** Everything the recorder needs to know of a run. */
export interface RecorderOptions {
  readonly mode: "isolated" | "cumulative";
  readonly plan: TapPlan;
  readonly states: TapStates;
  readonly scratchFd: number;
  readonly layout: Layout;
  /** Layout of the original, in which shapes and values are told; default `nchw`. */
  readonly original?: Layout;
  readonly tolerance: GivenTolerance | null;
  /** Port name → reference id, where they differ. */
  readonly pairs: Readonly<Record<string, string>>;
  /** Called with every tap, in the port's order. */
  readonly onTap: (record: TapRecord) => void;
}

/** Records a port's taps and compares each with the reference's as it comes; see DESIGN §4. */
export class TapRecorder {
  readonly #options: RecorderOptions;
  readonly #index: ReadonlyMap<string, number>;
  readonly #seen = new Set<string>();
  /** Port name → tap id of what was returned and not read so far. */
  readonly #unread = new Map<string, string>();
  /** Ids of the taps from which those recorded so far follow. */
  readonly #needed = new Set<string>();
  readonly #original: Layout;
  #memory = new Float32Array(0);
  /** The tap that came last: where an exception in the port happened after. */
  last: string | undefined;
  /** What a TensorFlow.js port was given back and what it had handed over, newest last: was the return value used? */
  readonly returned: {
    readonly name: string;
    readonly given: PortTensor;
    readonly back: PortTensor;
  }[] = [];

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#original = options.original ?? "nchw";
    this.#index = new Map(options.plan.taps.map(({ id }, index) => [id, index]));
  }

  /** Names of all taps so far, in order. */
  get names(): readonly string[] {
    return [...this.#seen];
  }

  /** The function handed to the port. */
  readonly tap: Tap = (name, value, options) => {
    const back = this.#record(name, value, options);
    return back as typeof value;
  };

  #record(name: string, value: PortTensor, options: TapOptions = {}): PortTensor {
    if (typeof name !== "string" || name === "") {
      throw new InputError(
        "port",
        `tap: the name is ${typeof name}, expected the tap's id such as "conv_0"`,
      );
    }
    if (this.#seen.has(name)) {
      throw new InputError(
        "port",
        `tap "${name}" was called twice in one run; every tap needs its own id`,
      );
    }
    const values = valuesOf(value, `tap "${name}"`);
    this.#seen.add(name);
    this.last = name;
    const { mode, layout, onTap } = this.#options;
    const tapLayout = options.layout ?? layout;
    const index = this.#index.get(this.#options.pairs[name] ?? name);
    const planned = index === undefined ? undefined : this.#options.plan.taps[index];
    if (index === undefined || planned === undefined) {
      onTap(this.#unpaired(name, values, tapLayout));
      return mode === "isolated" ? value : copyOf(value, values);
    }
    for (const id of planned.frontier) this.#needed.add(id);
    const started = performance.now();
    const expected = this.#expected(index, planned, tapLayout);
    onTap({
      ...this.#compare(name, values, planned, expected, tapLayout),
      ms: performance.now() - started,
    });
    if (mode === "cumulative") return copyOf(value, values);
    const plain = tensorLike(value, expected.data, expected.shape);
    if (!isTfTensor(plain)) return this.#watched(name, plain, planned);
    this.returned.push({ name, given: value, back: plain });
    return plain;
  }

  /** Taps of plain tensors from which a later tap follows and whose returned values nobody has read. */
  get unread(): readonly string[] {
    return [...this.#unread].filter(([, id]) => this.#needed.has(id)).map(([name]) => name);
  }

  /** The same plain tensor, which notes when its values are read. */
  #watched(name: string, tensor: PortTensor, { id }: PlannedTap): PortTensor {
    const { data, ...rest } = tensor as PlainTensor;
    const unread = this.#unread.set(name, id);
    return Object.defineProperty({ ...rest } as PlainTensor, "data", {
      enumerable: true,
      configurable: true,
      get() {
        unread.delete(name);
        // From now on a plain field: loops of the port read it for every value.
        Object.defineProperty(this, "data", { value: data, enumerable: true, writable: true });
        return data;
      },
      set(value: PlainTensor["data"]) {
        Object.defineProperty(this, "data", { value, enumerable: true, writable: true });
      },
    });
  }

  /** The reference's values, in the tap's layout; sleeps until they are there. */
  #expected(
    index: number,
    planned: PlannedTap,
    layout: Layout,
  ): { data: Float32Array; shape: readonly number[] } {
    if (!this.#options.states.wait(index)) throw new ReferenceGone();
    // What the port is given back is its own; otherwise the values are only looked at.
    const length = sizeOf(planned.shape);
    const isolated = this.#options.mode === "isolated";
    const data = isolated ? new Float32Array(length) : this.#room(length);
    readExactly(this.#options.scratchFd, data, planned.offset);
    return convertLayout(tensor(planned.shape, data), planned.layout ?? layout, layout);
  }

  #compare(
    name: string,
    values: PortValues,
    planned: PlannedTap,
    expected: { data: Float32Array; shape: readonly number[] },
    layout: Layout,
  ): TapRecord {
    const base = this.#unpaired(name, values, layout);
    if (`${values.shape}` !== `${expected.shape}`) return { ...base, id: planned.id };
    const bound = this.#bound(planned, expected.data, layout);
    const compared = compareTap({
      actual: values.data,
      expected: expected.data,
      bound,
      shape: expected.shape,
      channelAxis: channelAxisOf(expected.shape, layout, this.#original),
      negativeSide: planned.negativeSide,
      fit: this.#options.mode === "isolated",
    });
    const suspicious = this.#options.mode === "isolated" && compared.suspicious;
    return {
      ...base,
      id: planned.id,
      compared,
      // A copy: it is handed over to another thread.
      values: suspicious
        ? convertLayout(tensor(values.shape, values.data.slice()), layout, this.#original).data
        : null,
    };
  }

  /** The rounding bound of each element, or the caller's tolerance as one; `null` where the reference's value is exact or no bound is of use. */
  #bound(planned: PlannedTap, expected: Float32Array, layout: Layout): Float32Array | null {
    const given = this.#options.tolerance;
    // Errors of the steps before add up in a cumulative run: the bound of one step says nothing there.
    if (given === null && this.#options.mode === "cumulative") return null;
    if (given !== null) return expected.map((e) => given.atol + given.rtol * Math.abs(e));
    if (planned.boundOffset === undefined) return null;
    const data = this.#room(sizeOf(planned.shape));
    readExactly(this.#options.scratchFd, data, planned.boundOffset);
    return convertLayout(tensor(planned.shape, data), planned.layout ?? layout, layout).data;
  }

  /** Memory for what is only looked at, used again for the next tap: bounds, or in a cumulative run the reference's values. */
  #room(length: number): Float32Array {
    if (this.#memory.length < length) this.#memory = new Float32Array(length);
    return this.#memory.subarray(0, length);
  }

  #unpaired(name: string, values: PortValues, layout: Layout): TapRecord {
    const shape = shapeInLayout(values.shape, layout, this.#original);
    return { name, id: null, shape, dtype: values.dtype, compared: null, values: null, ms: 0 };
  }
}

/** Axis of the channels: by the tap's layout for maps, by the original's for values of other ranks. */
function channelAxisOf({ length }: readonly number[], layout: Layout, original: Layout): number {
  const last = (length === 4 ? layout : original) === "nhwc";
  return last ? length - 1 : Math.min(1, length - 1);
}

/** The reference ended before it had the values a port waits for; the main thread knows why. */
export class ReferenceGone extends Error {
  override readonly name = "ReferenceGone";
}

/** The same values in a tensor of their own: the port may dispose of the one it gave. */
function copyOf(value: PortTensor, values: PortValues): PortTensor {
  if (isTfTensor(value)) return tf.clone(value as unknown as tf.Tensor) as unknown as PortTensor;
  return {
    data: values.data,
    shape: [...values.shape],
    dtype: (values.dtype as "float32") ?? "float32",
  };
}
