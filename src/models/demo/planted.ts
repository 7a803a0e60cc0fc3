import type { Mistakes } from "./shapes-net.js";

/** A mistake, where a report must name it, and what people say of it. */
export interface Planted {
  readonly layer: string;
  /** Tap at which it must be found. */
  readonly place: string;
  /** A word that the cause found must have. */
  readonly cause: RegExp;
  /** For people: what was done, and how it comes about. */
  readonly story: string;
}

/** What is wrong in `faulty-port.ts`: defaults of the framework where the original has other values. */
export const MISTAKES: Mistakes = { conv_4: { epsilon: 1e-3 }, conv_8: { slope: 0.2 } };

/** {@link MISTAKES} as the demo tells them. */
export const PLANTED: readonly Planted[] = [
  {
    layer: "conv_4",
    place: "conv_4/norm",
    cause: /epsilon/,
    story:
      "conv_4 normalises with epsilon 0.001, the default of TensorFlow.js and Keras; Darknet has 0.00001",
  },
  {
    layer: "conv_8",
    place: "conv_8",
    cause: /slope/,
    story: "conv_8 has a leaky ReLU with slope 0.2, the default of TensorFlow.js; Darknet has 0.1",
  },
];
