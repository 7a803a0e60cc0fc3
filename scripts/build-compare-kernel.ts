/**
 * Assembles `src/compare/kernel.wat` and writes the bytes as base64 into `src/compare/kernel.ts`:
 * they are committed, so that using the package needs no assembler. A test assembles again and
 * compares. Run it after every change of the .wat file.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import loadWabt from "wabt";

const source = new URL("../src/compare/kernel.wat", import.meta.url);
const target = new URL("../src/compare/kernel.ts", import.meta.url);

/** The source text of `src/compare/kernel.ts` that belongs to the .wat file. */
export async function kernelModule(): Promise<string> {
  const wabt = await loadWabt();
  const module = wabt.parseWat("kernel.wat", readFileSync(source, "utf8"), {
    simd: true,
    mutable_globals: true,
  });
  module.validate();
  const { buffer } = module.toBinary({});
  module.destroy();
  const lines =
    Buffer.from(buffer)
      .toString("base64")
      .match(/.{1,90}/g) ?? [];
  return [
    "/**",
    " * The comparison's inner loop as WebAssembly, base64: what `scripts/build-compare-kernel.ts` makes of",
    " * `kernel.wat`. Not edited by hand.",
    " */",
    "export const KERNEL_BASE64: string = [",
    ...lines.map((line) => `  "${line}",`),
    '].join("");',
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await kernelModule();
  writeFileSync(target, text);
  console.log(`${fileURLToPath(target)}: ${text.length} characters`);
}
