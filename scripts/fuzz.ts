/**
 * Reads truncated, bit-flipped and otherwise damaged files of every format:
 *
 *     npm run fuzz -- [--count 2000] [--seed 1] [--from 0] [--format ID]
 *
 * Each file must give a value or one clear `InputError` within 10 seconds, in little memory. Exit
 * status 0: all did; 1: some did not (each is printed with the line that repeats it); 2: wrong call.
 */
import { parseArgs } from "node:util";
import { MAX_MS } from "./fuzz/format.js";
import { FORMATS } from "./fuzz/formats.js";
import { runFormat } from "./fuzz/run-format.js";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    format: { type: "string" },
  },
});
process.exitCode = await main();

async function main(): Promise<number> {
  const [count, seed, from] = [values.count, values.seed, values.from].map(Number);
  const formats = FORMATS.filter(({ id }) => id === (values.format ?? id));
  const whole = [count, seed, from].every((value) => Number.isSafeInteger(value));
  if (count === undefined || seed === undefined || from === undefined || !whole) {
    return usage("--count, --seed and --from are whole numbers");
  }
  if (formats.length === 0) {
    return usage(`--format is one of ${FORMATS.map(({ id }) => id).join(", ")}`);
  }
  let found = 0;
  for (const { id: format } of formats) {
    const order = { format, seed, from, to: from + count };
    const started = performance.now();
    const { read, refused, findings } = await runFormat(order, MAX_MS);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(
      `${format}: ${count} files: ${read} read, ${refused} refused, ${findings.length} findings (${seconds} s)`,
    );
    for (const { k, kind, detail } of findings) {
      console.log(
        `  ${kind}: npm run fuzz -- --format ${format} --seed ${seed} --from ${k} --count 1`,
      );
      console.log(`    ${detail.split("\n").slice(0, 6).join("\n    ")}`);
    }
    found += findings.length;
  }
  return found === 0 ? 0 : 1;
}

function usage(message: string): number {
  console.error(message);
  return 2;
}
