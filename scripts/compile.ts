import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

/** Generated JavaScript: it lies beside its declarations, and the compiler copies neither. */
const GENERATED = "formats/onnx/generated";

/** Compiles `src` as a project file says, into an empty folder. */
export function compile(project: string, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", project], {
    stdio: "inherit",
  });
  if (existsSync(`src/${GENERATED}`))
    cpSync(`src/${GENERATED}`, `${folder}/${GENERATED}`, { recursive: true });
}

/** Whether a compiled file is newer than everything it is compiled from. */
export function isCurrent(compiled: string, configurations: readonly string[]): boolean {
  if (!existsSync(compiled)) return false;
  const built = statSync(compiled).mtimeMs;
  const sources = readdirSync("src", { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return [...sources, "package.json", "tsconfig.json", ...configurations].every(
    (file) => statSync(file).mtimeMs < built,
  );
}
