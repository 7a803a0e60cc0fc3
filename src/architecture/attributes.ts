/**
 * What each kind of operation needs to know, with every default of every format resolved.
 *
 * Behind the readers nobody knows which format an operation came from: a difference between
 * Darknet's two libraries, or between Keras 2 and 3, is a value here. Rank-4 values are NCHW, flat
 * ones `[batch, n]`. Attributes are plain JSON values: an edit of one of them is a cause the
 * localizer can try.
 */
export interface AttributesByKind {
  /** 2-D convolution. Weights: `kernel` [out, in/groups, kH, kW], optional `bias` [out]. */
  readonly conv: ConvAttributes;
  /** Transposed 2-D convolution. Weights: `kernel` [in, out/groups, kH, kW], optional `bias` [out]. `pads` crop the full output. */
  readonly "conv-transpose": ConvAttributes & {
    readonly outputPadding: readonly [height: number, width: number];
  };
  /** Matrix product of `[batch, in]` (rank 4 is flattened in C order). Weights: `kernel` [out, in], optional `bias` [out]. */
  readonly dense: { readonly units: number };
  /** Locally connected: a kernel a place. Weights: `kernel` [outH·outW, out, in·kH·kW], `bias` [out, outH, outW]. */
  readonly local: LocalAttributes;
  /** Batch normalisation with stored statistics over `axis`. Weights: `scale`, `bias`, `mean`, `variance` [C]; scale and bias optional. */
  readonly "batch-norm": BatchNormAttributes;
  /** Element-wise function. */
  readonly activation: ActivationAttributes;
  /** Max or average over windows of a rank-4 map. */
  readonly pool: PoolAttributes;
  /** Mean or maximum over the whole map: [b, c, h, w] → [b, c, 1, 1]. */
  readonly "global-pool": { readonly mode: "max" | "average" };
  /** Darknet's `maxpool_depth`: output channel k is the maximum of the input channels k, k + out, k + 2·out … */
  readonly "channel-max": { readonly channels: number };
  /** Concatenation of all inputs along `axis`, in order. */
  readonly concat: { readonly axis: number };
  /** Elements `[start, end)` of `axis`. */
  readonly slice: { readonly axis: number; readonly start: number; readonly end: number };
  /** Element-wise sum, product, … of inputs of one rank; where an input has size 1 it is repeated. `subtract`: the first minus all others. */
  readonly merge: { readonly mode: "add" | "multiply" | "subtract" | "maximum" | "average" };
  /** `Σ coefficients[i] · input[i]`; all shapes equal. */
  readonly "linear-combination": { readonly coefficients: readonly number[] };
  /** Weighted sum of equally shaped inputs. Weights: `weights` [inputs] or [inputs, channels], normalised as told. */
  readonly "weighted-sum": WeightedSumAttributes;
  /** Enlarges or cuts channels (and map, from the origin) to a shape: missing elements are 0. Darknet's unequal shortcuts. */
  readonly fit: FitAttributes;
  /** Nearest up-sampling by whole factors, then multiplied by `gain`. */
  readonly upsample: {
    readonly factor: readonly [height: number, width: number];
    readonly gain: number;
  };
  /** Down-sampling by summing blocks, then multiplied by `gain` (Darknet's upsample with negative stride). The map must divide into blocks. */
  readonly "sum-blocks": {
    readonly factor: readonly [height: number, width: number];
    readonly gain: number;
  };
  /** Resize to a size by a rule. */
  readonly resize: ResizeAttributes;
  /** Darknet's historical reorg: space-to-depth (offset outermost) of the memory of [c, h, w] read as [c/s², h·s, w·s]; `reverse`: depth-to-space of the input, offset outermost. */
  readonly reorg: { readonly stride: number; readonly reverse: boolean };
  /** True space-to-depth: out[c + C·(dy·stride + dx)] = in[c] at (y·stride + dy, x·stride + dx). */
  readonly "space-to-depth": { readonly stride: number };
  /** Sub-rectangle of the map, then x·gain + offset. */
  readonly crop: {
    readonly top: number;
    readonly left: number;
    readonly height: number;
    readonly width: number;
    readonly gain: number;
    readonly offset: number;
  };
  /** Same values, other shape (C order). Batch is kept: `shape` is without it. */
  readonly reshape: { readonly shape: readonly number[] };
  /** Axes reordered: axis k of the result is `permutation[k]` of the input. */
  readonly transpose: { readonly permutation: readonly number[] };
  /** Output is the input. */
  readonly identity: Record<string, never>;
  /** Zero (or another constant), whatever the input; shape of the input. */
  readonly constant: { readonly value: number };
  /** A stored tensor, repeated over the batch. Weights: `value` [c, h, w] as `shape`. An input, if there is one, tells only the batch. */
  readonly parameter: { readonly shape: readonly number[] };
  /** Softmax of `x / temperature` over consecutive groups of `size` elements of `axis`; shape of the input. */
  readonly softmax: SoftmaxAttributes;
  /** x / √(Σ x² + epsilon) over `axis`. */
  readonly "l2-norm": { readonly axis: number; readonly epsilon: number };
  /** Local response normalisation across channels: x · (kappa + alpha · Σ x²)^−beta over a window of `size` channels (a format that divides alpha by the size is read so). */
  readonly lrn: LrnAttributes;
  /** Darknet's `normalize_channels*` activations: p/(epsilon + Σ p) over the channels of a pixel; `relu` p = max(x, 0), `softmax` p = e^x, `softmax-maxval` p = e^(x − max). */
  readonly "channel-normalize": {
    readonly mode: "relu" | "softmax" | "softmax-maxval";
    readonly epsilon: number;
  };
  /** Logistic on some planes, affine map on others: the heads of YOLO. See {@link HeadAttributes}. */
  readonly head: HeadAttributes;
  /** What the recurrent layer remembers: zero at first, then the value of `next` of the call before. No inputs; `shape` includes the batch. */
  readonly state: { readonly shape: readonly number[]; readonly next: string };
  /** Darknet's fixed blur after a stride (antialiasing), or any kernel shared by all channels: depthwise, reflect or zero padding. */
  readonly blur: {
    readonly kernel: readonly (readonly number[])[];
    readonly strides: readonly [height: number, width: number];
    readonly pad: number;
    readonly padMode: "zero" | "reflect";
  };

