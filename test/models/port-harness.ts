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
  const model = await buildPort(port, run.weights, run.options);
  const { taps, leaked } = await runModel(port, model, run.input, run.replace);
  disposeModel(port, model);
  return { taps, taken: run.weights.taken ?? [], leaked };
}

/** Builds a port; the size it is told is of no matter to ours, they run at any. */
export async function buildPort(
  port: Port,
  weights: PortWeights,
  options: Readonly<Record<string, unknown>> = {},
): Promise<unknown> {
  const context: BuildContext = { batch: 1, channels: 3, height: 64, width: 96, options };
  return await port.build(weights, context);
}

/** Runs a built port on an NCHW input. */
export async function runModel(
  port: Port,
  model: unknown,
  { shape, data }: Tensor,
  replace?: RunOptions["replace"],
): Promise<Pick<PortRun, "taps" | "leaked">> {
  const nhwc = convertLayout(tensor(shape, data), "nchw", "nhwc");
  const input = tf.tensor(nhwc.data, [...nhwc.shape]);
  const taps = new Map<string, Tensor>();
  const before = tf.memory().numTensors;
  const recorder = (name: string, value: tf.Tensor): tf.Tensor => {
    if (taps.has(name)) throw new Error(`tap ${name} twice`);
    const values = tensor(value.shape, Float32Array.from(value.dataSync()));
    const own = convertLayout(values, "nhwc", "nchw");
    taps.set(name, own);
    // A fresh tensor, as the contract says: a port that goes on with its own would not see it.
    const next = convertLayout(replace?.(name, own) ?? own, "nchw", "nhwc");
    return tf.tensor(next.data, [...next.shape]);
  };
  await port.forward(model, { input } as Record<string, PortTensor>, recorder as unknown as Tap);
  const leaked = tf.memory().numTensors - before;
  input.dispose();
  return { taps, leaked };
}

/** Frees a model's variables. */
export function disposeModel(port: Port, model: unknown): void {
  for (const { value } of Object.values(port.variables?.(model) ?? {})) {
    (value as tf.Tensor).dispose();
  }
}

/** Ones for whatever a port asks for: where only names and shapes matter. */
export class OnesWeights implements PortWeights {
  readonly names: readonly string[] = [];

  has(): boolean {
    return true;
  }

  take(name: string, { shape }: TakeOptions = {}): { data: Float32Array; shape: number[] } {
    if (shape === undefined) throw new Error(`${name}: taken without a shape`);
    return { data: new Float32Array(sizeOf(shape)).fill(1), shape: [...shape] };
  }
}

/** Named tensors as stored, [out, in, kH, kW]; a wrong name or shape is refused. */
export class NamedWeights implements PortWeights {
  readonly names: readonly string[];
  readonly taken: string[] = [];
  /** One tensor as stored. */
  readonly read: (name: string) => Tensor;

  /** @param read - makes the tensor: they are large, none is kept */
  constructor(names: readonly string[], read: (name: string) => Tensor) {
    this.names = names;
    this.read = read;
  }

  has(name: string): boolean {
    return this.names.includes(name);
  }

  take(name: string, { layout, shape }: TakeOptions = {}): { data: Float32Array; shape: number[] } {
    if (!this.has(name)) throw new InputError("name", `no weights ${name}`);
    this.taken.push(name);
    const stored = this.read(name);
    const rank4 = stored.shape.length === 4 && layout !== undefined;
    const own = rank4 ? kernelFromOihw(stored, layout as KernelLayout) : stored;
    if (shape !== undefined && `${shape}` !== `${own.shape}`) {
      throw new InputError("shape", `${name}: [${own.shape}], the port expects [${shape}]`);
    }
    return { data: own.data, shape: [...own.shape] };
  }
}
