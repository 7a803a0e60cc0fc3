import { type Computer, functionErrorOf } from "../../src/runtime/function-errors.js";
import { loadBackend } from "../../src/runtime/load-backend.js";

/** What differs from a back-end as difftest starts it; set before TensorFlow is loaded. */
const ENVIRONMENTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "node-onednn": { TF_ENABLE_ONEDNN_OPTS: "1" },
  "node-bfloat16": {
    TF_ENABLE_ONEDNN_OPTS: "1",
    TF_SET_ONEDNN_FPMATH_MODE: "BF16",
    ONEDNN_DEFAULT_FPMATH_MODE: "BF16",
  },
};

/** Makes TensorFlow.js ready on a back-end or a variant of one; nothing for `plain`. Once a process. */
export async function startBackend(who: string): Promise<void> {
  if (who === "plain") return;
  Object.assign(process.env, ENVIRONMENTS[who] ?? {});
  await loadBackend(baseOf(who) as "wasm");
}

/** The measured errors of functions that the command would use for it. */
export function functionErrorFor(who: string): ReturnType<typeof functionErrorOf> {
  return functionErrorOf(baseOf(who));
}

function baseOf(who: string): Exclude<Computer, "reference" | "operators"> {
  return who.split("-")[0] as Exclude<Computer, "reference" | "operators">;
}