  // Kinds for values of any rank in the original's own order of axes (Keras: batch, space…, channels).

  /** Convolution over any number of axes. Weights: `kernel` [*size, in/groups, out], depthwise [*size, in, multiplier] (or a second input of that shape); optional `bias` [out]. */
  readonly "conv-nd": ConvNdAttributes;
  /** Transposed convolution: the adjoint of {@link ConvNdAttributes} with these pads, `outputSize` says how much of it. Weights: `kernel` [*size, out, in] (or a second input of that shape), optional `bias` [out]. */
  readonly "conv-transpose-nd": ConvTransposeNdAttributes;
  /** Maximum or average over windows of any number of axes. */
  readonly "pool-nd": PoolNdAttributes;
  /** Sum of products over the letters that the result lacks, as in Einstein's notation: `ab,bc->ac`. Its factors are the inputs, then the weight `kernel` if there is one. */
  readonly contract: {
    readonly equation: string;
    /** Shape of the weight `kernel`; `null` when all factors are inputs. */
    readonly kernel: readonly number[] | null;
  };
  /** Element-wise function of one value. */
  readonly elementwise: ElementwiseAttributes;
  /** Element-wise function of two values, broadcast as numpy does. Comparisons and logic give 0 and 1. */
  readonly binary: { readonly function: BinaryFunction };
  /** One number from all elements along `axes`, in no particular order. */
  readonly reduce: {
    readonly function: ReduceFunction;
    readonly axes: readonly number[];
    readonly keepAxes: boolean;
  };
  /** Elements of an axis by position, in the order told: slices, reversals, repetitions, tilings. */
  readonly take: { readonly axis: number; readonly indices: readonly number[] };
  /** A border around the value. */
  readonly pad: {
    readonly before: readonly number[];
    readonly after: readonly number[];
    readonly value: number;
  };
  /** Same values in C order, other shape, batch included. */
  readonly view: { readonly shape: readonly number[] };
  /** Repeated along axes of size 1 (and new ones in front) to reach the shape, batch included. */
  readonly expand: { readonly shape: readonly number[] };
  /** Rows of the first input chosen by the second input's whole numbers. */
  readonly gather: Record<string, never>;
  /** The second input where the first is not 0, else the third; broadcast. */
  readonly where: Record<string, never>;
  /** A stored tensor as it is, no batch. Weights: `value`. */
  readonly weight: { readonly shape: readonly number[] };
  /** A fixed tensor, batch included. */
  readonly fill: { readonly shape: readonly number[]; readonly values: readonly number[] };
  /** Elements of an axis in descending order. */
  readonly sort: { readonly axis: number };
  /** One axis replaced by weighted sums along it: row `i` of `matrix` holds the weights of output `i`. Resizing, spectra. */
  readonly resample: { readonly axis: number; readonly matrix: LinearMap };
  /** Values rounded to what another type holds. */
  readonly cast: { readonly to: "float16" | "bfloat16" | "integer" | "bool" };
  /** Remainder of FarmHash's 64-bit fingerprint of a whole number's decimal digits. */
  readonly "farm-hash": { readonly bins: number };
  /** Remainder of TensorFlow's hash of several whole numbers. */
  readonly "cross-hash": { readonly bins: number };
  /** An operator that is none of these kinds: only a run of the original itself tells its values. `exact`: it rounds nothing. */
  readonly opaque: {
    readonly operator: string;
    readonly shape: readonly number[];
    readonly exact: boolean;
  };
}

