/** Names the JSON of `difftest goldens judge` and its version. */
export const JUDGEMENT_SCHEMA = "difftest/goldens-judge/1";
