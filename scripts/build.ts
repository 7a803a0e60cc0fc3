/**
 * Builds `dist`: compiled sources, the ONNX schema module and the executable bit of the command.
 *
 * With `--if-older` nothing is done when `dist` is newer than every source: npm runs `prepare` again
 * when it links this folder for `npx`.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

if (process.argv.includes("--if-older") && isCurrent()) process.exit(0);
rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  stdio: "inherit",
});
// Generated JavaScript lies beside its declarations; the compiler copies neither.
const generated = "src/formats/onnx/generated";
if (existsSync(generated)) cpSync(generated, "dist/formats/onnx/generated", { recursive: true });
chmodSync("dist/cli.js", 0o755);
// In this folder itself `npx difftest` finds the command where it finds those of dependencies.
const link = "node_modules/.bin/difftest";
if (existsSync("node_modules/.bin")) {
  rmSync(link, { force: true });
  if (process.platform === "win32") {
    writeFileSync(`${link}.cmd`, '@node "%~dp0\\..\\..\\dist\\cli.js" %*\r\n');
  } else {
    symlinkSync("../../dist/cli.js", link);
  }
}

/** Whether the command was built after the last change of what it is built from. */
function isCurrent(): boolean {
  if (!existsSync("dist/cli.js") || !existsSync("node_modules/.bin/difftest")) return false;
  const built = statSync("dist/cli.js").mtimeMs;
  const sources = readdirSync("src", { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return [...sources, "package.json", "tsconfig.json", "tsconfig.build.json"].every(
    (file) => statSync(file).mtimeMs < built,
  );
}
