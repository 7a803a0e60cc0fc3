import type { DenseLayout, KernelLayout, Layout } from "../tensor/layout.js";

/**
 * Plain values: what a port without TensorFlow.js gives to `tap` and gets back.
 * `data` is row-major in the layout that the port (or the tap) declares.
 */
export interface PlainTensor {
  /** The data. */ readonly data:
    | Float32Array
    | Float64Array
    | Int32Array
    | Uint8Array
    | readonly number[];
  /** The shape. */ readonly shape: readonly number[];
  /** The dtype. */ readonly dtype?: "float32" | "float64" | "int32" | "bool" | "uint8";
}

/**
 * The part of a TensorFlow.js tensor that difftest uses, by structure: a package that has its own
 * TensorFlow.js need not share ours to compile.
 */
export interface TfTensor {
  /** The shape. */ readonly shape: number[];
  /** The dtype. */ readonly dtype: string;
  /** The rank. */ readonly rank: unknown;
  /** The data sync. */ dataSync(): unknown;
  /** The data. */ data(): Promise<unknown>;
  /** The dispose. */ dispose(): void;
}

/** Anything a port may hand to `tap`. */
export type PortTensor = PlainTensor | TfTensor;

/** Options of one tap. */
export interface TapOptions {
  /** Layout of this tap where it is not the port's. */
  readonly layout?: Layout;
}

/**
 * Records `value` under `name` and returns the tensor to go on with: the same values in cumulative
 * mode, the *reference's* in isolated mode. Always continue with what it returns. The result is a
 * fresh tensor of the same kind; the caller owns both.
 */
export type Tap = <T extends PortTensor>(name: string, value: T, options?: TapOptions) => T;

/** Layouts in which {@link PortWeights.take} can hand out a tensor. */
export interface TakeOptions {
  /** `oihw` (as stored), `hwio` (TensorFlow.js), … for kernels; `oi` (as stored) or `io` for dense kernels. */
  readonly layout?: KernelLayout | DenseLayout;
  /** Shape that the port expects *in that layout*; another one is a fault of component `weights`. */
  readonly shape?: readonly number[];
}

/** One tensor of the original, in the layout asked for. */
export interface TakenWeight {
  /** Values, row-major. */
  readonly data: Float32Array;
  /** Shape in that layout. */
  readonly shape: number[];
}

/** The original's weights by the original's names (`difftest inspect --taps` lists them). */
export interface PortWeights {
  /**
   * A fresh copy of one tensor, in the layout asked for.
   *
   * @throws when no tensor has that name, or when it does not have the expected shape
   */
  take(name: string, options?: TakeOptions): TakenWeight;
  /** Whether the original has a tensor of that name. Asking does not count as taking. */
  has(name: string): boolean;
  /** All names, in the order of the file. */
  readonly names: readonly string[];
}

/** One of the port's own variables, for the bit-for-bit comparison with the file. */
export interface PortVariable {
  /** The value. */ readonly value: PortTensor;
  /** Layout it has; default as stored (`oihw`, `oi`). */
  readonly layout?: KernelLayout | DenseLayout;
}

/** Input of a port: NCHW or NHWC as the port declares, float32. */
export interface PortInput {
  /** The name. */ readonly name: string;
  /** Batch, then the sizes in the port's layout; `null` where any size is accepted. */
  readonly shape?: readonly (number | null)[];
}

/** A decoded image: `data` is row-major [height, width, 3], RGB, 0…255. */
export interface RgbImage {
  /** The data. */ readonly data: Uint8Array;
  /** The width. */ readonly width: number;
  /** The height. */ readonly height: number;
}

/** What the port is told when it is built. */
export interface BuildContext {
  /** Size of the network's input in pixels, from the original or `--size`; 0 where it is no image. */
  readonly width: number;
  /** The height. */ readonly height: number;
  /** The channels. */ readonly channels: number;
  /** The batch. */ readonly batch: number;
  /** Every input of the original, in its order and layout. */
  readonly inputs?: readonly {
    /** The name. */ readonly name: string;
    /** The shape. */ readonly shape: readonly number[];
    /** Default `float`; `int` inputs come as int32 tensors, `bool` ones as bool. */
    readonly type?: "float" | "int" | "bool";
  }[];
  /** Options: from the original (classes, anchors …) or from the caller. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** The outputs of a port by name; only needed when they are not taps. */
export type PortOutputs =
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: a forward without return statement is meant
  | void
  | PortTensor
  | readonly PortTensor[]
  | Readonly<Record<string, PortTensor>>;

/**
 * A re-implementation under test: the default export of the module that `--model` names.
 *
 * @typeParam M - whatever `build` makes and `forward` needs
 * @typeParam T - the tensors it computes with
 */
export interface Port<M = unknown, T extends PortTensor = PortTensor> {
  /** The name. */ readonly name: string;
  /** What it is a port of: for people, and for the built-in ports the name of the config. */
  readonly original: string;
  /** Layout of its rank-4 activations. */
  readonly layout: Layout;
  /** The inputs. */ readonly inputs?: readonly PortInput[];
  /** What it runs on. `plain` ports get and give {@link PlainTensor}s; `tfjs` ports TensorFlow.js tensors. */
  readonly runtime: "tfjs" | "plain";
  /** The build. */ build(weights: PortWeights, context: BuildContext): M | Promise<M>;
  /** Runs the network; `inputs` by name, in the port's layout, as its runtime's tensors. */
  forward(
    model: M,
    inputs: Readonly<Record<string, T>>,
    tap: Tap,
  ): PortOutputs | Promise<PortOutputs>;
  /** The model's variables by the original's names: then they are compared with the file bit for bit. */
  variables?(model: M): Readonly<Record<string, PortVariable>>;
  /** The port brings weights of its own, in another form than the original's (a converted graph): they are not compared. */
  readonly ownWeights?: boolean;
  /** The port's own preprocessing: an image to the network's input, in the port's layout. */
  preprocess?(image: RgbImage, context: BuildContext): PortTensor | Promise<PortTensor>;
}

/** Returns the port as it is: gives a module's default export its type. */
export function definePort<M, T extends PortTensor>(port: Port<M, T>): Port<M, T> {
  return port;
}
