/**
 * Builds `dist`: compiled sources, the ONNX schema module and the executable bit of the command.
 *
 * With `--if-older` nothing is done when `dist` is newer than every source: npm runs `prepare` again
 * when it links this folder for `npx`.
 */
import { chmodSync, existsSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { compile, isCurrent } from "./compile.js";

const PROJECT = "tsconfig.build.json";
const COMMAND = "dist/cli.js";
/** In this folder itself `npx difftest` finds the command where it finds those of dependencies. */
const LINK = "node_modules/.bin/difftest";

const current = existsSync(LINK) && isCurrent(COMMAND, [PROJECT]);
if (process.argv.includes("--if-older") && current) process.exit(0);
compile(PROJECT, "dist");
chmodSync(COMMAND, 0o755);
if (existsSync("node_modules/.bin")) {
  rmSync(LINK, { force: true });
  if (process.platform === "win32") {
    writeFileSync(`${LINK}.cmd`, '@node "%~dp0\\..\\..\\dist\\cli.js" %*\r\n');
  } else {
    symlinkSync("../../dist/cli.js", LINK);
  }
}
