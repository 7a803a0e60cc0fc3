/** Builds `dist`: compiled sources, the ONNX schema module and the executable bit of the command. */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, rmSync, symlinkSync, writeFileSync } from "node:fs";

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
