import { ARRAY_FORMATS } from "./array-formats.js";
import type { FuzzFormat } from "./format.js";
import { KERAS_FORMATS } from "./keras-formats.js";
import { WEIGHT_FORMATS } from "./weight-formats.js";

/** Every format that is fuzzed; a reader of a new one is added here. */
export const FORMATS: readonly FuzzFormat[] = [
  ...WEIGHT_FORMATS,
  ...ARRAY_FORMATS,
  ...KERAS_FORMATS,
];
