/** Child process of the fuzzer: makes and reads one damaged file after the other, and says before each which. */
import { InputError } from "../../src/errors.js";
import { MAX_BYTES } from "./format.js";
import { FORMATS } from "./formats.js";
import { Random } from "./random.js";

/** What the child is to do. */
export interface FuzzOrder {
  readonly format: string;
  readonly seed: number;
  /** Numbers of the files: `[from, to)`. */
  readonly from: number;
  readonly to: number;
}

/** What the child says of file `k`. */
export type FuzzReport =
  | { readonly type: "begin"; readonly k: number }
  | { readonly type: "read" | "refused"; readonly k: number }
  | { readonly type: "unclean" | "memory"; readonly k: number; readonly detail: string };

process.on("message", (order: FuzzOrder) => {
  void run(order).then(() => process.exit(0));
});

async function run({ format, seed, from, to }: FuzzOrder): Promise<void> {
  const { read } = FORMATS.find(({ id }) => id === format) ?? {};
  if (read === undefined) throw new Error(`no format ${format}`);
  for (let k = from; k < to; k++) {
    await say({ type: "begin", k });
    await say(await outcome(k, () => read(new Random(seed, format, k))));
    const peak = process.resourceUsage().maxRSS * 1024;
    if (peak > MAX_BYTES) {
      await say({ type: "memory", k, detail: `${Math.round(peak / 2 ** 20)} MiB` });
      return;
    }
  }
}

async function outcome(k: number, read: () => unknown): Promise<FuzzReport> {
  try {
    await read();
    return { type: "read", k };
  } catch (error) {
    if (error instanceof InputError && isClear(error.message)) return { type: "refused", k };
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { type: "unclean", k, detail };
  }
}

/** One line that says something. */
function isClear(message: string): boolean {
  return message.trim() !== "" && !message.includes("\n");
}

/** Waits until the parent has it: a hang that follows must not keep it back. */
function say(report: FuzzReport): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(report, () => resolve());
  });
}
