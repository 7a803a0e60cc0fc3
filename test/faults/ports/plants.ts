import type { Architecture } from "../../../src/architecture/architecture.js";
import type { OperationKind } from "../../../src/architecture/attributes.js";

/** What is done to the values of a weight after the port has taken it. */
export type WeightChange =
  /** Two output channels exchanged. */
  | { readonly swap: readonly [number, number] }
  /** The values of another tensor of the same size. */
  | { readonly from: string }
  /** The stored values taken for another order of axes: `hwio`, `ohwi`; or a matrix for its transpose. */
  | { readonly readAs: "hwio" | "ohwi" | "io" }
  /** Height and width exchanged, both mirrored, input channels reversed. */
  | { readonly kernel: "hw" | "rotated" | "bgr" }
  | { readonly each: "zero" | "one" | "twice" | "square" | "root" }
  /** One value off by one unit in the last place. */
  | { readonly bit: number }
  /** Other values than the file's: what an initializer leaves. */
  | { readonly random: number };

/** What is done to what an operation gives. */
export type OutputChange =
  | { readonly add: { readonly at: number; readonly value: number } }
  | { readonly set: { readonly at: number; readonly value: "NaN" | "Infinity" } }
  | { readonly times: number }
  /** Height and width exchanged (data and shape), their sizes alone, mirrored, all values in another order, the first image of the batch alone. */
  | { readonly arrange: "hw" | "reshaped" | "mirrored" | "shuffled" | "nchw" | "first" };

/** One planted mistake. */
export type Plant =
  /** Other attributes of an operation. */
  | { readonly op: string; readonly attributes: Readonly<Record<string, unknown>> }
  /** Another operation in its place. */
  | {
      readonly op: string;
      readonly kind: OperationKind;
      readonly attributes: Readonly<Record<string, unknown>>;
    }
  /** Other inputs, or the same in another order. */
  | { readonly op: string; readonly inputs: "reversed" | readonly string[] }
  | { readonly op: string; readonly output: OutputChange }
  /** Nearest replaced by bilinear up-sampling; groups of a convolution ignored; a map flattened as TensorFlow.js holds it; softmax over the batch as well. */
  | { readonly op: string; readonly way: "bilinear" | "ungrouped" | "nhwc-flat" | "all" }
  /** Epsilon added to the root instead of the variance. */
  | { readonly op: string; readonly way: "outside" }
  /** Right, by another formula: leaky as a maximum, mish of powers alone, a norm as one factor and one shift, a pool of 9 as two of 5. */
  | { readonly op: string; readonly way: "maximum" | "powers" | "affine" | "cascade" }
  | { readonly weight: string; readonly change: WeightChange }
  | { readonly preprocess: "bgr" | "twice" | "mirrored" | "not divided" };

/** What a test asks of the interpreter port. */
export interface PlantedRun {
  /** What is run: the original as its reader gives it. */
  readonly architecture: Pick<Architecture, "inputs" | "layers" | "operations" | "weights">;
  readonly plants: readonly Plant[];
  /** Tap the steps inside layers as well. */
  readonly subTaps?: boolean;
  /** Go on with the own tensor at these taps. */
  readonly ignore?: readonly string[];
  readonly skip?: readonly string[];
  /** Other names of taps. */
  readonly rename?: Readonly<Record<string, string>>;
  /** All taps by names of the port's own: `step 0`, `step 1` … */
  readonly ownNames?: boolean;
  readonly preprocess?: boolean;
  /** Show the variables, to be compared with the file. */
  readonly variables?: boolean;
  /** Declare this layout instead of the true one, `nhwc`. */
  readonly layout?: "nchw";
  /** Compute with the batch norm folded into the kernel: right, in another order. Without sub-taps only. */
  readonly folded?: boolean;
  /** Weights that are never asked for: the port has its own. */
  readonly untaken?: readonly string[];
}
