import * as tf from "@tensorflow/tfjs-core";
import { InputError } from "../../src/errors.js";
import type {
  BuildContext,
  Port,
  PortTensor,
  PortWeights,
  TakeOptions,
  Tap,
} from "../../src/port/port.js";
import { convertLayout, type KernelLayout, kernelFromOihw } from "../../src/tensor/layout.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { uniform, weightValues } from "./formula.js";

/** Runs a port as the recorder does, without any of the recorder's own code. */
export interface PortRun {
  /** Each tap in order, NCHW. */
  readonly taps: ReadonlyMap<string, Tensor>;
  /** Names of the weights taken, in order. */
  readonly taken: readonly string[];
  /** Tensors that `forward` left behind, but for the input. */
  readonly leaked: number;
}

/** What a run needs. `replace` gives the tensor a tap returns; default: the same values. */
export interface RunOptions {
  readonly weights: PortWeights & { readonly taken?: readonly string[] };
  /** NCHW. */
  readonly input: Tensor;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly replace?: (name: string, value: Tensor) => Tensor;
}

/** Builds a port and runs it once on the current back-end. */
export async function runPort(port: Port, run: RunOptions): Promise<PortRun> {
  const [batch = 1, channels = 3, height = 0, width = 0] = run.input.shape;
  const context: BuildContext = { batch, channels, height, width, options: run.options ?? {} };
  const model = await port.build(run.weights, context);
  const nhwc = convertLayout(run.input, "nchw", "nhwc");
  const input = tf.tensor(nhwc.data, [...nhwc.shape]);
  const taps = new Map<string, Tensor>();
  const before = tf.memory().numTensors;
  const recorder = (name: string, value: tf.Tensor): tf.Tensor => {
    if (taps.has(name)) throw new Error(`tap ${name} twice`);
    const own = convertLayout(
      tensor(value.shape, Float32Array.from(value.dataSync())),
      "nhwc",
      "nchw",
    );
    taps.set(name, own);
    // A fresh tensor, as the contract says: a port that goes on with its own would not see it.
    const next = convertLayout(run.replace?.(name, own) ?? own, "nchw", "nhwc");
    return tf.tensor(next.data, [...next.shape]);
  };
  await port.forward(model, { input } as Record<string, PortTensor>, recorder as unknown as Tap);
  const leaked = tf.memory().numTensors - before;
  input.dispose();
  for (const { value } of Object.values(port.variables?.(model) ?? {})) {
    (value as tf.Tensor).dispose();
  }
  return { taps, taken: run.weights.taken ?? [], leaked };
}

/** Inverse of each order: from the port's layout to [out, in, kH, kW]. */
const OIHW_AXES: Readonly<Record<KernelLayout, readonly number[]>> = {
  oihw: [0, 1, 2, 3],
  hwio: [3, 2, 0, 1],
  ohwi: [0, 3, 1, 2],
  hwoi: [2, 3, 0, 1],
};

/** Weights for whatever a port asks for: the formula's values, in the order of asking. */
export class AnyWeights implements PortWeights {
  readonly names: readonly string[] = [];
  readonly taken: string[] = [];
  #next = 0;
  readonly #seed: number;
  readonly #gainOf: (name: string) => number;

  constructor(seed: number, gainOf: (name: string) => number = () => 1) {
    this.#seed = seed;
    this.#gainOf = gainOf;
  }

  has(): boolean {
    return true;
  }

  take(name: string, { layout, shape }: TakeOptions = {}): { data: Float32Array; shape: number[] } {
    if (shape === undefined) throw new Error(`${name}: taken without a shape`);
    this.taken.push(name);
    const role = name.slice(name.lastIndexOf("/") + 1);
    const axes = layout === undefined ? undefined : OIHW_AXES[layout as KernelLayout];
    const stored = axes === undefined ? shape : axes.map((axis) => shape[axis] ?? 1);
    const fanIn = sizeOf(stored.slice(1));
    const u = uniform(this.#next, sizeOf(shape), this.#seed);
    this.#next += u.length;
    const values = tensor(stored, weightValues(role, u, fanIn, this.#gainOf(name)));
    const own = axes === undefined ? values : kernelFromOihw(values, layout as KernelLayout);
    return { data: own.data, shape: [...own.shape] };
  }
}

/** Named tensors as stored, [out, in, kH, kW]; a wrong name or shape is refused. */
export class NamedWeights implements PortWeights {
  readonly names: readonly string[];
  readonly taken: string[] = [];
  readonly #read: (name: string) => Tensor;

  /** @param read - makes the tensor: they are large, none is kept */
  constructor(names: readonly string[], read: (name: string) => Tensor) {
    this.names = names;
    this.#read = read;
  }

  has(name: string): boolean {
    return this.names.includes(name);
  }

  take(name: string, { layout, shape }: TakeOptions = {}): { data: Float32Array; shape: number[] } {
    if (!this.has(name)) throw new InputError("name", `no weights ${name}`);
    this.taken.push(name);
    const stored = this.#read(name);
    const rank4 = stored.shape.length === 4 && layout !== undefined;
    const own = rank4 ? kernelFromOihw(stored, layout as KernelLayout) : stored;
    if (shape !== undefined && `${shape}` !== `${own.shape}`) {
      throw new InputError("shape", `${name}: [${own.shape}], the port expects [${shape}]`);
    }
    return { data: own.data, shape: [...own.shape] };
  }
}
