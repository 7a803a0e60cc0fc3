import type { ActivationAttributes, AttributesByKind } from "../../architecture/attributes.js";
import type { DarknetDialect } from "./dialect.js";

/** What an `activation=` word means: nothing to do, an element-wise function, or a normalisation over the channels. */
export type DarknetActivation =
  | { readonly kind: "none" }
  | { readonly kind: "activation"; readonly attributes: ActivationAttributes }
  | {
      readonly kind: "channel-normalize";
      readonly attributes: AttributesByKind["channel-normalize"];
    };

function plain(
  name: ActivationAttributes["function"],
  parameters: Record<string, number> = {},
): DarknetActivation {
  return { kind: "activation", attributes: { function: name, parameters } };
}

function normalize(mode: "relu" | "softmax" | "softmax-maxval"): DarknetActivation {
  return { kind: "channel-normalize", attributes: { mode, epsilon: 1e-4 } };
}

/** Known to both libraries, with the constants of their source. */
const BOTH: Readonly<Record<string, DarknetActivation>> = {
  linear: { kind: "none" },
  logistic: plain("logistic"),
  loggy: plain("loggy"),
  relu: plain("relu"),
  elu: plain("elu", { alpha: 1, gain: 1 }),
  selu: plain("selu", { alpha: 1.6732, gain: 1.0507 }),
  relie: plain("relie", { slope: 0.01 }),
  ramp: plain("ramp", { slope: 0.1 }),
  tanh: plain("tanh"),
  plse: plain("plse", { slope: 0.01 }),
  leaky: plain("leaky", { slope: 0.1 }),
  stair: plain("stair"),
  hardtan: plain("hardtan"),
  lhtan: plain("lhtan", { slope: 0.001 }),
};

/**
 * pjreddie's library computes these through e^x in double precision, which overflows: beyond the
 * limit its value is 0·∞ or ∞/∞ (recorded: tanh(350) = 1, tanh(360) = NaN).
 */
const OVERFLOW = 709.7827;
const PJREDDIE: Readonly<Record<string, DarknetActivation>> = {
  tanh: plain("tanh", { nanFrom: OVERFLOW / 2 }),
  elu: plain("elu", { alpha: 1, gain: 1, nanFrom: OVERFLOW }),
  selu: plain("selu", { alpha: 1.6732, gain: 1.0507, nanFrom: OVERFLOW }),
};

/** Known to AlexeyAB's library alone. On its scalar CPU path some give 0; here they mean what they say. */
const ALEXEYAB: Readonly<Record<string, DarknetActivation>> = {
  relu6: plain("clipped-relu", { minimum: 0, maximum: 6 }),
  swish: plain("swish"),
  mish: plain("mish"),
  hard_mish: plain("hard-mish"),
  gelu: plain("gelu-tanh", { linear: 0.797885, cubic: 0.035677 }),
  revleaky: plain("revleaky", { slope: 0.1 }),
  normalize_channels: normalize("relu"),
  normalize_channels_softmax: normalize("softmax"),
  normalize_channels_softmax_maxval: normalize("softmax-maxval"),
};

/** The meaning of an `activation=` word in a dialect; `undefined` for one it does not know (the library then takes ReLU). */
export function darknetActivation(
  word: string,
  dialect: DarknetDialect,
): DarknetActivation | undefined {
  if (dialect === "pjreddie" && Object.hasOwn(PJREDDIE, word)) return PJREDDIE[word];
  if (Object.hasOwn(BOTH, word)) return BOTH[word];
  return dialect === "alexeyab" && Object.hasOwn(ALEXEYAB, word) ? ALEXEYAB[word] : undefined;
}
