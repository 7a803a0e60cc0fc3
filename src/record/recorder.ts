import * as tf from "@tensorflow/tfjs-core";
import { InputError } from "../errors.js";
import type { PlainTensor, PortTensor, Tap, TapOptions } from "../port/port.js";
import type { PlannedTap, TapPlan, TapStates } from "../references/tap-plan.js";
import { readExactly } from "../runtime/scratch-file.js";
import { convertLayout, type Layout, shapeInLayout } from "../tensor/layout.js";
import { Room } from "../tensor/room.js";
import { sizeOf, type Tensor, tensor } from "../tensor/tensor.js";
import type { Handover } from "./handover.js";
import type { SentTap } from "./tap-examiner.js";
import { inWasm, isTfTensor, tensorLike, valuesOf } from "./tensor-kinds.js";

/** Everything the recorder needs to know of a run. */
export interface RecorderOptions {
  readonly mode: "isolated" | "cumulative";
  readonly plan: TapPlan;
  readonly states: TapStates;
  readonly scratchFd: number;
  readonly layout: Layout;
  /** Port name → reference id, where they differ. */
  readonly pairs: Readonly<Record<string, string>>;
  /** Where the values of taps are put down. */
  readonly handover: Handover;
  /** Called with every tap, in the port's order. */
  readonly onTap: (sent: SentTap) => void;
}

/** Hands on a port's taps, and to an isolated port what the reference computed there; see DESIGN §4. */
export class TapRecorder {
  readonly #options: RecorderOptions;
  readonly #index: ReadonlyMap<string, number>;
  readonly #seen = new Set<string>();
  /** Port name → tap id of what was returned and not read so far. */
  readonly #unread = new Map<string, string>();
  /** Ids of the taps from which those recorded so far follow. */
  readonly #needed = new Set<string>();
  readonly #room = new Room();
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
    const { mode, onTap, plan, states } = this.#options;
    const layout = options.layout ?? this.#options.layout;
    const index = this.#index.get(this.#options.pairs[name] ?? name);
    const planned = index === undefined ? undefined : plan.taps[index];
    const { shape, dtype } = values;
    const sent = { name, layout, shape, dtype };
    if (index === undefined || planned === undefined) {
      onTap({ ...sent, index: null, values: null });
      return mode === "cumulative" ? copyOf(value) : value;
    }
    if (!states.wait(index)) throw new ReferenceGone();
    const fits = `${shape}` === `${shapeInLayout(planned.shape, planned.layout ?? layout, layout)}`;
    onTap({ ...sent, index, values: fits ? this.#options.handover.put(values.data) : null });
    for (const id of planned.frontier) this.#needed.add(id);
    return mode === "cumulative" ? copyOf(value) : this.#reference(name, value, planned, layout);
  }

  /** What an isolated port goes on with: the reference's values in a tensor of the port's kind. */
  #reference(name: string, given: PortTensor, planned: PlannedTap, layout: Layout): PortTensor {
    const expected = this.#read(planned, layout, inWasm(given));
    const back = tensorLike(given, expected.data, expected.shape);
    if (!isTfTensor(back)) return this.#watched(name, back, planned);
    this.returned.push({ name, given, back });
    return back;
  }

  #read({ shape, layout: from, offset }: PlannedTap, layout: Layout, copied: boolean): Tensor {
    const length = sizeOf(shape);
    const data = copied ? this.#room.of(length) : new Float32Array(length);
    readExactly(this.#options.scratchFd, data, offset);
    return convertLayout(tensor(shape, data), from ?? layout, layout);
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
}

/** The reference ended before it had the values a port waits for; the main thread knows why. */
export class ReferenceGone extends Error {
  override readonly name = "ReferenceGone";
}

/** The same values in a tensor of their own: the port may dispose of the one it gave. */
function copyOf(value: PortTensor): PortTensor {
  if (isTfTensor(value)) return tf.clone(value as unknown as tf.Tensor) as unknown as PortTensor;
  return { ...value, data: value.data.slice(), shape: [...value.shape] };
}
