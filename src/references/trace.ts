import type { Tensor } from "../tensor/tensor.js";

/** What a reference gave for one input: values by tap, in the original's layout. */
export interface ReferenceTrace {
  /** As a user names it: `darknet`, `golden:DIR`. */
  readonly name: string;
  readonly version: string;
  /** Ids in the order of computation. */
  readonly taps: readonly string[];
  /** The values of a tap; `undefined` for one that was not recorded. */
  readonly read: (id: string) => Tensor | undefined;
}
