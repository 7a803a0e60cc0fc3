/**
 * Measures how exactly right ports compute, on this machine: the numbers of
 * `src/runtime/function-errors.ts` and of `docs/tolerance.md`.
 *
 *     npx tsx scripts/measure-rounding.ts functions [reference|operators|plain|wasm|cpu|node …]
 *     npx tsx scripts/measure-rounding.ts convolutions [wasm|cpu|node|node-onednn|node-bfloat16|plain …]
 *     npx tsx scripts/measure-rounding.ts steps [wasm|cpu|node|node-onednn|node-bfloat16 …]
 *
 * `node` is TensorFlow as difftest starts it (oneDNN off), `node-onednn` as TensorFlow itself would
 * start, `node-bfloat16` with oneDNN allowed to round products' factors to bfloat16.
 */
import { execFileSync } from "node:child_process";
import { convolutionReport } from "./rounding/convolutions.js";
import { functionErrors } from "./rounding/functions.js";
import { stepReport } from "./rounding/steps.js";

/** What each part prints for one back-end, and the back-ends without which it is not told others. */
const PARTS: Readonly<
  Record<string, { readonly print: (who: string) => Promise<string>; readonly usual: string[] }>
> = {
  functions: { print: functionErrors, usual: ["reference", "operators", "plain", "wasm", "cpu"] },
  convolutions: { print: convolutionReport, usual: ["wasm", "cpu", "plain"] },
  steps: { print: stepReport, usual: ["wasm", "cpu"] },
};

const [what = "functions", ...who] = process.argv.slice(2);
const part = PARTS[what];
if (part === undefined) {
  console.error(`measure-rounding: ${what}, expected one of ${Object.keys(PARTS).join(", ")}`);
  process.exitCode = 2;
} else if (who.length === 1) {
  console.log(await part.print(who[0] as string));
} else {
  // A process each: TensorFlow reads its settings once, when it is loaded.
  for (const one of who.length > 0 ? who : part.usual) {
    const script = [...process.execArgv, process.argv[1] as string, what, one];
    execFileSync(process.execPath, script, { stdio: "inherit" });
  }
}
