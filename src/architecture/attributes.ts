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
  /** Element-wise sum, product, … of inputs; the smaller are broadcast as numpy does (declared by shape [.., 1, ..] only). */
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
  /** Down-sampling by summing blocks, then multiplied by `gain` (Darknet's upsample with negative stride). */
  readonly "sum-blocks": {
    readonly factor: readonly [height: number, width: number];
    readonly gain: number;
  };
  /** Resize to a size by a rule. */
  readonly resize: ResizeAttributes;
  /** Darknet's historical reorg. */
  readonly reorg: { readonly stride: number; readonly reverse: boolean };
  /** True space-to-depth: out[c + C·(dy·stride + dx)] = in[c] at (y·stride + dy, x·stride + dx). */
  readonly "space-to-depth": { readonly stride: number };
  /** Sub-rectangle of the map. */
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
  /** A stored tensor, repeated over the batch. Weights: `value` [c, h, w] as `shape`. */
  readonly parameter: { readonly shape: readonly number[] };
  /** Softmax of `x / temperature` over consecutive groups of `size` elements of `axis`. */
  readonly softmax: SoftmaxAttributes;
  /** x / √(Σ x² + epsilon) over `axis`. */
  readonly "l2-norm": { readonly axis: number; readonly epsilon: number };
  /** Local response normalisation across channels: x · (kappa + alpha/divisor · Σ x²)^−beta over a window of `size` channels. */
  readonly lrn: LrnAttributes;
  /** Darknet's `normalize_channels*` activations: each pixel's channels divided by a sum over them. */
  readonly "channel-normalize": {
    readonly mode: "relu" | "softmax" | "softmax-maxval";
    readonly epsilon: number;
  };
  /** Logistic on some planes, affine map on others: the heads of YOLO. See {@link HeadAttributes}. */
  readonly head: HeadAttributes;
  /** What the recurrent layer remembers: zero at first, then the value of `next` of the call before. No inputs. */
  readonly state: { readonly shape: readonly number[]; readonly next: string };
  /** Darknet's fixed blur after a stride (antialiasing), or any kernel shared by all channels: depthwise, reflect or zero padding. */
  readonly blur: {
    readonly kernel: readonly (readonly number[])[];
    readonly stride: number;
    readonly pad: number;
    readonly padMode: "zero" | "reflect";
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
   * Which pixels a 1×1 kernel with a stride reads: `grid` every stride-th (everyone), `contiguous`
   * the first out·out pixels in memory order (pjreddie's Darknet, facts §5.5).
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
   */
  readonly parameters: Readonly<Record<string, number>>;
}

export interface PoolAttributes {
  readonly mode: "max" | "average";
  readonly kernel: readonly [height: number, width: number];
  readonly strides: readonly [height: number, width: number];
  /** May be larger on the bottom and right; windows always lie within the padded map. */
  readonly pads: Pads;
  /** Whether an average divides by the whole window (`true`) or by its pixels inside the map. */
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
  /** `flat`: as one row of memory an image, cut or filled with 0 (AlexeyAB); `grid`: by channel and every `sample`-th pixel, written to every `spread`-th (pjreddie). */
  readonly rule: "flat" | "grid";
  readonly sample: number;
  readonly spread: number;
}

export interface ResizeAttributes {
  readonly mode: "nearest" | "bilinear";
  readonly height: number;
  readonly width: number;
  readonly coordinates: "half-pixel" | "align-corners" | "asymmetric";
  readonly nearestRounding: "floor" | "round-prefer-floor" | "round-prefer-ceil";
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
  /** `exact`: the window is size/2 before and after; `darknet`: its sliding sum, facts §5.6. */
  readonly rule: "exact" | "darknet";
}

/**
 * The heads of YOLO v1 to v4 as maps of planes. The input is [b, anchors·entries, h, w] (or flat
 * for `detection`); each anchor owns `entries` planes.
 */
export interface HeadAttributes {
  readonly type: "yolo" | "region" | "gaussian-yolo" | "detection";
  readonly anchors: number;
  readonly classes: number;
  /** Number of box numbers before objectness: 4, gaussian 8; detection unused. */
  readonly coords: number;
  /** Planes (offset within an anchor) that go through the logistic. */
  readonly logistic: readonly number[];
  /** Planes that become x·scale + offset afterwards (scale_x_y). */
  readonly affine: {
    readonly planes: readonly number[];
    readonly scale: number;
    readonly offset: number;
  };
  /** Softmax over the class planes of an anchor. */
  readonly softmaxClasses: boolean;
  /** `planes` keeps [b, anchors·entries, h, w] order; `cells` is [b, h, w, anchors, entries] (AlexeyAB region). Flat output either way where the library's is flat. */
  readonly order: "planes" | "cells";
  /** Anchor sizes in pixels of the network's input (region: in cells), pairs w, h: for decoding, not for the forward map. */
  readonly anchorSizes: readonly number[];
  /** Side of the grid (detection only). */
  readonly side: number;
}