/** Name of an operation; each has one file under `operators/`. */
export type OperationKind = keyof AttributesByKind;

/** Pixels added on each side. */
export interface Pads {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

export interface ConvAttributes {
  /** Output channels. */
  readonly filters: number;
  readonly kernel: readonly [height: number, width: number];
  readonly strides: readonly [height: number, width: number];
  readonly pads: Pads;
  readonly dilations: readonly [height: number, width: number];
  readonly groups: number;
  /**
   * Which pixels a 1×1 kernel with a stride reads: `grid` every stride-th (everyone); `contiguous`
   * (pjreddie's Darknet, facts §5.5) takes the memory of a group as rows of outH·outW values, so
   * that input channel k is row k, wherever that lies in the map.
   */
  readonly sampling: "grid" | "contiguous";
}

export interface LocalAttributes {
  readonly filters: number;
  readonly kernel: readonly [height: number, width: number];
  readonly strides: readonly [height: number, width: number];
  readonly pads: Pads;
}

export interface BatchNormAttributes {
  /** Axis of the channels in the value's own layout: 1 for NCHW and flat values. */
  readonly axis: number;
  readonly epsilon: number;
  /** `inside`: (x−m)/√(v+ε); `outside`: (x−m)/(√v+ε), pjreddie's CPU path. */
  readonly epsilonPlace: "inside" | "outside";
}

/** Element-wise functions; parameters carry their values, no function has a hidden constant that formats disagree on. */
export type ActivationFunction =
  | "linear"
  | "leaky"
  | "relu"
  | "clipped-relu"
  | "logistic"
  | "tanh"
  | "mish"
  | "hard-mish"
  | "swish"
  | "elu"
  | "selu"
  | "gelu-tanh"
  | "gelu-erf"
  | "softplus"
  | "loggy"
  | "stair"
  | "hardtan"
  | "lhtan"
  | "plse"
  | "ramp"
  | "relie"
  | "revleaky"
  | "hard-sigmoid"
  | "exp"
  | "softsign"
  | "square";

export interface ActivationAttributes {
  readonly function: ActivationFunction;
  /**
   * leaky/revleaky/relie/ramp/lhtan…: `slope`; elu, selu: `alpha`, `gain`; clipped-relu: `minimum`, `maximum`;
   * hard-sigmoid: `slope`, `offset`; gelu-tanh: `linear`, `cubic` (Darknet: .797885, .035677).
   * Any function: `nanFrom`, beyond which the original's own arithmetic overflows to NaN.
   */
  readonly parameters: Readonly<Record<string, number>>;
}

export interface PoolAttributes {
  readonly mode: "max" | "average";
  readonly kernel: readonly [height: number, width: number];
  readonly strides: readonly [height: number, width: number];
  /** May be larger on the bottom and right; windows always lie within the padded map. */
  readonly pads: Pads;
  /** Whether an average divides by the whole window (`true`) or by its pixels inside the map (none: NaN). A maximum has −FLT_MAX outside. */
  readonly countPadding: boolean;
}

export interface WeightedSumAttributes {
  /** `relu`: relu(w)/(epsilon + Σ relu); `softmax`: e^(w−max)/(epsilon + Σ). Over the inputs. */
  readonly normalization: "none" | "relu" | "softmax";
  readonly epsilon: number;
  /** One weight an input, or one an input and channel. */
  readonly perChannel: boolean;
}

export interface FitAttributes {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** `flat`: as one row of memory an image, cut or filled with 0 (AlexeyAB); `grid`: channel c, place (y·spread, x·spread) is channel c, place (y·sample, x·sample) of the input, 0 where there is none and between (pjreddie). */
  readonly rule: "flat" | "grid";
  readonly sample: number;
  readonly spread: number;
}

export interface ResizeAttributes {
  readonly mode: "nearest" | "bilinear";
  readonly height: number;
  readonly width: number;
  /**
   * Place in the input, limited to the map: (i + ½)·in/out − ½, i·(in − 1)/(out − 1), or i·in/out. ONNX has more:
   * `half-pixel-of-many`: a half pixel, but 0 where the output has one; `half-pixel-unshifted`: (i + ½)·in/out;
   * `half-pixel-symmetric`: a half pixel about the middle of the map.
   */
  readonly coordinates:
    | "half-pixel"
    | "align-corners"
    | "asymmetric"
    | "half-pixel-of-many"
    | "half-pixel-unshifted"
    | "half-pixel-symmetric";
  readonly nearestRounding: "floor" | "ceil" | "round-prefer-floor" | "round-prefer-ceil";
  /** Stands for out/in of each axis, where the output's size was cut to whole pixels. */
  readonly scales?: readonly [height: number, width: number];
}

export interface SoftmaxAttributes {
  readonly axis: number;
  /** Elements of one group; `axis` size when there is one group. */
  readonly size: number;
  readonly temperature: number;
}

export interface LrnAttributes {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly kappa: number;
  /** `exact`: channels c − ⌊(size−1)/2⌋ … c + ⌊size/2⌋; `darknet`: that sum less the square of channel ⌊size/2⌋, which its sliding sum never adds. */
  readonly rule: "exact" | "darknet";
}

/**
 * The heads of YOLO v1 to v4 as maps of planes. The input is [b, anchors·entries, h, w] (or flat
 * for `detection`); each anchor owns `entries` = coords + 1 + classes planes. The output is a map like
 * the input for `yolo` and `gaussian-yolo`, flat [b, n] for `region` and `detection`.
 */
export interface HeadAttributes {
  readonly type: "yolo" | "region" | "gaussian-yolo" | "detection";
  readonly anchors: number;
  readonly classes: number;
  /** Number of box numbers before objectness: 4, gaussian 8; detection unused. */
  readonly coords: number;
  /** Planes (offset within an anchor) that go through the logistic; classes do not when `softmaxClasses`. */
  readonly logistic: readonly number[];
  /** Planes that become x·scale + offset afterwards (scale_x_y); 1 and 0 for none. */
  readonly affine: {
    readonly planes: readonly number[];
    readonly scale: number;
    readonly offset: number;
  };
  /** Softmax over the class planes of an anchor; for `detection` over the classes of a cell, the first side²·classes numbers. */
  readonly softmaxClasses: boolean;
  /** `planes` keeps [b, anchors·entries, h, w] order; `cells` is [b, h, w, anchors, entries] (AlexeyAB region). Flat output either way where the library's is flat. */
  readonly order: "planes" | "cells";
  /** Anchor sizes in pixels of the network's input (region: in cells), pairs w, h: for decoding, not for the forward map. */
  readonly anchorSizes: readonly number[];
  /** Side of the grid (detection only). */
  readonly side: number;
}

export interface ConvNdAttributes {
  /** Output channels. */
  readonly filters: number;
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  /** Elements added before and after each space axis. */
  readonly padsBefore: readonly number[];
  readonly padsAfter: readonly number[];
  readonly dilations: readonly number[];
  readonly groups: number;
  /** Axis of the channels: 1 or the last. */
  readonly channelAxis: number;
  /** Order of the kernel's last two axes: `in-out`; `depthwise`: channel, multiplier. */
  readonly kernelOrder: "in-out" | "depthwise";
}

export interface ConvTransposeNdAttributes {
  readonly filters: number;
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  /** Elements cut off the full result before each space axis. */
  readonly cropBefore: readonly number[];
  /** Size of each space axis of the result; beyond the full result there is only the bias. */
  readonly outputSize: readonly number[];
  readonly dilations: readonly number[];
  readonly channelAxis: number;
}

export interface PoolNdAttributes {
  readonly mode: "max" | "average";
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly padsBefore: readonly number[];
  readonly padsAfter: readonly number[];
  readonly channelAxis: number;
  /** Whether an average divides by the whole window (`true`) or by its elements inside the value. */
  readonly countPadding: boolean;
}

/** Functions of one number beside the {@link ActivationFunction}s; parameters carry their values. */
export type ElementwiseFunction =
  | "abs"
  | "negate"
  | "expm1"
  | "log"
  | "log1p"
  | "sqrt"
  | "rsqrt"
  | "reciprocal"
  | "sign"
  | "floor"
  | "ceil"
  | "round"
  | "sin"
  | "cos"
  | "erf"
  | "not"
  | "is-nan"
  | "affine"
  | "power"
  | "threshold-relu"
  | "celu"
  | "hard-shrink"
  | "soft-shrink"
  | "squareplus"
  | "sparse-plus";

export interface ElementwiseAttributes {
  readonly function: ElementwiseFunction;
  /**
   * affine: x·`scale` + `offset`; power: `exponent`; threshold-relu: x > `threshold` → x, else `slope`·(x − threshold);
   * celu: `alpha`; hard-shrink, soft-shrink: `threshold`; squareplus: `b`.
   */
  readonly parameters: Readonly<Record<string, number>>;
}

/** Functions of two numbers. */
export type BinaryFunction =
  | "add"
  | "subtract"
  | "multiply"
  | "divide"
  | "floor-divide"
  | "modulo"
  | "power"
  | "maximum"
  | "minimum"
  | "equal"
  | "not-equal"
  | "less"
  | "less-equal"
  | "greater"
  | "greater-equal"
  | "and"
  | "or"
  | "xor";

export type ReduceFunction = "sum" | "mean" | "maximum" | "minimum" | "product" | "any" | "all";

/** A linear map along an axis, as its rows. */
export interface LinearMap {
  readonly rows: number;
  readonly columns: number;
  /** Row-major. */
  readonly values: readonly number[];
}
